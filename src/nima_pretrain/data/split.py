"""The split of photos into training, validation and test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nima_pretrain.data.archives import is_file
from nima_pretrain.data.file_lists import SplitFiles
from nima_pretrain.data.finding import find_photos, root_of
from nima_pretrain.data.scanning import Scan, scan_photos, write_unreadable
from nima_pretrain.distortions.geometry import LONGEST_DETOUR
from nima_pretrain.errors import InputError, shortened
from nima_pretrain.files import write_table

if TYPE_CHECKING:
    import pandas as pd  # imported where it is used: it takes a third of the start of scoring

PARTS = ("training", "validation", "test")

# The photos of a run, with their parts.
PHOTOS = "photos.csv"


@dataclass(frozen=True)
class PhotoSplit:
    """The photos of training, validation and test, relative to the folder `root`."""

    root: Path
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Photos:
    """Photos below a folder, not decoded yet.

    Attributes:
        root: the folder.
        names: all photos, relative to it.
        listed: the names of training, validation and test, if file lists fix the split.
    """

    root: Path
    names: tuple[str, ...]
    listed: tuple[tuple[str, ...], ...] | None = None


def list_photos(folder: Path, lists: SplitFiles | None = None) -> Photos:
    """Returns the photos below a folder, or those of file lists; both may be in tar files.

    Raises:
        InputError: there is no such folder, it holds no photos, or listed ones do not exist.
    """
    if lists is None:
        paths = find_photos(folder, archives=True)
        root = root_of(folder)
        return Photos(root, tuple(path.relative_to(root).as_posix() for path in paths))
    listed = lists.read(folder)
    names = tuple(chain(*listed))
    missing = [name for name in names if not is_file(folder / name)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} listed photos are not in {folder}, e.g. "
            f"{shortened(missing[0])}."
        )
    return Photos(folder, names, listed)


def split_photos(
    photos: Photos, unreadable_file: Path, proportions: Sequence[float], seed: int
) -> tuple[PhotoSplit, Scan]:
    """Returns the split of the readable photos, and the result of checking all of them.

    Unreadable photos, and strips of which no views can be made, are left out and written to a file.

    Args:
        photos: from `list_photos`.
        unreadable_file: CSV, see `scanning.write_unreadable`.
        proportions: of training, validation and test, unless file lists fix the split.
        seed: seed of the split.

    Raises:
        InputError: no photo is readable, or too few are for training and validation.
    """
    paths = [photos.root / name for name in photos.names]
    scan = scan_photos(paths, longest=LONGEST_DETOUR)
    write_unreadable(unreadable_file, scan.unreadable)
    readable = [path.relative_to(photos.root).as_posix() for path in scan.readable]
    if not readable:
        raise InputError(
            f"None of the {len(paths)} photos in {photos.root} can be read; "
            f"{unreadable_file} says why."
        )
    groups = photos.listed or split_names(readable, proportions, seed)
    kept = set(readable)
    split = PhotoSplit(
        photos.root, *(tuple(name for name in names if name in kept) for names in groups)
    )
    if not split.training or not split.validation:
        raise InputError(
            "Expected at least one photo for training and one for validation, received "
            f"{len(split.training)} and {len(split.validation)} of {len(readable)} readable ones. "
            "Add photos, or change the split."
        )
    return split, scan


def photo_list(split: PhotoSplit, scan: Scan) -> "pd.DataFrame":
    """Returns the photos of a run as a table: photo, part, sha256."""
    import pandas as pd

    rows = [
        (name, part, scan.digests[split.root / name])
        for part in PARTS
        for name in getattr(split, part)
    ]
    return pd.DataFrame(rows, columns=["photo", "part", "sha256"])


def write_photo_list(file: Path, split: PhotoSplit, scan: Scan) -> None:
    """Writes the table of `photo_list` as CSV."""
    write_table(file, photo_list(split, scan))


def read_photo_list(file: Path) -> "pd.DataFrame":
    """Returns the table written by `write_photo_list`.

    Raises:
        InputError: the file cannot be read.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding_errors="surrogateescape"
        )
        return table[["photo", "part", "sha256"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"Cannot read the list of photos {file}: {error}.") from None


def find_again(file: Path, folder: Path) -> tuple[PhotoSplit, Scan]:
    """Returns the split of a resumed run, after checking that its photos are unchanged.

    Args:
        file: from `write_photo_list`.
        folder: folder of the photos.

    Raises:
        InputError: a photo is missing, has changed or cannot be read any more.
    """
    table = read_photo_list(file)
    scan = scan_photos([folder / name for name in table["photo"]])
    changed = [
        name
        for name, sha256 in zip(table["photo"], table["sha256"], strict=True)
        if scan.digests.get(folder / name) != sha256
    ]
    if changed:
        raise InputError(
            f"{len(changed)} of the {len(table)} photos of this run are not in {folder} as they "
            f"were, e.g. {changed[0]!r}. Put them back, or begin a new run."
        )
    names = (tuple(table["photo"][table["part"] == part]) for part in PARTS)
    return PhotoSplit(folder, *names), scan


def split_names(
    names: Sequence[str], proportions: Sequence[float], seed: int
) -> tuple[list[str], ...]:
    """Returns the names in one group per proportion, the same for the same seed.

    Names are ordered by a hash of seed and name, so the split is independent of the files' order
    and folder. A group with a positive proportion gets at least one name if there are enough.
    """

    def key(name: str) -> bytes:
        return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).digest()

    ordered = sorted(names, key=key)
    shares = np.cumsum(proportions) / np.sum(proportions)
    bounds = [0, *(round(float(share) * len(names)) for share in shares)]
    groups = len(proportions)
    for group in range(groups - 1, 0, -1):
        if proportions[group] > 0 and len(names) >= groups:
            bounds[group] = min(bounds[group], bounds[group + 1] - 1)
    for group in range(1, groups):
        if proportions[group - 1] > 0 and len(names) >= groups:
            bounds[group] = max(bounds[group], bounds[group - 1] + 1)
    return tuple(ordered[start:stop] for start, stop in pairwise(bounds))
