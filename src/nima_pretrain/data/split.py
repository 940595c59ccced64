"""Which photos a network learns from, which it is chosen by, and which it never sees."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.scanning import Scan, scan_photos, write_unreadable
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing

PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class PhotoSplit:
    """Names of photos, relative to a folder, by what they are for."""

    root: Path
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


class SplitFiles(NamedTuple):
    """Text files that name the photos, one path relative to the folder a line."""

    training: Path
    validation: Path
    test: Path | None = None

    def read(self) -> tuple[tuple[str, ...], ...]:
        """Returns the names of training, validation and test.

        Raises:
            InputError: a file cannot be read, names nothing, or a photo is named twice.
        """
        groups = tuple(tuple(read_file_list(file)) if file else () for file in self)
        repeated = [name for name, times in Counter(chain(*groups)).items() if times > 1]
        if repeated:
            raise InputError(
                f"{len(repeated)} photos stand more than once in the file lists, e.g. "
                f"{repeated[0]!r}. Keep each in one list."
            )
        return groups


@dataclass(frozen=True)
class Photos:
    """Photos below a folder, before anybody has looked into the files.

    Attributes:
        root: the folder.
        names: of all photos, relative to it.
        listed: the names of training, validation and test, where files fix the split.
    """

    root: Path
    names: tuple[str, ...]
    listed: tuple[tuple[str, ...], ...] | None = None


def list_photos(folder: Path, lists: SplitFiles | None = None) -> Photos:
    """Returns the photos below a folder, or those that file lists name.

    Raises:
        InputError: there is no such folder, it holds no photos, or listed ones do not exist.
    """
    if lists is None:
        paths = find_photos(folder)
        root = folder if folder.is_dir() else folder.parent
        return Photos(root, tuple(path.relative_to(root).as_posix() for path in paths))
    listed = lists.read()
    names = tuple(chain(*listed))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} listed photos are not in {folder}, e.g. {missing[0]}."
        )
    return Photos(folder, names, listed)


def split_photos(
    photos: Photos,
    unreadable_file: Path,
    proportions: Sequence[float],
    seed: int,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[PhotoSplit, Scan]:
    """Checks and splits photos.

    The unreadable ones are written to a file and take part in nothing.

    Args:
        photos: from `list_photos`.
        unreadable_file: CSV, see `photos.write_unreadable`.
        proportions: of training, validation and test, where no file lists fix the split.
        seed: of the split.
        on_progress: called with the number of photos checked so far.

    Raises:
        InputError: no photo is readable, or too few are for training and validation.
    """
    paths = [photos.root / name for name in photos.names]
    scan = scan_photos(paths, on_progress)
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


def write_photo_list(file: Path, split: PhotoSplit, scan: Scan) -> None:
    """Writes which photos a run uses, and for what, as CSV: `photo,part,sha256`."""
    rows = [
        (name, part, scan.digests[split.root / name])
        for part in PARTS
        for name in getattr(split, part)
    ]
    with replacing(file) as partial:
        pd.DataFrame(rows, columns=["photo", "part", "sha256"]).to_csv(partial, index=False)


def read_photo_list(file: Path) -> pd.DataFrame:
    """Returns what `write_photo_list` wrote.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False)[["photo", "part", "sha256"]]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"Cannot read the list of photos {file}: {error}.") from None


def find_again(
    file: Path, folder: Path, on_progress: Callable[[int], None] | None = None
) -> tuple[PhotoSplit, Scan]:
    """Returns the photos of a run that goes on, every one as it was.

    Args:
        file: from `write_photo_list`.
        folder: where the photos are.
        on_progress: called with the number of photos checked so far.

    Raises:
        InputError: a photo has vanished, has changed or cannot be read any more.
    """
    table = read_photo_list(file)
    scan = scan_photos([folder / name for name in table["photo"]], on_progress)
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
    """Returns the names in as many groups as there are proportions, the same for the same seed.

    Names are ordered by a hash of seed and name, so that the split depends on neither the order
    of the files nor the folder they lie in. A group with a positive proportion gets at least one
    name where there are enough of them.
    """
    ordered = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    shares = np.cumsum(proportions) / np.sum(proportions)
    bounds = [0, *(round(float(share) * len(names)) for share in shares)]
    groups = len(proportions)
    for group in range(groups - 1, 0, -1):
        if proportions[group] > 0 and len(names) >= groups:
            bounds[group] = min(bounds[group], bounds[group + 1] - 1)
    return tuple(ordered[start:stop] for start, stop in pairwise(bounds))


def read_file_list(file: Path) -> list[str]:
    """Returns the lines of a text file that names photos, one relative path a line.

    Raises:
        InputError: the file cannot be read or names nothing.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"Cannot read the file list {file}: {error.strerror}.") from None
    names = [line for line in lines if line.strip()]
    if not names:
        raise InputError(f"Expected one photo a line in {file}, but it is empty.")
    return names
