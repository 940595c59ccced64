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
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.library.xmp import MAX_BYTES

NAME = ".nima-pretrain-stars.jsonl"


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
        OSError: the journal cannot be written.
    """
    packed = None
    if before is not None:
        packed = base64.b64encode(gzip.compress(before, mtime=0)).decode()
    time = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Entry(sidecar.name, time, packed, sha256(after))
    with (sidecar.parent / NAME).open("ab+") as file:
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
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from None
    # After the last line break, a kill may have left a part of an entry, whose sidecar was not
    # written.
    lines = content.split(b"\n")[:-1]
    return [_entry(line, number, path) for number, line in enumerate(lines, start=1)]


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
    try:
        entry = Entry(**json.loads(line))
        name = Path(entry.sidecar).name
        are_texts = all(
            isinstance(value, str) for value in (*entry[:2], entry.before or "", entry.after_sha256)
        )
    except (ValueError, TypeError):
        are_texts = False
    # A journal may come from elsewhere with its folder: it must not name files outside.
    if not are_texts or name != entry.sidecar or not name.endswith(".xmp"):
        raise InputError(
            f"Expected {path} to be a journal of stars, but line {number} is no entry. Remove that "
            "line; its sidecar is not restored."
        )
    return entry


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
