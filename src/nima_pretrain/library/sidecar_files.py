"""Sidecar files: read within bounds, replaced at once, and not if another program changed them."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.library.xmp import MAX_BYTES

# One temporary name per folder: long names of photos leave no room for one of their own.
TEMPORARY = "nima-pretrain-stars.xmp"
# The longest wait for another process of ours that writes into the same folder.
LOCK_SECONDS = 10.0


class ChangedMeanwhileError(Exception):
    """Another program changed a sidecar between reading and writing."""


def read_sidecar(path: Path) -> bytes | None:
    """Returns the content of a sidecar; None if there is none.

    Raises:
        InputError: it cannot be read, is no regular file, or is larger than an XMP file can be.
    """
    try:
        status = path.stat()
        # Reading a pipe would block.
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"Expected {path} to be a sidecar, but it is not a regular file.")
        if status.st_size > MAX_BYTES:
            raise InputError(
                f"Expected a sidecar of at most {MAX_BYTES // 2**20} MB, but {path} has "
                f"{status.st_size / 2**20:.0f} MB. Remove it, or restore it from a backup."
            )
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from None


def replace_unchanged(
    path: Path,
    before: bytes | None,
    after: bytes | None,
    record: Callable[[Path, bytes | None, bytes], None] | None = None,
) -> None:
    """Replaces a sidecar, creates it or removes it, if it still is as it was read.

    Args:
        path: the sidecar; of a link, the file that it leads to is replaced.
        before: its content when it was read; None if there was none.
        after: its new content; None to remove it.
        record: called with path, before and after, just before a new content takes its place.

    Raises:
        ChangedMeanwhileError: the sidecar is not as it was read.
        InputError: it cannot be written.
    """
    if after is None:
        _check_unchanged(path, before)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"Cannot remove {path}: {error.strerror}.") from error
        return
    target = Path(os.path.realpath(path))
    with replacing(target, like=target.with_name(TEMPORARY)) as partial:
        partial.write_bytes(after)
        if before is not None:
            shutil.copymode(target, partial)
        _check_unchanged(path, before)
        if record:
            record(path, before, after)


def _check_unchanged(path: Path, before: bytes | None) -> None:
    if read_sidecar(path) != before:
        raise ChangedMeanwhileError
