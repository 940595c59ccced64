"""Pairs of a RAW file and the JPEG or HEIF that the camera made with it: one photo in two files."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from nima_pretrain.data.raw_files import RAW_EXTENSIONS

_BY_CAMERA = frozenset({".heic", ".heif", ".jpeg", ".jpg"})


def without_paired_raws(names: Sequence[str]) -> list[str]:
    """Returns the names of files, without RAW files that have a JPEG or HEIF beside them.

    A pair has the same name but for the extension, in either case.

    Args:
        names: names in one folder, or paths.
    """
    if not any(_suffix_of(name) in RAW_EXTENSIONS for name in names):
        return list(names)
    developed = {stem_of(name) for name in names if _suffix_of(name) in _BY_CAMERA}
    return [
        name
        for name in names
        if not (_suffix_of(name) in RAW_EXTENSIONS and stem_of(name) in developed)
    ]


def raws_beside(photo: Path) -> tuple[str, ...]:
    """Returns the names of the RAW files that are pairs with a JPEG or HEIF; () for other files."""
    if photo.suffix.lower() not in _BY_CAMERA:
        return ()
    try:
        raws = _raws_by_stem(photo.parent, photo.parent.stat().st_mtime_ns)
    except (OSError, ValueError):  # the latter for names that no folder can have
        return ()
    return tuple(raws.get(stem_of(photo.name), ()))


def are_pair(first: str, second: str) -> bool:
    """Returns True if two names are those of a pair, in either order."""
    suffixes = (_suffix_of(first), _suffix_of(second))
    return stem_of(first) == stem_of(second) and any(
        raw in RAW_EXTENSIONS and developed in _BY_CAMERA
        for raw, developed in (suffixes, suffixes[::-1])
    )


def names_by_stem(folder: Path) -> Mapping[str, Sequence[str]]:
    """Returns the names in a folder by their stem, see `stem_of`; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return _by_stem(entry.name for entry in entries)
    except (OSError, ValueError):
        return {}


def stem_of(name: str) -> str:
    """Returns a name without its extension, for comparisons that ignore case."""
    return name.rpartition(".")[0].casefold()


# Photos come folder by folder; a change of a folder's time empties its entry. RAW files alone are
# kept: a folder may have a million of others.
@lru_cache(maxsize=8)
def _raws_by_stem(folder: Path, changed: int) -> dict[str, list[str]]:
    with os.scandir(folder) as entries:
        return _by_stem(e.name for e in entries if _suffix_of(e.name) in RAW_EXTENSIONS)


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(stem_of(name), []).append(name)
    return found


def _suffix_of(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
