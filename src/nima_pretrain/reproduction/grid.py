"""The grid of starts, rating shares, seeds and folds; every cell is a run.

Finished runs are kept and stopped ones are resumed, so a grid can be stopped, and its config
extended, at any time.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import pandas as pd

from nima_pretrain.config import (
    DistillConfig,
    FinetuneConfig,
    PretextConfig,
    RatingsConfig,
    ReproduceConfig,
    StartConfig,
)
from nima_pretrain.data.rating_files import as_ratings, listed_in
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.split import PARTS
from nima_pretrain.distillation.distill import distill
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluate
from nima_pretrain.evaluation.evaluation_files import evaluations_of
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.ratings_split import training_digest
from nima_pretrain.training.results import FinetuneResults, PretrainResults
from nima_pretrain.training.run_directory import carry_on

logger = logging.getLogger(__name__)

TEST = "test"


class Fold(NamedTuple):
    """One split of the ratings into training, validation and test."""

    name: str
    training: Ratings
    validation: Ratings
    test: Ratings


class Cell(NamedTuple):
    """One fine-tuning of the grid."""

    start: str
    share: float
    seed: int
    fold: str

    def folder(self, run: Path) -> Path:
        """Returns the run directory of this cell."""
        parts = [self.start, f"share-{100 * self.share:g}", f"seed-{self.seed}", self.fold]
        return run.joinpath("cells", *(part for part in parts if part))


def load(data: RatingsConfig) -> Ratings:
    """Returns the ratings of a config.

    Raises:
        InputError: see `rating_files.load_ratings`.
    """
    return as_ratings(data.ratings, data.images, data.scale)


def folds_of(config: ReproduceConfig, ratings: Ratings) -> list[Fold]:
    """Returns the splits of the ratings: by folds, by file lists, or by the ratings' own split.

    Raises:
        InputError: a file cannot be read, a photo has no fold, or a part is empty.
    """
    if config.folds:
        return list(_by_folds(config.folds, ratings))
    if config.lists:
        parts = [listed_in(ratings, file) for file in config.lists]
    else:
        parts = [ratings.part(part) for part in PARTS]
    if not all(len(part) for part in parts):
        sizes = ", ".join(
            f"{len(part)} for {name}" for part, name in zip(parts, PARTS, strict=True)
        )
        raise InputError(
            f"Expected ratings for training, validation and test, received {sizes}. "
            "Give folds or lists in the config, or a column split in the ratings."
        )
    return [Fold("", *parts)]


def cells_of(config: ReproduceConfig, folds: list[Fold]) -> list[Cell]:
    """Returns all cells, those of the largest share first."""
    return [
        Cell(name, share, seed, fold.name)
        for share in sorted({s for x in config.starts for s in _shares(config, x)}, reverse=True)
        for seed in config.seeds
        for name in config.starts
        if share in _shares(config, name)
        for fold in folds
    ]


def weights_of(run: Path, config: ReproduceConfig, start: str, seed: int) -> str:
    """Returns the initial weights of fine-tuning for a start and a seed: a name or path."""
    return config.starts[start].weights or str(
        _pretraining(run, config, start, seed) / "backbone.h5"
    )


def run_grid(run: Path, config: ReproduceConfig, folds: list[Fold]) -> None:
    """Trains and evaluates the missing parts of a grid.

    Args:
        run: the existing directory of the grid.
        config: config of the grid.
        folds: from `folds_of`.

    Raises:
        InputError: data are invalid, or differ from those of a finished cell.
    """
    for name, start in config.starts.items():
        stage = config.pretext_of(start)
        if stage and config.pretrain_per_seed:
            for seed in config.seeds:
                of_seed = stage.model_copy(update={"seed": seed})
                _pretrain(_pretraining(run, config, name, seed), config, of_seed)
        elif stage:
            _pretrain(_pretraining(run, config, name, stage.seed), config, stage)
    transfers = {name: load(data) for name, data in config.transfer.items()}
    by_name = {fold.name: fold for fold in folds}
    cells = cells_of(config, folds)
    for number, cell in enumerate(cells, start=1):
        folder = cell.folder(run)
        logger.info("cell %d of %d: %s", number, len(cells), folder.relative_to(run))
        fold = by_name[cell.fold]
        weights = weights_of(run, config, cell.start, cell.seed)
        _finetune(folder, cell, fold, config, weights, run / "features")
        done = evaluations_of(folder)
        for name, ratings in {TEST: fold.test, **transfers}.items():
            if name not in done:
                evaluate(folder / "nima.h5", ratings, part="all", name=name, resamples=0)
        keras.backend.clear_session()


def _pretraining(run: Path, config: ReproduceConfig, start: str, seed: int) -> Path:
    folder = run / "starts" / start
    return folder / f"seed-{seed}" if config.pretrain_per_seed else folder


def _pretrain(folder: Path, config: ReproduceConfig, stage: PretextConfig) -> None:
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
    carry_on(folder, stage, PretrainResults, learn)


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
    if results.ratings_sha256 != training_digest(fold.training, stage):
        raise InputError(
            f"{folder} was trained on other ratings than those of the config now. "
            "Choose another --run, or put the ratings back."
        )


def _learner_of(
    stage: FinetuneConfig, start: StartConfig, features: Path
) -> Callable[..., FinetuneResults]:
    if isinstance(stage, DistillConfig):
        return partial(distill, unlabelled=start.unlabelled, cache=features)
    return partial(finetune, photos=start.order_photos)


def _shares(config: ReproduceConfig, start: str) -> tuple[float, ...]:
    return config.starts[start].shares or config.shares


def _by_folds(file: Path, ratings: Ratings) -> Iterator[Fold]:
    try:
        table = pd.read_csv(file, dtype=str, encoding="utf-8-sig", keep_default_na=False)
        fold_of = dict(zip(table["image_id"], table["fold"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"Expected CSV with image_id,fold in {file}: {error}.") from None
    without = [name for name in ratings.names if not fold_of.get(name)]
    if without:
        raise InputError(
            f"{len(without)} rated photos have no fold in {file}, e.g. {without[0]!r}."
        )
    names = sorted({fold_of[name] for name in ratings.names})
    if len(names) < 3:
        raise InputError(f"Expected at least three folds in {file}, received {len(names)}.")
    rows = {name: [r for r, x in enumerate(ratings.names) if fold_of[x] == name] for name in names}
    for number, test in enumerate(names):
        validation = names[(number + 1) % len(names)]
        training = sorted(set(range(len(ratings))) - {*rows[test], *rows[validation]})
        chosen = (training, rows[validation], rows[test])
        parts = (ratings.rows(part).without_parts() for part in chosen)
        yield Fold(f"fold-{test}", *parts)
