"""Locks that keep two processes from writing the same output."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nima_pretrain.errors import InputError


@contextmanager
def locked(path: Path, option: str, timeout: float = 0) -> Iterator[None]:
    """Keeps other processes from writing an output within a context.

    The lock is a file in the folder for temporary files, named after the path, and the operating
    system releases it when the process ends, however it does.

    Args:
        path: the file or folder to be written.
        option: the option that names it, for the error.
        timeout: how long to wait for another process, seconds.

    Raises:
        InputError: another process holds the lock, or the file of the lock cannot be written.
    """
    digest = hashlib.sha256(os.fsencode(path.absolute().resolve())).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else 0  # whose lock files others cannot open
    try:
        lock = FileLock(Path(tempfile.gettempdir()) / f"nima-pretrain-{user}-{digest}.lock")
        lock.acquire(timeout=timeout)
    except Timeout:
        raise InputError(
            f"Another process is writing {path}. Wait for its end, or choose another {option}."
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot lock {path}: {error.strerror or error}. The lock is a file in the folder for "
            "temporary files; make room there, or set TMPDIR to another one."
        ) from error
    try:
        yield
    finally:
        lock.release()
