"""The grid of starts, rating shares, seeds and folds: its splits, its cells and their folders."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nima_pretrain.config import PretextConfig, RatingsConfig, ReproduceConfig
from nima_pretrain.data.rating_files import as_ratings, check_apart, listed_in
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.split import PARTS
from nima_pretrain.errors import InputError


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
        InputError: a file cannot be read, a photo has no fold or is in two lists, or a part is
            empty.
    """
    if config.folds:
        return list(_by_folds(config.folds, ratings))
    if config.lists:
        parts = [listed_in(ratings, file) for file in config.lists]
        check_apart(dict(zip(PARTS, parts, strict=True)))
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
        pretraining_of(run, config, start, seed) / "backbone.h5"
    )


def pretraining_of(run: Path, config: ReproduceConfig, start: str, seed: int) -> Path:
    """Returns the run directory of the pretraining that a seed of a start begins with."""
    folder = run / "starts" / start
    return folder / f"seed-{seed}" if config.pretrain_per_seed else folder


def pretrainings_of(run: Path, config: ReproduceConfig) -> dict[Path, PretextConfig]:
    """Returns the settings of all pretrainings, by their run directories."""
    pretrainings = {}
    for name, start in config.starts.items():
        stage = config.pretext_of(start)
        if stage:
            for seed in config.seeds if config.pretrain_per_seed else (stage.seed,):
                folder = pretraining_of(run, config, name, seed)
                pretrainings[folder] = stage.model_copy(update={"seed": seed})
    return pretrainings


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
