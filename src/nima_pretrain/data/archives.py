"""Photos in tar files, as in webdataset shards, under paths such as `shards/00000.tar/000012.jpg`.

Members are read where they lie; nothing is extracted. Compressed archives are not supported, since
they cannot be read at random.
"""

import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

SUFFIX = ".tar"


class FileStatus(NamedTuple):
    """The kind of a path, a regular file or another one, and its size in bytes."""

    is_regular: bool
    size: int


class _Place(NamedTuple):
    """The place of a member's content in an archive, in bytes."""

    offset: int
    size: int


def members(archive: Path) -> Iterator[Path]:
    """Yields the paths of the regular files in an archive, sorted.

    Raises:
        OSError: the file cannot be read, or is not an uncompressed tar file.
    """
    for name in sorted(_places_in(archive)):
        yield archive / name


def status_of(path: Path) -> FileStatus:
    """Returns the status of a file, which may be in an archive.

    Raises:
        OSError: there is no such file.
    """
    archive = _archive_of(path)
    if archive is None:
        status = path.stat()
        return FileStatus(stat.S_ISREG(status.st_mode), status.st_size)
    return FileStatus(True, _place_of(path, archive).size)


def is_file(path: Path) -> bool:
    """Returns whether a path is a regular file, which may be in an archive."""
    try:
        return status_of(path).is_regular
    except (OSError, ValueError):  # names that no file can have, as with a NUL
        return False


def open_file(path: Path) -> BinaryIO:
    """Returns an open file, which may be in an archive, for reading bytes.

    Raises:
        OSError: the file cannot be read.
    """
    archive = _archive_of(path)
    if archive is None:
        return path.open("rb")
    place = _place_of(path, archive)
    with archive.open("rb") as file:
        file.seek(place.offset)
        return io.BytesIO(file.read(place.size))


def _archive_of(path: Path) -> Path | None:
    """Returns the tar file that a path leads into, if any; a folder may have any name."""
    for parent in path.parents:
        if parent.suffix == SUFFIX and parent.is_file():
            return parent
    return None


def _place_of(path: Path, archive: Path) -> _Place:
    place = _places_in(archive).get(path.relative_to(archive).as_posix())
    if place is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return place


def _places_in(archive: Path) -> dict[str, _Place]:
    status = archive.stat()
    return _read_places(archive, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)  # about 2 MB each for shards of 10,000 photos
def _read_places(archive: Path, size: int, modified: int) -> dict[str, _Place]:
    """Returns the place of every member by its name; size and time tell versions apart."""
    places = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.size < 0:  # tarfile would read it again and again
                    raise tarfile.ReadError("a member has a negative size")
                name = PurePosixPath(member.name)
                if member.isreg() and not member.issparse() and not _leaves(name):
                    places[name.as_posix()] = _Place(member.offset_data, member.size)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise OSError(errno.EINVAL, f"is not a whole tar file: {error}", str(archive)) from None
    return places


def _leaves(name: PurePosixPath) -> bool:
    return name.is_absolute() or ".." in name.parts
