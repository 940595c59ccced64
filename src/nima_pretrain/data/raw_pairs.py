"""Pairs of a RAW file and the JPEG or HEIF that the camera made with it: one photo in two files."""

import os
from collections.abc import Sequence
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
    developed = {_stem_of(name) for name in names if _suffix_of(name) in _BY_CAMERA}
    return [
        name
        for name in names
        if not (_suffix_of(name) in RAW_EXTENSIONS and _stem_of(name) in developed)
    ]


def raws_beside(photo: Path) -> tuple[str, ...]:
    """Returns the names of the RAW files that are pairs with a JPEG or HEIF; () for other files."""
    if photo.suffix.lower() not in _BY_CAMERA:
        return ()
    try:
        changed = photo.parent.stat().st_mtime_ns
        return _raws_in(photo.parent, changed).get(_stem_of(photo.name), ())
    except OSError:
        return ()


# Photos come folder by folder; a change of a folder's time empties its entry.
@lru_cache(maxsize=8)
def _raws_in(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    """Returns the RAW files of a folder by their stem."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    raws: dict[str, tuple[str, ...]] = {}
    for name in names:
        if _suffix_of(name) in RAW_EXTENSIONS:
            raws[_stem_of(name)] = (*raws.get(_stem_of(name), ()), name)
    return raws


def _stem_of(name: str) -> str:
    return name.rpartition(".")[0].casefold()


def _suffix_of(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
