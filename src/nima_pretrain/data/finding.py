"""Which photographs there are: below folders, behind patterns, in lists."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from nima_pretrain.data.photos import PhotoError
from nima_pretrain.errors import InputError

logger = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
    }
)


@dataclass(frozen=True)
class Listing:
    """Photographs in order, looked up anew each time one goes through them; each comes once.

    A folder that cannot be searched stands in its place as an error.

    Attributes:
        roots: files, which count whatever they are called, and folders, which are searched.
    """

    roots: tuple[Path, ...]

    def __iter__(self) -> Iterator[Path | PhotoError]:
        found = (
            photo for root in self.roots for photo in (walk(root) if root.is_dir() else [root])
        )
        # Nothing comes twice below one root.
        return found if len(self.roots) == 1 else _without_repetitions(found)


def listing_of(arguments: Sequence[str]) -> Listing:
    """Returns the photographs that a command line names: files, folders and patterns.

    Patterns (`*`, `?`, `[..]`, and `**` for any folders) are for whoever quotes them, or has more
    files than a command line holds.

    Raises:
        InputError: one of them names nothing.
    """
    roots: list[Path] = []
    for argument in arguments:
        if os.path.lexists(argument):
            roots.append(Path(argument))
            continue
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - knows absolute ones
        if not matches:
            is_pattern = glob.has_magic(argument)
            what = "matches nothing" if is_pattern else "does not exist"
            raise InputError(
                f"Expected photos, folders of photos or patterns, but {argument} {what}."
            )
        roots += map(Path, matches)
    return Listing(tuple(roots))


def listing_of_lines(content: bytes) -> Listing:
    """Returns the photographs that a list names, one path a line, or each ended by a NUL byte.

    Nothing has to exist: whoever scores the list learns what does not.

    Args:
        content: of the list; NUL bytes are what `find -print0` writes, for names with newlines.

    Raises:
        InputError: it names nothing.
    """
    separator = b"\0" if b"\0" in content else b"\n"
    lines = (line.removesuffix(b"\r") for line in content.split(separator))
    roots = tuple(Path(os.fsdecode(line)) for line in lines if line)
    if not roots:
        raise InputError("Expected the paths of photos, one a line, but the list is empty.")
    return Listing(roots)


def find_photos(root: Path) -> list[Path]:
    """Returns the photographs below a folder, sorted by path; a file is returned as it is.

    Raises:
        InputError: there is no such file or folder, or the folder holds no photographs.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"Expected a photo or a folder of photos, but {root} does not exist.")
    photos = []
    for found in walk(root):
        if isinstance(found, PhotoError):
            logger.warning("%s", found)
        else:
            photos.append(found)
    if not photos:
        known = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
        raise InputError(f"Found no photos below {root}. Looked for: {known}, in either case.")
    return photos


def walk(root: Path) -> Iterator[Path | PhotoError]:
    """Yields the photographs below a folder, sorted by path, and folders that cannot be read.

    Names with one of the known extensions in either case count. Links to folders are followed
    where they lead out of `root`; what is within is found under its own name. No folder is
    searched twice, so that links in a circle do no harm.
    """
    yield from _walk(root, Path(os.path.realpath(root)), set())


def _walk(folder: Path, top: Path, visited: set[tuple[int, int]]) -> Iterator[Path | PhotoError]:
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
    for name in names:
        path = folder / name
        if not name.endswith("/"):
            if path.suffix.lower() in EXTENSIONS:
                yield path
        elif not (path.is_symlink() and Path(os.path.realpath(path)).is_relative_to(top)):
            yield from _walk(path, top, visited)


def _name_of(entry: os.DirEntry[str]) -> str:
    """Its name; with a slash a folder stands where its files stand in a list sorted by path."""
    try:
        return f"{entry.name}/" if entry.is_dir() else entry.name
    except OSError:  # a link that leads to itself, or to where nobody may look
        return entry.name


def _without_repetitions(photos: Iterable[Path | PhotoError]) -> Iterator[Path | PhotoError]:
    seen = set()
    for photo in photos:
        path = photo.path if isinstance(photo, PhotoError) else photo
        # A million paths would be heavy; 16 bytes each are not.
        key = blake2b(os.fsencode(path), digest_size=16).digest()
        if key not in seen:
            seen.add(key)
            yield photo
