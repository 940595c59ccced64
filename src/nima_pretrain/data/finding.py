"""The search for photos: in folders, by patterns and in lists."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from nima_pretrain.data.archives import SUFFIX, members
from nima_pretrain.data.folders import files_below
from nima_pretrain.data.raw import has_rawpy
from nima_pretrain.data.raw_files import RAW_EXTENSIONS
from nima_pretrain.data.raw_pairs import raws_beside, without_paired_raws
from nima_pretrain.data.shards import Shard
from nima_pretrain.errors import InputError, PhotoError

logger = logging.getLogger(__name__)

EXTENSIONS = RAW_EXTENSIONS | frozenset(
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
    """An iterable of photo paths, ordered and without duplicates.

    Folders are searched anew in every iteration. A folder that cannot be searched yields an error.

    Attributes:
        roots: files, which are taken whatever their name, and folders, which are searched.
        shard: the part of the photos to list; None for all. Photos are divided by their paths
            relative to the folder in `roots`, files in `roots` by their paths as given. Errors
            are in every shard, since a folder may be readable on some machines only.
    """

    roots: tuple[Path, ...]
    shard: Shard | None = None

    def __iter__(self) -> Iterator[Path | PhotoError]:
        found = chain.from_iterable(map(_found_at, self.roots))
        # One root has no duplicates.
        for photo, name in found if len(self.roots) == 1 else _without_repetitions(found):
            if self.shard is None or isinstance(photo, PhotoError) or self.shard.has(name):
                yield photo

    def raws_of(self, photo: Path) -> tuple[str, ...]:
        """Returns the names of the RAW files that a listed JPEG or HEIF also stands for.

        Files that `roots` names, of either kind, stand for themselves alone.
        """
        if photo in self._named:
            return ()
        raws = raws_beside(photo)
        return tuple(raw for raw in raws if photo.with_name(raw) not in self._named)

    @cached_property
    def _named(self) -> frozenset[Path]:
        return frozenset(self.roots)


def listing_of(arguments: Sequence[str]) -> Listing:
    """Returns the photographs named on a command line.

    Args:
        arguments: files, folders and patterns (`*`, `?`, `[..]`, and `**` for any folders). Quoted
            patterns may match more files than a command line can hold.

    Raises:
        InputError: an argument does not exist, or a pattern matches nothing.
    """
    roots: list[Path] = []
    for argument in arguments:
        if os.path.lexists(argument):
            roots.append(Path(argument))
            continue
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - takes absolute ones
        if not matches:
            is_pattern = glob.has_magic(argument)
            what = "matches nothing" if is_pattern else "does not exist"
            raise InputError(
                f"Expected photos, folders of photos or patterns, but {argument} {what}."
            )
        roots += map(Path, matches)
    return Listing(tuple(roots))


def listing_of_lines(content: bytes) -> Listing:
    """Returns the photographs named in a list, without checking that they exist.

    Args:
        content: one path per line, or paths terminated by NUL bytes, as `find -print0` writes
            them for names with newlines.

    Raises:
        InputError: the list is empty.
    """
    separator = b"\0" if b"\0" in content else b"\n"
    lines = (line.removesuffix(b"\r") for line in content.split(separator))
    roots = tuple(Path(os.fsdecode(line)) for line in lines if line)
    if not roots:
        raise InputError("Expected the paths of photos, one a line, but the list is empty.")
    return Listing(roots)


def find_photos(root: Path, *, archives: bool = False) -> list[Path]:
    """Returns the photographs below a folder, sorted by path; for a file, the file itself.

    Args:
        root: the folder, or the file.
        archives: whether photos in tar files below the folder follow, such as webdataset shards.

    Raises:
        InputError: there is no such file or folder, or the folder holds no photographs.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"Expected a photo or a folder of photos, but {root} does not exist.")
    photos = []
    for found in chain(walk(root), _photos_in_archives(root)) if archives else walk(root):
        if isinstance(found, PhotoError):
            logger.warning("%s", found)
        else:
            photos.append(found)
    if not photos:
        known = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
        raise InputError(f"Found no photos below {root}. Looked for: {known}, in either case.")
    return photos


def root_of(photos: Path) -> Path:
    """Returns the folder that names of photos are relative to: of a file, the one it is in."""
    return photos if photos.is_dir() else photos.parent


def walk(root: Path) -> Iterator[Path | PhotoError]:
    """Returns the photographs below a folder, sorted by path, and folders that cannot be read.

    Photos are recognized by their extension, in either case. Of a RAW file and a JPEG or HEIF of
    the same name, which are one photo, only the latter is found: it is what the camera made of it.
    Other RAW files are found if the extra `raw` is installed; otherwise one warning is logged.
    `files_below` says which links are followed.
    """
    return files_below(root, _photos_among)


def _photos_among(names: Iterable[str]) -> list[str]:
    """Returns the names of photos among the names in a folder; those of folders end in a slash."""
    files = [name for name in names if not name.endswith("/") and _suffix(name) in EXTENSIONS]
    photos = without_paired_raws(files)
    if not has_rawpy() and any(_suffix(name) in RAW_EXTENSIONS for name in photos):
        _warn_of_skipped_raws()
        photos = [name for name in photos if _suffix(name) not in RAW_EXTENSIONS]
    return photos


@cache  # once, however many folders are searched how often
def _warn_of_skipped_raws() -> None:
    logger.warning(
        "RAW files are skipped: they need the package rawpy, pip install 'nima-pretrain[raw]'"
    )


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path keeps every name


def _photos_in_archives(root: Path) -> Iterator[Path | PhotoError]:
    for archive in files_below(root, _archives_among):
        # The search for photos has reported the folders that it could not search.
        if isinstance(archive, PhotoError) or not archive.is_file():
            continue
        try:
            names = [str(path) for path in members(archive)]
            photos = set(_photos_among(names))
            yield from (Path(name) for name in names if name in photos)
        except OSError as error:
            yield PhotoError(archive, f"the archive cannot be searched: {error.strerror}")


def _archives_among(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(SUFFIX)]


def _found_at(root: Path) -> Iterator[tuple[Path | PhotoError, Path]]:
    """Yields the photos of a root, each with the name by which it belongs to a shard."""
    # Unlike `Path.is_dir`, it takes names that no file can have, as too long ones.
    if not os.path.isdir(root):  # noqa: PTH112
        yield root, root
        return
    for photo in walk(root):
        yield photo, root if isinstance(photo, PhotoError) else photo.relative_to(root)


def _without_repetitions(
    found: Iterable[tuple[Path | PhotoError, Path]],
) -> Iterator[tuple[Path | PhotoError, Path]]:
    seen = set()
    for photo, name in found:
        path = photo.path if isinstance(photo, PhotoError) else photo
        # Digests take about 100 bytes each, however long the paths are.
        key = blake2b(os.fsencode(path), digest_size=16).digest()
        if key not in seen:
            seen.add(key)
            yield photo, name
