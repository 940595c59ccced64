"""The photos to score: on the file system of all machines, or in an object store."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import fs

from nima_pretrain.data.finding import EXTENSIONS, listing_of, listing_of_lines
from nima_pretrain.errors import InputError, PhotoError


class Source(NamedTuple):
    """The photos to score, and the file system that has them.

    Attributes:
        files: the file system of the photos; None for that of the machines.
        prefix: of a path in `files` to make an address, e.g. "s3://".
        photos: paths, in order, and errors of folders that cannot be searched.
    """

    files: fs.FileSystem | None
    prefix: str
    photos: list[Path | PhotoError]


def source_of(argument: str) -> Source:
    """Returns the photos of an argument.

    Args:
        argument: a folder, a photo, a list of paths with any other suffix, or an address that
            pyarrow knows, such as s3://bucket/folder or gs://bucket/folder.

    Raises:
        InputError: there are no photos.
    """
    if "://" in argument:
        return _remote_source(argument)
    path = Path(argument)
    is_list = path.is_file() and path.suffix.lower() not in EXTENSIONS
    listing = listing_of_lines(path.read_bytes()) if is_list else listing_of([argument])
    photos = list(listing)
    if not photos:
        raise InputError(f"Found no photos in {argument}.")
    return Source(None, "", photos)


def _remote_source(address: str) -> Source:
    try:
        files, root = fs.FileSystem.from_uri(address)
        found = files.get_file_info(fs.FileSelector(root, recursive=True))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"Cannot list the photos at {address}: {error}") from None
    paths = [Path(info.path) for info in found if info.type == fs.FileType.File]
    photos = sorted(path for path in paths if path.suffix.lower() in EXTENSIONS)
    if not photos:
        raise InputError(f"Found no photos at {address}.")
    return Source(files, address.partition("://")[0] + "://", list(photos))
