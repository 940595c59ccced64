"""The search of a folder and those below it, in the order of the sorted paths."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import PhotoError

Choice = Callable[[Sequence[str]], Sequence[str]]


def files_below(root: Path, choose: Choice) -> Iterator[Path | PhotoError]:
    """Yields files below a folder, sorted by path, and folders that cannot be searched.

    Links to folders are followed only if they point outside `root`, since folders inside are found
    under their own names. No folder is searched twice, so circular links are harmless.

    Args:
        root: the folder.
        choose: returns the names of the files to yield among the names in a folder, in which those
            of folders end in a slash.
    """
    top, visited = Path(os.path.realpath(root)), set[tuple[int, int]]()
    # A stack of searches: folders may be nested more deeply than Python's calls.
    searches = [_search(root, top, visited, choose)]
    while searches:
        for found in searches[-1]:
            if isinstance(found, _Subfolder):
                searches.append(_search(found.path, top, visited, choose))
                break
            yield found
        else:
            searches.pop()


class _Subfolder(NamedTuple):
    path: Path


def _search(
    folder: Path, top: Path, visited: set[tuple[int, int]], choose: Choice
) -> Iterator[Path | _Subfolder | PhotoError]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            names = sorted(map(_name_of, entries))
    except OSError as error:
        yield PhotoError(folder, f"the folder cannot be searched: {error.strerror}")
        return
    subfolders = [name for name in names if name.endswith("/")]
    names = sorted([*choose(names), *subfolders], reverse=True)
    while names:
        # A name that was yielded is let go of, as a folder may have a million.
        name = names.pop()
        path = folder / name
        if not name.endswith("/"):
            yield path
        elif not (path.is_symlink() and Path(os.path.realpath(path)).is_relative_to(top)):
            yield _Subfolder(path)


def _name_of(entry: os.DirEntry[str]) -> str:
    """Returns the entry's name, for folders with a slash, so that names sort as their paths do."""
    try:
        return f"{entry.name}/" if entry.is_dir() else entry.name
    except OSError:  # a link to itself, or to a folder without read permission
        return entry.name
