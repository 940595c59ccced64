"""Sidecar files: read within bounds, replaced at once, and not if another program changed them."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nima_pretrain.errors import InputError
from nima_pretrain.files import remove_orphans, replacing
from nima_pretrain.library.xml_text import MAX_BYTES

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
        path: the sidecar; of a link to another sidecar in the same folder, that one is replaced.
        before: its content when it was read; None if there was none.
        after: its new content; None to remove it.
        record: called with path, before and after, just before a new content takes its place.

    Raises:
        ChangedMeanwhileError: the sidecar is not as it was read.
        InputError: it cannot be written, or is a link to another file.
    """
    target = _target_of(path)
    if after is None:
        _check_unchanged(path, before)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"Cannot remove {path}: {error.strerror}.") from error
        return
    with replacing(target, like=target.with_name(TEMPORARY)) as partial:
        partial.write_bytes(after)
        if before is not None:
            shutil.copymode(target, partial)
        _check_unchanged(path, before)
        if record:
            record(path, before, after)


def remove_remains(folder: Path) -> None:
    """Removes what processes that died while they wrote sidecars have left in a folder.

    Folders that cannot be searched have no sidecars that we could have written.
    """
    with suppress(OSError, ValueError):  # the latter for names that no folder can have
        remove_orphans(folder / TEMPORARY)


def _target_of(path: Path) -> Path:
    """Returns the file that is written for a sidecar.

    A link may come with a folder of other people, and lead to any file.

    Raises:
        InputError: it is a link to anything but a sidecar in the same folder.
    """
    target = Path(os.path.realpath(path))
    if path.is_symlink():
        is_beside = target.parent == Path(os.path.realpath(path.parent))
        if not is_beside or target.suffix.lower() != ".xmp":
            raise InputError(
                f"Expected {path} to be a sidecar, but it is a link to {target}, which is no "
                "sidecar in the same folder and is left as it is. Remove the link."
            )
    return target


def _check_unchanged(path: Path, before: bytes | None) -> None:
    if read_sidecar(path) != before:
        raise ChangedMeanwhileError
