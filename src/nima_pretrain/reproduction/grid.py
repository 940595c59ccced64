"""The grid: starts, shares of the ratings, seeds and folds; every cell a run of its own.

What is finished is taken as it is, what was stopped goes on, so that a grid can be stopped, and
its config extended, at any time.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pandas as pd

from nima_pretrain.config import (
    AnyPretextConfig,
    DistillConfig,
    RatingsConfig,
    ReproduceConfig,
)
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.ratings import Ratings, listed, parse_scale
from nima_pretrain.data.split import PARTS, SplitFiles, read_file_list
from nima_pretrain.distillation import distill
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluate, evaluations_of, write_evaluation
from nima_pretrain.files import read_json
from nima_pretrain.training import finetune, pretrain
from nima_pretrain.training.ratings_split import training_digest
from nima_pretrain.training.run_directory import carry_on
from nima_pretrain.weights.store import load_model, read_side_car

logger = logging.getLogger(__name__)

TEST = "test"


class Fold(NamedTuple):
    """One division of the ratings: rows to train on, to choose the epoch by, and to test on."""

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
        """Where the run of this cell lies."""
        parts = [self.start, f"share-{100 * self.share:g}", f"seed-{self.seed}", self.fold]
        return run.joinpath("cells", *(part for part in parts if part))


def load(data: RatingsConfig) -> Ratings:
    """Returns the ratings that a config names."""
    return load_ratings(data.ratings, data.images, parse_scale(data.scale) if data.scale else None)


def folds_of(config: ReproduceConfig, ratings: Ratings) -> list[Fold]:
    """Returns how the ratings are divided: by folds, by lists, or as they say themselves.

    Raises:
        InputError: a photo has no fold, or a part is empty.
    """
    if config.folds:
        return list(_by_folds(config.folds, ratings))
    if config.lists:
        parts = [listed(ratings, read_file_list(file), file) for file in config.lists]
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
    """Returns all cells, those of the whole ratings first."""
    return [
        Cell(name, share, seed, fold.name)
        for share in sorted({s for x in config.starts for s in _shares(config, x)}, reverse=True)
        for seed in config.seeds
        for name in config.starts
        if share in _shares(config, name)
        for fold in folds
    ]


def weights_of(run: Path, config: ReproduceConfig, start: str) -> str:
    """Returns what fine-tuning loads for a start."""
    return config.starts[start].weights or str(run / "starts" / start / "backbone.h5")


def run_grid(run: Path, config: ReproduceConfig, folds: list[Fold]) -> None:
    """Trains and evaluates whatever of the grid is not there yet.

    Args:
        run: the directory of the grid; it exists.
        config: of the grid.
        folds: from `folds_of`.

    Raises:
        InputError: data are not what they should be, or differ from those of a finished cell.
    """
    for name, start in config.starts.items():
        stage = config.pretext_of(start)
        if stage:
            _pretrain(run / "starts" / name, config, stage)
    transfers = {name: load(data) for name, data in config.transfer.items()}
    by_name = {fold.name: fold for fold in folds}
    cells = cells_of(config, folds)
    for number, cell in enumerate(cells, start=1):
        folder = cell.folder(run)
        logger.info("cell %d of %d: %s", number, len(cells), folder.relative_to(run))
        fold = by_name[cell.fold]
        weights = weights_of(run, config, cell.start)
        _finetune(folder, cell, fold, config, weights, run / "features")
        done = evaluations_of(folder)
        for name, ratings in {TEST: fold.test, **transfers}.items():
            if name not in done:
                side_car = read_side_car(folder / "nima.h5", "nima")
                model = load_model(folder / "nima.h5")
                write_evaluation(evaluate(model, side_car, ratings, resamples=0), folder, name)
        keras.backend.clear_session()


def _pretrain(folder: Path, config: ReproduceConfig, stage: AnyPretextConfig) -> None:
    photos = config.photos
    assert photos is not None
    lists = SplitFiles(*config.photo_lists) if config.photo_lists else None

    def begin() -> dict[str, Any]:
        logger.info("pretraining %s", folder.name)
        return pretrain.pretrain(photos, folder, stage, config.base_weights, lists)

    carry_on(folder, stage, begin, lambda: pretrain.resume(photos, folder, stage))


def _finetune(
    folder: Path,
    cell: Cell,
    fold: Fold,
    config: ReproduceConfig,
    weights: str,
    features: Path,
) -> None:
    changes = {"share": cell.share, "seed": cell.seed}
    start = config.starts[cell.start]
    stage = config.stage_of(start).model_copy(update=changes)
    known, held_out = fold.training, fold.validation

    def begin() -> dict[str, Any]:
        if isinstance(stage, DistillConfig):
            others = start.unlabelled
            return distill.distill(known, folder, stage, held_out, weights, others, features)
        return finetune.finetune(known, folder, stage, held_out, weights)

    def go_on() -> dict[str, Any]:
        if isinstance(stage, DistillConfig):
            return distill.resume(known, folder, stage, held_out, start.unlabelled)
        return finetune.resume(known, folder, stage, held_out)

    results = carry_on(folder, stage, begin, go_on)
    expected = training_digest(fold.training, stage)
    if results["ratings_sha256"] != expected:
        raise InputError(
            f"{folder} was trained on other ratings than those of the config now. "
            "Choose another --run, or put the ratings back."
        )


def results_of(folder: Path) -> dict[str, Any]:
    """Returns what a finished run tells of itself."""
    return dict(read_json(folder / "results.json", "results"))


def _shares(config: ReproduceConfig, start: str) -> tuple[float, ...]:
    return config.starts[start].shares or config.shares


def _by_folds(file: Path, ratings: Ratings) -> Iterator[Fold]:
    try:
        table = pd.read_csv(file, dtype=str, encoding="utf-8-sig")
        fold_of = dict(zip(table["image_id"], table["fold"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"Expected CSV with image_id,fold in {file}: {error}.") from None
    without = [name for name in ratings.names if name not in fold_of]
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
