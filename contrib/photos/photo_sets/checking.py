"""Checks of downloaded photos, and their split into training, validation and test."""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.data.archives import open_file
from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import read_photo
from nima_pretrain.data.split import PARTS, split_names
from nima_pretrain.errors import PhotoError
from nima_pretrain.files import replacing
from nima_pretrain.progress import counting
from photo_sets.downloading import Outcome, read_outcomes
from photo_sets.lists import ListedPhoto

# Of the paper: 100,000 photos for training, 15,000 for validation, 15,000 for test.
PROPORTIONS = (100, 15, 15)
# The side of the paper's network, pixels.
SMALLEST = 224
STATUSES = ("ok", "missing", "refused", "broken", "doubled", "small")


class CheckedPhoto(NamedTuple):
    """The result of a check of one listed photo.

    Attributes:
        photo: from the list.
        status: "ok", "missing" (not downloaded), "refused" (by X-Robots-Tag), "broken" (cannot be
            decoded), "doubled" (the same file as a photo before it), "small".
        reason: for any status but "ok".
        name: the photo in the folder, e.g. "00000.tar/000000012.jpg".
        sha256: of the file.
        width: pixels, upright.
        height: pixels, upright.
    """

    photo: ListedPhoto
    status: str
    reason: str = ""
    name: str = ""
    sha256: str = ""
    width: int | None = None
    height: int | None = None


def check(
    photos: Sequence[ListedPhoto], folder: Path, *, smallest: int = SMALLEST
) -> dict[str, int]:
    """Checks the downloaded photos of a list, and returns the number of each status.

    Writes `photos.csv` with a row per listed photo: its list columns, among them author and
    licence, its part, status, reason, name, sha256, width and height; and the file lists
    `training.txt`, `validation.txt` and `test.txt` of the photos that are ok. The split depends
    only on the ids of these.

    Args:
        photos: the list.
        folder: folder of `download`.
        smallest: least length of the short side, pixels.

    Raises:
        InputError: the folder holds no download, or cannot be written.
    """
    checked = _checked(photos, folder, smallest)
    good = {row.photo.id: row for row in checked if row.status == "ok"}
    groups = split_names(list(good), PROPORTIONS, seed=0)
    part_of = {id: part for part, ids in zip(PARTS, groups, strict=True) for id in ids}
    columns = (*ListedPhoto._fields, "part", *CheckedPhoto._fields[1:])
    file = folder / "photos.csv"
    with replacing(file) as partial, partial.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        for row in checked:
            writer.writerow((*row.photo, part_of.get(row.photo.id, ""), *row[1:]))
    for part, ids in zip(PARTS, groups, strict=True):
        with replacing(folder / f"{part}.txt") as partial:
            partial.write_text("".join(f"{good[id].name}\n" for id in sorted(ids)))
    counts = Counter(row.status for row in checked)
    return {status: counts[status] for status in STATUSES}


def _checked(photos: Sequence[ListedPhoto], folder: Path, smallest: int) -> list[CheckedPhoto]:
    known = read_outcomes(folder)
    nothing = Outcome(error="its shard was not finished")
    first: dict[str, str] = {}
    checked = []

    def inspect(photo: ListedPhoto) -> CheckedPhoto:
        return _inspected(photo, folder, known.get(photo.url, nothing), smallest)

    with ThreadPoolExecutor() as executor, counting("checking photos", len(photos)) as show:
        for row in ordered_map(executor, inspect, photos, ahead=64):
            checked.append(_unless_doubled(row, first))
            show(len(checked))
    return checked


def _unless_doubled(row: CheckedPhoto, first: dict[str, str]) -> CheckedPhoto:
    """Returns a row, doubled if a photo before it is the same file.

    Args:
        row: the next row.
        first: the id of the first photo with each sha256, to which the row is added.
    """
    other = first.setdefault(row.sha256, row.photo.id) if row.sha256 else row.photo.id
    if other == row.photo.id:
        return row
    return row._replace(status="doubled", reason=f"the same file as {other}")


def _inspected(photo: ListedPhoto, folder: Path, outcome: Outcome, smallest: int) -> CheckedPhoto:
    if not outcome.name:
        return CheckedPhoto(photo, "refused" if outcome.refused else "missing", outcome.error)
    path = folder / outcome.name
    try:
        width, height = read_photo(path).image.size
        with open_file(path) as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except PhotoError as error:
        return CheckedPhoto(photo, "broken", error.reason, outcome.name)
    is_small = min(width, height) < smallest
    reason = f"the short side is below {smallest} pixels" if is_small else ""
    status = "small" if is_small else "ok"
    return CheckedPhoto(photo, status, reason, outcome.name, digest, width, height)
