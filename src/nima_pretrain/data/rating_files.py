"""Loading of ratings files, and the search for the rated images."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from nima_pretrain.data.file_lists import read_file_list
from nima_pretrain.data.finding import EXTENSIONS
from nima_pretrain.data.folders import files_below
from nima_pretrain.data.rating_formats import read_rows
from nima_pretrain.data.ratings import Ratings, ScoreScale, listed, parse_scale
from nima_pretrain.data.raw_pairs import without_paired_raws
from nima_pretrain.errors import InputError, PhotoError

# The rated photos of a run, with their parts.
RATINGS = "ratings.csv"

logger = logging.getLogger(__name__)


def load_ratings(file: Path, images: Path, scale: ScoreScale | None = None) -> Ratings:
    """Returns the ratings of a file of any supported format, with the paths of the images.

    An image is found below `images` by its id: with or without extension, in either case, and by
    the file name alone if that is unique. Missing images of AVA are logged and left out; in other
    formats they are an error.

    Args:
        file: see `read_rows`.
        images: folder of the images.
        scale: the score scale, if the file does not state it.

    Raises:
        InputError: an entry cannot be used, or its image is missing, ambiguous or rated twice.
    """
    rows = read_rows(file, scale)
    if rows.problems:
        first, others = rows.problems[0], len(rows.problems) - 1
        raise InputError(
            f"{file}, {first.place}: {first.reason}"
            + (f" {others} other entries cannot be used either." if others else "")
            + " `nima-pretrain check-data` lists all such problems."
        )
    repeated = repeated_ids(rows.ids)
    if repeated:
        raise InputError(
            f"{file} rates {len(repeated)} images more than once, e.g. {repeated[0]!r}. "
            "Keep one entry for each."
        )
    found = find_images(rows.ids, images)
    ambiguous = [problem for problem in found if isinstance(problem, str)]
    if ambiguous:
        raise InputError(f"{file}: {ambiguous[0]} Keep one of them.")
    missing = [name for name, path in zip(rows.ids, found, strict=True) if path is None]
    if missing:
        examples = ", ".join(repr(image_id) for image_id in missing[:3])
        message = (
            f"{len(missing)} of {len(found)} images that {file} names are not in {images}, "
            f"e.g. {examples}."
        )
        if not rows.may_miss_images or len(missing) == len(found):
            raise InputError(f"{message} Add them, or take them out of the ratings.")
        logger.warning("%s They are left out.", message)
    kept = [row for row, path in enumerate(found) if isinstance(path, Path)]
    first_of: dict[Path | str | None, str] = {}
    for row in kept:
        named = first_of.setdefault(found[row], rows.ids[row])
        if named != rows.ids[row]:
            raise InputError(
                f"{file} rates the image {found[row]} more than once, as {named!r} and "
                f"{rows.ids[row]!r}. Keep one entry for each."
            )
    return Ratings(
        tuple(path for path in found if isinstance(path, Path)),
        rows.distributions[kept],
        rows.scale,
        tuple(rows.ids[row] for row in kept),
        tuple(rows.parts[row] for row in kept) if rows.parts else (),
        rows.of_votes,
        tuple(rows.categories[row] for row in kept) if rows.categories else (),
    )


def as_ratings(
    ratings: Path | str | Ratings,
    images: Path | str | None = None,
    scale: ScoreScale | str | None = None,
) -> Ratings:
    """Returns given ratings unchanged, or loads those of a file.

    Args:
        ratings: `Ratings`, or a file; see `load_ratings`.
        images: folder of the images, for a file.
        scale: the score scale, if a file does not state it; see `ratings.parse_scale` for text.

    Raises:
        InputError: see `load_ratings`; or a file is given without images.
    """
    if isinstance(ratings, Ratings):
        return ratings
    if images is None:
        raise InputError(f"Expected the folder of the images that {ratings} rates: images=FOLDER.")
    scale = parse_scale(scale) if isinstance(scale, str) else scale
    return load_ratings(Path(ratings), Path(images), scale)


def listed_in(ratings: Ratings, file: Path | str) -> Ratings:
    """Returns the ratings of the photos in a file list.

    Raises:
        InputError: the file cannot be read, or names none of the photos.
    """
    file = Path(file)
    return listed(ratings, read_file_list(file), file)


def check_apart(parts: Mapping[str, Ratings]) -> None:
    """Checks that no photo is in two parts of a split.

    Args:
        parts: the ratings of each part, by its name.

    Raises:
        InputError: one is.
    """
    part_of: dict[str, str] = {}
    for part, ratings in parts.items():
        for name in ratings.names:
            if part_of.setdefault(name, part) != part:
                raise InputError(
                    f"{name!r} is in the lists of {part_of[name]} and {part}. Keep it in one."
                )


def repeated_ids(ids: Sequence[str]) -> list[str]:
    """Returns the duplicates among ids."""
    return [image_id for image_id, times in Counter(ids).items() if times > 1]


def find_images(ids: Sequence[str], images: Path) -> list[Path | str | None]:
    """Returns the path of each image; None if it is missing, a message if it is ambiguous.

    Args:
        ids: names of images; see `load_ratings`.
        images: folder of the images.

    Raises:
        InputError: there is no such folder.
    """
    if not images.is_dir():
        raise InputError(f"Expected the folder of the rated images, but {images} does not exist.")
    by_path: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for file in files_below(images, _images_among):
        if isinstance(file, PhotoError):
            logger.warning("%s", file)
            continue
        relative = file.relative_to(images).as_posix()
        place = relative.rpartition(".")[0].lower()
        by_path.setdefault(place, []).append(relative)
        by_name.setdefault(place.rpartition("/")[2], []).append(relative)

    def find(image_id: str) -> Path | str | None:
        wanted = image_id.lower().replace("\\", "/").removeprefix("./")
        stem, _, extension = wanted.rpartition(".")
        found: list[str] = []
        if f".{extension}" in EXTENSIONS:
            found = by_path.get(stem) or by_name.get(stem) or []
            found = [name for name in found if name.lower().endswith(f".{extension}")]
        found = found or by_path.get(wanted) or by_name.get(wanted) or []
        exact = [name for name in found if name == image_id or Path(name).stem == image_id]
        if len(exact) == 1:
            found = exact
        found = without_paired_raws(found)
        if len(found) > 1:
            return f"{image_id!r} fits several files in {images}: {', '.join(sorted(found)[:4])}."
        return images / found[0] if found else None

    return [find(image_id) for image_id in ids]


def _images_among(names: Sequence[str]) -> list[str]:
    return [name for name in names if f".{name.rpartition('.')[2].lower()}" in EXTENSIONS]


def read_named(file: Path) -> pd.DataFrame:
    """Returns a CSV table of this package with photos by name; only empty cells are missing values.

    A photo may be called "NA", which pandas by itself takes for a missing value.
    """
    kinds = dict.fromkeys(("name", "part", "sha256", "path"), str)
    return pd.read_csv(
        file,
        dtype=kinds,
        keep_default_na=False,
        na_values=[""],
        encoding_errors="surrogateescape",
    )
