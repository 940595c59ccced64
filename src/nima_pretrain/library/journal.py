"""The journal of stars: what a sidecar was before a model's stars were written.

Each folder of photos has one, `.nima-pretrain-stars.jsonl`. An entry is appended before its sidecar
is written, so a killed process loses nothing. An entry with an earlier content is on the disk by
then, so neither does a power cut; to wait for the disk takes about ten milliseconds, which a
sidecar that is new does not need.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.library.xml_text import MAX_BYTES

NAME = ".nima-pretrain-stars.jsonl"

# Every journal begins so.
_START = b'{"sidecar": "'
# Of a line: a sidecar of the largest size that does not compress, in base64, and a name.
_MOST_BYTES = 2 * MAX_BYTES
# Neither exists on every platform.
_ITSELF = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Entry(NamedTuple):
    """An entry of a journal.

    Attributes:
        sidecar: name of the sidecar.
        time: when it was to be written, ISO 8601, UTC.
        before: its content before, packed, see `content_before`; None if there was none.
        after_sha256: hash of its content after.
    """

    sidecar: str
    time: str
    before: str | None
    after_sha256: str

    def content_before(self) -> bytes | None:
        """Returns the content before; None if there was no sidecar.

        Raises:
            InputError: it is damaged.
        """
        if self.before is None:
            return None
        try:
            compressed = io.BytesIO(base64.b64decode(self.before, validate=True))
            with gzip.GzipFile(fileobj=compressed) as file:
                content = file.read(MAX_BYTES + 1)
        except (ValueError, EOFError, OSError, zlib.error):
            content = None
        if content is None or len(content) > MAX_BYTES:
            raise InputError(
                f"{self.sidecar} cannot be restored: its earlier content in the journal {NAME} is "
                "damaged. Restore both from a backup."
            )
        return content


def record(sidecar: Path, before: bytes | None, after: bytes) -> None:
    """Appends an entry to the journal in the folder of a sidecar.

    Args:
        sidecar: the sidecar that will be written.
        before: its content; None if there is none.
        after: its content to be.

    Raises:
        InputError: the journal cannot be written, or another file is in its place.
    """
    packed = None
    if before is not None:
        packed = base64.b64encode(gzip.compress(before, mtime=0)).decode()
    time = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Entry(sidecar.name, time, packed, sha256(after))
    path = sidecar.parent / NAME
    with _opened(path, "ab+") as file:
        file.seek(0)
        start = file.read(len(_START))
        if not _START.startswith(start):
            raise _not_a_journal(path, "it has other content. Move it away")
        _remove_torn_line(file)
        file.write(_line(entry))
        file.flush()
        if before is not None:
            os.fsync(file.fileno())


def read_journal(folder: Path) -> list[Entry]:
    """Returns the entries of the journal of a folder, oldest first; none if there is no journal.

    Raises:
        InputError: the journal is damaged or cannot be read.
    """
    path = folder / NAME
    entries: list[Entry] = []
    try:
        with _opened(path, "rb") as file:
            for number in count(1):
                line = file.readline(_MOST_BYTES)
                # After the last line break, a kill may have left a part of an entry, whose sidecar
                # was not written.
                if not line.endswith(b"\n") and len(line) < _MOST_BYTES:
                    break
                entries.append(_entry(line, number, path))
    except FileNotFoundError:
        return []
    return entries


def rewrite_journal(folder: Path, entries: Sequence[Entry]) -> None:
    """Replaces the entries of the journal of a folder; without any, the journal is removed.

    Raises:
        InputError: the journal cannot be written.
    """
    path = folder / NAME
    if entries:
        with replacing(path) as partial:
            partial.write_bytes(b"".join(map(_line, entries)))
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot remove {path}: {error.strerror}.") from None


def sha256(content: bytes) -> str:
    """Returns the hash of a sidecar's content, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _line(entry: Entry) -> bytes:
    return json.dumps(entry._asdict()).encode() + b"\n"


def _entry(line: bytes, number: int, path: Path) -> Entry:
    entry: Entry | None
    try:
        entry = Entry(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        entry = None
    if entry is None or not (
        _is_name(entry.sidecar)
        and isinstance(entry.time, str)
        and isinstance(entry.before, str | None)
        and isinstance(entry.after_sha256, str)
    ):
        raise InputError(
            f"Expected {path} to be a journal of stars, but line {number} is no entry. Remove that "
            "line; its sidecar is not restored."
        )
    return entry


def _is_name(value: Any) -> bool:
    """Returns whether a value is the name of a sidecar, which leads to no other folder."""
    if not isinstance(value, str) or Path(value).name != value or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return value.endswith(".xmp")


@contextmanager
def _opened(path: Path, mode: Literal["rb", "ab+"]) -> Iterator[BinaryIO]:
    """Yields an open journal.

    Raises:
        FileNotFoundError: there is none to read.
        InputError: it is a link or no regular file, or cannot be opened, read or written.
    """
    try:
        with open(path, mode, opener=_open_itself) as file:
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        action = "read" if mode == "rb" else "write"
        raise InputError(f"Cannot {action} {path}: {error.strerror or error}.") from None


def _open_itself(path: str, flags: int) -> int:
    """Opens a regular file: a link may lead to any file, and a pipe blocks."""
    if not Path(path).is_symlink():
        descriptor = os.open(path, flags | _ITSELF, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise _not_a_journal(path, "it is a link, or no regular file. Remove it")


def _not_a_journal(path: Path | str, reason: str) -> InputError:
    return InputError(f"Expected {path} to be a journal of stars, but {reason}, and try again.")


def _remove_torn_line(file: BinaryIO) -> None:
    """Truncates a journal after its last complete line."""
    size = end = file.seek(0, os.SEEK_END)
    while size:
        start = max(0, size - 2**16)
        file.seek(start)
        line_break = file.read(size - start).rfind(b"\n")
        if line_break >= 0:
            size = start + line_break + 1
            break
        size = start
    if size < end:
        file.truncate(size)
