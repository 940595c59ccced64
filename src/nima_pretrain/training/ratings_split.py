"""Which rated photos a fine-tuning learns from, and which it chooses the epoch by."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.scanning import Scan, scan_photos, write_unreadable
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.progress import counting


class Parts(NamedTuple):
    """Readable ratings to train on and to choose the epoch by, and the check of their files."""

    training: Ratings
    validation: Ratings
    scan: Scan

    def table(self) -> pd.DataFrame:
        """One row a photo: name, part, sha256, path, and the shares of the bins."""
        frames = []
        for part, ratings in (("training", self.training), ("validation", self.validation)):
            frame = pd.DataFrame({"name": ratings.names, "part": part})
            frame["sha256"] = [self.scan.digests[path] for path in ratings.paths]
            frame["path"] = [str(path) for path in ratings.paths]
            for column in range(ratings.scale.bins):
                frame[f"p{column + 1}"] = ratings.distributions[:, column]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)


def training_digest(ratings: Ratings, config: FinetuneConfig) -> str:
    """Returns what names the ratings that a run was given and the share it was to take of them."""
    return ratings.share(config.share, config.seed).digest


def divided(
    ratings: Ratings, validation: Ratings | None, config: FinetuneConfig
) -> tuple[Ratings, Ratings]:
    """Returns what to train on, the share asked for, and what to choose the epoch by.

    Args:
        ratings: all that are not for testing.
        validation: ratings for validation; None for those among `ratings` that are for it, or
            else for a fraction of them.
        config: of the training.

    Raises:
        InputError: nothing is left to train on, or the two are on different scales.
    """
    if ratings.parts:
        if validation is None and "validation" in ratings.parts:
            validation = ratings.part("validation")
        ratings = ratings.part("training")
    if not len(ratings):
        raise InputError("None of the ratings is for training: their split names no such part.")
    if validation is None:
        ratings, validation = ratings.split(config.validation_fraction, config.seed)
    if not validation.scale.is_same(ratings.scale):
        raise InputError(
            f"Expected validation ratings of {ratings.scale}, as the training ratings have, "
            f"received {validation.scale}."
        )
    return ratings.share(config.share, config.seed), validation


def readable_parts(training: Ratings, validation: Ratings, run: Path) -> Parts:
    """Leaves out the photos that cannot be read, and writes which these are.

    Args:
        training: from `divided`.
        validation: from `divided`.
        run: where `unreadable.csv` goes.

    Raises:
        InputError: too few are left.
    """
    rated = [*training.paths, *validation.paths]
    with counting("checking photos", len(rated)) as show:
        scan = scan_photos(rated, show)
    write_unreadable(run / "unreadable.csv", scan.unreadable)
    kept, kept_validation = training.of(scan.digests), validation.of(scan.digests)
    if not len(kept) or not len(kept_validation):
        raise InputError(
            "Expected rated photos for training and for validation, but of "
            f"{len(training)} and {len(validation)} only {len(kept)} and {len(kept_validation)} "
            f"can be read; {run / 'unreadable.csv'} says why."
        )
    return Parts(kept, kept_validation, scan)


def check_same_ratings(file: Path, parts: Parts) -> None:
    """Makes sure that a run goes on with the ratings and photos that it was begun with.

    Args:
        file: what `write_parts` wrote.
        parts: those of now.

    Raises:
        InputError: some differ; the message names one.
    """
    try:
        before = pd.read_csv(file, dtype={"name": str, "part": str, "sha256": str, "path": str})
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the ratings of the run, {file}: {error}.") from None
    rows = [
        set(table.drop(columns="path").round(9).itertuples(index=False, name=None))
        for table in (before, parts.table())
    ]
    changed = sorted({row[0] for row in rows[0] ^ rows[1]})
    if changed:
        raise InputError(
            f"The ratings or photos are not those that the run was begun with: {len(changed)} "
            f"differ, e.g. {changed[0]!r}. Put them back, or begin a new run."
        )


def write_parts(file: Path, parts: Parts) -> None:
    """Writes which photos a run uses, for what, and their ratings, as CSV."""
    with replacing(file) as partial:
        parts.table().to_csv(partial, index=False)
