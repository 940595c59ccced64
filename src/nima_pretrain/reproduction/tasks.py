"""The trainings of a grid as tasks: pretrainings first, then the cells that begin with them.

Finished runs are kept and stopped ones are resumed, so a grid can be stopped, and its config
extended, at any time.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras

from nima_pretrain.config import (
    DistillConfig,
    FinetuneConfig,
    PretextConfig,
    ReproduceConfig,
    StartConfig,
)
from nima_pretrain.config.whole import TEST
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.distillation.distill import distill
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluate
from nima_pretrain.evaluation.evaluation_files import evaluations_of
from nima_pretrain.evaluation.results import EvaluationResults
from nima_pretrain.reproduction.grid import (
    Cell,
    Fold,
    cells_of,
    load,
    pretrainings_of,
    weights_of,
)
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.ratings_split import check_trained_on
from nima_pretrain.training.results import FinetuneResults, PretrainResults
from nima_pretrain.training.run_directory import carry_on
from nima_pretrain.weights import BUNDLED
from nima_pretrain.weights.side_car import sha256_of

logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """A call that writes one run directory; tasks of one stage do not depend on each other.

    Attributes:
        name: the run directory within the grid, for log lines.
        function: a function of a module, which another process can import.
        arguments: its arguments, which can be pickled.
    """

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]


Executor = Callable[[Sequence[Task]], None]


def run_in_turn(tasks: Sequence[Task]) -> None:
    """Runs tasks in this process, one after the other."""
    for number, task in enumerate(tasks, start=1):
        logger.info("%d of %d: %s", number, len(tasks), task.name)
        task.function(*task.arguments)


def run_grid(
    run: Path, config: ReproduceConfig, folds: list[Fold], execute: Executor = run_in_turn
) -> None:
    """Trains and evaluates the missing parts of a grid.

    Args:
        run: the existing directory of the grid.
        config: config of the grid.
        folds: from `folds_of`.
        execute: runs the tasks of a stage and returns when all are finished.

    Raises:
        InputError: data or starts are invalid, or differ from those of a finished cell.
    """
    transfers = {name: load(data) for name, data in config.transfer.items()}
    by_name = {fold.name: fold for fold in folds}
    execute(
        [
            Task(str(folder.relative_to(run)), pretrain_start, (folder, config, stage))
            for folder, stage in pretrainings_of(run, config).items()
        ]
    )
    execute(
        [
            Task(
                str(cell.folder(run).relative_to(run)),
                train_cell,
                (run, config, cell, by_name[cell.fold], transfers),
            )
            for cell in cells_of(config, folds)
        ]
    )


def pretrain_start(folder: Path, config: ReproduceConfig, stage: PretextConfig) -> None:
    """Pretrains a start, unless that is finished.

    Args:
        folder: run directory of the pretraining.
        config: config of the grid.
        stage: settings of the pretraining.

    Raises:
        InputError: photos are missing, or the run exists with other settings or initial weights.
    """
    photos = config.photos
    assert photos is not None
    stage = stage.model_copy(update=config.finetune.network.model_dump())
    training, validation, test = config.photo_lists or (None, None, None)

    learn = partial(
        pretrain,
        photos,
        base_weights=config.base_weights,
        training_list=training,
        validation_list=validation,
        test_list=test,
    )
    results = carry_on(folder, stage, PretrainResults, learn)
    if results.base_weights:
        before = (results.base_weights, results.base_weights_sha256)
        _check_start(folder, *before, config.base_weights)


def train_cell(
    run: Path, config: ReproduceConfig, cell: Cell, fold: Fold, transfers: dict[str, Ratings]
) -> None:
    """Fine-tunes and evaluates a cell, as far as that is not finished.

    Args:
        run: the directory of the grid.
        config: config of the grid.
        cell: the cell.
        fold: its split of the ratings.
        transfers: further ratings to evaluate it on, by name.

    Raises:
        InputError: data are invalid, or differ from those that the cell was trained on, or its
            start has been changed.
    """
    folder = cell.folder(run)
    weights = weights_of(run, config, cell.start, cell.seed)
    _finetune(folder, cell, fold, config, weights, run / "features")
    done = evaluations_of(folder)
    for name, ratings in {TEST: fold.test, **transfers}.items():
        if name not in done:
            evaluate(folder / "nima.h5", ratings, part="all", name=name, resamples=0)
        elif EvaluationResults.read(done[name]).ratings_sha256 != ratings.digest:
            raise InputError(
                f"{done[name]} is an evaluation on other ratings than those of the config now. "
                "Choose another --run, or put the ratings back."
            )
    keras.backend.clear_session()


def _finetune(
    folder: Path, cell: Cell, fold: Fold, config: ReproduceConfig, weights: str, features: Path
) -> None:
    start = config.starts[cell.start]
    # The network is that of the grid, whatever the weights of the start were made for.
    changes = {"share": cell.share, "seed": cell.seed, **config.finetune.network.model_dump()}
    stage = config.stage_of(start).model_copy(update=changes)
    learn = partial(
        _learner_of(stage, start, features),
        fold.training,
        validation_ratings=fold.validation,
        backbone=weights,
    )
    results = carry_on(folder, stage, FinetuneResults, learn)
    check_trained_on(folder, results.ratings_sha256, fold.training, stage)
    _check_start(folder, results.backbone_weights, results.backbone_sha256, weights)
    if (results.ordered is not None) != (start.order_photos is not None):
        raise _started_otherwise(folder, f"{_with(results.ordered)} order_photos")
    uses_unlabelled = start.unlabelled is not None and not getattr(stage, "of_labels_alone", False)
    if bool(results.unlabelled) != uses_unlabelled:
        raise _started_otherwise(folder, f"{_with(results.unlabelled)} unlabelled photos")


def _check_start(folder: Path, before: str, before_sha256: str | None, weights: str) -> None:
    """Checks that a finished training began with the weights that the config names now.

    Args:
        folder: its run directory.
        before: its initialization.
        before_sha256: hash of the file, if it is known.
        weights: the name or path in the config.

    Raises:
        InputError: it began with other ones.
    """
    if weights == BUNDLED:  # files that differ between versions, and installations
        return
    file = Path(weights)
    if before_sha256 and file.is_file():
        is_same = before_sha256 == sha256_of(file)
    else:  # a name, or a file that is gone
        is_same = Path(before).name in (file.name, f"{weights}.h5")
    if not is_same:
        raise _started_otherwise(folder, f"from {before}, not from what {weights} is now")


def _with(found: object) -> str:
    return "with" if found else "without"


def _started_otherwise(folder: Path, start: str) -> InputError:
    return InputError(
        f"{folder} was trained {start}. Give the changed start another name, choose another --run, "
        "or put back what the config had."
    )


def _learner_of(
    stage: FinetuneConfig, start: StartConfig, features: Path
) -> Callable[..., FinetuneResults]:
    if isinstance(stage, DistillConfig):
        return partial(distill, unlabelled=start.unlabelled, cache=features)
    return partial(finetune, photos=start.order_photos)
