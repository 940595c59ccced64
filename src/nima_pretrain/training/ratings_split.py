"""The split of human ratings into training and validation."""

import logging
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.finding import find_photos, root_of
from nima_pretrain.data.rating_files import RATINGS, as_ratings, check_apart, listed_in, read_named
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.data.scanning import Scan, scan_photos, write_unreadable
from nima_pretrain.data.split import PHOTOS, PhotoSplit, write_photo_list
from nima_pretrain.distortions.geometry import LONGEST_DETOUR
from nima_pretrain.errors import InputError
from nima_pretrain.files import write_table

logger = logging.getLogger(__name__)


class RatingsSplit(NamedTuple):
    """The ratings of readable photos for training and validation, and the check of their files."""

    training: Ratings
    validation: Ratings
    scan: Scan

    def table(self) -> pd.DataFrame:
        """Returns one row per photo: name, part, sha256, path, and the shares of the bins."""
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
    """Returns the sha256 of the training ratings, after taking the share of the config."""
    return ratings.share(config.share, config.seed).digest


def check_trained_on(run: Path, digest: str, ratings: Ratings, config: FinetuneConfig) -> None:
    """Checks that a finished run was trained on these ratings.

    Args:
        run: the run directory, for the error.
        digest: `ratings_sha256` of its results.
        ratings: the ratings that are given now.
        config: config of the training.

    Raises:
        InputError: it was trained on others.
    """
    if digest != training_digest(ratings, config):
        raise InputError(
            f"{run} was trained on other ratings than those given now. Choose another --run, or "
            "put the ratings back."
        )


def ratings_of(
    ratings: Path | str | Ratings,
    validation_ratings: Path | str | Ratings | None,
    images: Path | str | None,
    scale: ScoreScale | str | None,
    training_list: Path | str | None,
    validation_list: Path | str | None,
) -> tuple[Ratings, Ratings | None]:
    """Returns the training ratings, and the validation ratings if any are given.

    Args: see `finetune`.

    Raises:
        InputError: files or lists are invalid, or do not go together.
    """
    if validation_list and validation_ratings is not None:
        raise InputError("Expected --validation-list or --validation-ratings, received both.")
    if validation_list and not training_list:
        # Or the photos for validation would be trained on.
        raise InputError("Expected --training-list beside --validation-list, received none.")
    rated = as_ratings(ratings, images, scale)
    held_out = None
    if validation_list:
        held_out = listed_in(rated, validation_list)
    elif validation_ratings is not None:
        held_out = as_ratings(validation_ratings, images, scale)
    training = listed_in(rated, training_list) if training_list else rated
    if validation_list:
        assert held_out is not None
        check_apart({"training": training, "validation": held_out})
    return training, held_out


def split_ratings(
    ratings: Ratings, validation: Ratings | None, config: FinetuneConfig
) -> tuple[Ratings, Ratings]:
    """Returns the training ratings, reduced to the share of the config, and validation ratings.

    Args:
        ratings: ratings for training and validation.
        validation: ratings for validation; None for the validation part of `ratings`, or else for
            a held-out fraction of them.
        config: config of the training.

    Raises:
        InputError: no training ratings are left, or the scales differ.
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


def readable_split(training: Ratings, validation: Ratings, run: Path) -> RatingsSplit:
    """Returns the split without unreadable photos, which are written to `unreadable.csv`.

    Args:
        training: from `split_ratings`.
        validation: from `split_ratings`.
        run: the run directory.

    Raises:
        InputError: no photo is left for training or for validation.
    """
    scan = scan_photos([*training.paths, *validation.paths])
    write_unreadable(run / "unreadable.csv", scan.unreadable)
    kept, kept_validation = training.of(scan.digests), validation.of(scan.digests)
    if not len(kept) or not len(kept_validation):
        raise InputError(
            "Expected rated photos for training and for validation, but of "
            f"{len(training)} and {len(validation)} only {len(kept)} and {len(kept_validation)} "
            f"can be read; {run / 'unreadable.csv'} says why."
        )
    digests = ({scan.digests[path] for path in part.paths} for part in (kept, kept_validation))
    num_shared = len(set.intersection(*digests))
    if num_shared:
        logger.warning(
            "photos both for training and for validation: %d; the best epoch is chosen on photos "
            "that the model learns from",
            num_shared,
        )
    return RatingsSplit(kept, kept_validation, scan)


def check_same_ratings(run: Path, split: RatingsSplit) -> None:
    """Checks that a resumed run has the ratings and photos that it was started with.

    Args:
        run: the run directory, with the file of `write_split`.
        split: the current split.

    Raises:
        InputError: some differ; the message names one.
    """
    file = run / RATINGS
    try:
        before = read_named(file)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the ratings of the run, {file}: {error}.") from None
    rows = [
        set(table.drop(columns="path").round(9).itertuples(index=False, name=None))
        for table in (before, split.table())
    ]
    changed = sorted({row[0] for row in rows[0] ^ rows[1]})
    if changed:
        raise InputError(
            f"The ratings or photos are not those that the run was begun with: {len(changed)} "
            f"differ, e.g. {changed[0]!r}. Put them back, or begin a new run."
        )


def write_split(run: Path, split: RatingsSplit) -> None:
    """Writes the photos of a run with part and ratings to `ratings.csv`."""
    write_table(run / RATINGS, split.table())


def photos_without_ratings(folder: Path, split: RatingsSplit, run: Path) -> dict[Path, str]:
    """Returns the readable photos of a folder that are not rated, with their sha256.

    Their names are written to `photos.csv` of the run.

    Args:
        folder: folder of the photos.
        split: the ratings; their photos are recognized by content.
        run: the run directory.

    Raises:
        InputError: there are none.
    """
    scan = scan_photos(find_photos(folder), longest=LONGEST_DETOUR)
    rated = set(split.scan.digests.values())
    found = {path: digest for path, digest in scan.digests.items() if digest not in rated}
    logger.info(
        "photos without ratings: %d, %d unreadable, %d rated",
        len(found),
        len(scan.unreadable),
        len(scan.digests) - len(found),
    )
    if not found:
        raise InputError(f"Expected photos without ratings in {folder}, found none.")
    if not (run / PHOTOS).exists():
        root = root_of(folder)
        names = tuple(path.relative_to(root).as_posix() for path in found)
        write_photo_list(run / PHOTOS, PhotoSplit(root, names, (), ()), scan)
    return found
