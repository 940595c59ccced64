"""Checks of ratings and their images before training."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.rated_rows import RatedRows
from nima_pretrain.data.rating_files import find_images, repeated_ids
from nima_pretrain.data.rating_formats import read_rows
from nima_pretrain.data.ratings import ScoreScale, parse_scale
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.metrics import Agreement, mean_score, scored
from nima_pretrain.progress import counting

_BINS = 10


class DataCheck(NamedTuple):
    """The results of a data check.

    Attributes:
        problems: columns problem, file, place, image_id, detail; empty without problems.
        counts: columns part, entries, usable, images (the readable ones).
        histogram: columns low, high, photos: mean scores of all usable entries.
        constant: the metrics of a constant baseline, the mean distribution of the usable entries.
        of_votes: whether the distributions are of votes; if not, EMD means little.
        scale: the score scale.
        threshold: mean score above which a photo is good.
    """

    problems: pd.DataFrame
    counts: pd.DataFrame
    histogram: pd.DataFrame
    constant: Agreement
    of_votes: bool
    scale: ScoreScale
    threshold: float


class _Found(NamedTuple):
    """One usable entry with its image; `path` is None for a missing or ambiguous one."""

    file: Path
    given: str  # the argument that gave the file: training, validation or test
    part: str
    image_id: str
    path: Path | None


_Problem = tuple[str, str, str, str, str]


def check_data(
    ratings: Path | str,
    images: Path | str,
    *,
    validation_ratings: Path | str | None = None,
    test_ratings: Path | str | None = None,
    scale: ScoreScale | str | None = None,
) -> DataCheck:
    """Returns the problems of ratings and images, after decoding every image once.

    Problems are unusable entries, missing, ambiguous and unreadable images, duplicates, and leaks
    between splits.

    Args:
        ratings: a file in any format, see `data.rating_formats`.
        images: folder of the images.
        validation_ratings: a further file of ratings, or None.
        test_ratings: a further file of ratings, or None.
        scale: the score scale, if the ratings do not state it, e.g. "1:5".

    Raises:
        InputError: a file is no ratings file, the folder does not exist, or the scales differ.

    Example:
        >>> check_data("ratings.json", "photos").problems
    """
    given = {"training": ratings, "validation": validation_ratings, "test": test_ratings}
    files = {part: Path(file) for part, file in given.items() if file}
    images = Path(images)
    scale = parse_scale(scale) if isinstance(scale, str) else scale
    rows = {part: read_rows(file, scale) for part, file in files.items()}
    first = next(iter(rows.values()))
    for part, file in files.items():
        if not rows[part].scale.is_same(first.scale):
            raise InputError(f"Expected {first.scale} in {file} too, received {rows[part].scale}.")
    problems: list[_Problem] = []
    found: list[_Found] = []
    for part, file in files.items():
        problems += _problems_of_entries(file, rows[part])
        places, missing = _places(file, part, rows[part], images)
        found += places
        problems += missing
    paths = list(dict.fromkeys(entry.path for entry in found if entry.path))
    with counting("checking images", len(paths)) as show:
        digests, unreadable = _decode(paths, show)
    problems += _problems_of_images(found, digests, unreadable)
    distributions = np.concatenate([part.distributions for part in rows.values()])
    threshold = first.scale.threshold
    constant = Agreement(*[np.nan] * len(Agreement._fields))
    if len(distributions):
        mean = np.broadcast_to(distributions.mean(axis=0), distributions.shape)
        constant = scored(distributions, mean, first.scale.scores).agreement(threshold)
    return DataCheck(
        pd.DataFrame(problems, columns=["problem", "file", "place", "image_id", "detail"]),
        _counts(files, rows, found, digests),
        _histogram(distributions, first.scale),
        constant,
        first.of_votes,
        first.scale,
        threshold,
    )


def _problems_of_entries(file: Path, rows: RatedRows) -> list[_Problem]:
    unusable = [
        ("unusable entry", str(file), problem.place, problem.image_id, problem.reason)
        for problem in rows.problems
    ]
    repeated = [
        ("rated more than once", str(file), "", image_id, f"{rows.ids.count(image_id)} entries")
        for image_id in repeated_ids(rows.ids)
    ]
    return unusable + repeated


def _places(
    file: Path, part: str, rows: RatedRows, images: Path
) -> tuple[list[_Found], list[_Problem]]:
    found, problems = [], []
    first_of: dict[Path, str] = {}
    parts = rows.parts or [part] * len(rows.ids)
    for image_id, of_entry, path in zip(
        rows.ids, parts, find_images(rows.ids, images), strict=True
    ):
        if path is None:
            problems.append(("missing image", str(file), "", image_id, f"not in {images}"))
        elif isinstance(path, str):
            problems.append(("ambiguous image", str(file), "", image_id, path))
        elif first_of.setdefault(path, image_id) != image_id:
            same = f"the image of {first_of[path]!r}, too"
            problems.append(("rated more than once", str(file), "", image_id, same))
        found.append(
            _Found(file, part, of_entry, image_id, path if isinstance(path, Path) else None)
        )
    return found, problems


def _problems_of_images(
    found: Iterable[_Found], digests: dict[Path, str], unreadable: dict[Path, str]
) -> list[_Problem]:
    problems: list[_Problem] = []
    by_digest: dict[str, dict[Path, _Found]] = {}
    parts: dict[str, set[str]] = {}
    for entry in found:
        if entry.path in unreadable:
            reason = unreadable[entry.path]
            problems.append(("unreadable image", str(entry.file), "", entry.image_id, reason))
        elif entry.path:
            digest = digests[entry.path]
            by_digest.setdefault(digest, {})[entry.path] = entry
            parts.setdefault(digest, set()).add(entry.part)
    for digest, entries in by_digest.items():
        first, *others = entries.values()
        names = ", ".join(path.name for path in entries)
        if others:
            problems.append(("same pixels", str(first.file), "", first.image_id, names))
        if len(parts[digest]) > 1:
            where = ", ".join(sorted(parts[digest]))
            problems.append(("in several parts", str(first.file), "", first.image_id, where))
    return problems


def _decode(
    paths: list[Path], on_progress: Callable[[int], None]
) -> tuple[dict[Path, str], dict[Path, str]]:
    """Returns the digests of readable images' pixels, and the errors of the others."""
    digests, unreadable = {}, {}
    with ThreadPoolExecutor() as executor:
        results = ordered_map(executor, _digest_of_pixels, paths, ahead=64)
        for number, (path, result) in enumerate(zip(paths, results, strict=True), start=1):
            if isinstance(result, PhotoError):
                unreadable[path] = result.reason
            else:
                digests[path] = result
            on_progress(number)
    return digests, unreadable


def _digest_of_pixels(path: Path) -> str | PhotoError:
    try:
        photo = load_photo(path)
    except PhotoError as error:
        return error
    return hashlib.sha256(repr(photo.shape).encode() + photo.tobytes()).hexdigest()


def _counts(
    files: Mapping[str, Path],
    rows: Mapping[str, RatedRows],
    found: list[_Found],
    digests: dict[Path, str],
) -> pd.DataFrame:
    table = [
        (
            part,
            len(rows[part].ids) + len(rows[part].problems),
            len(rows[part].ids),
            sum(entry.given == part and entry.path in digests for entry in found),
        )
        for part, file in files.items()
    ]
    return pd.DataFrame(table, columns=["part", "entries", "usable", "images"])


def _histogram(distributions: np.ndarray, scale: ScoreScale) -> pd.DataFrame:
    low, high = scale.scores[0], scale.scores[-1]
    counts, edges = np.histogram(mean_score(distributions, scale.scores), _BINS, (low, high))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "photos": counts})
