"""The journal of stars: what a sidecar was before a model's stars were written, to undo them.

Each folder of photos has one, `.nima-pretrain-stars.jsonl`. An entry is flushed to the disk before
its sidecar is written, so a killed process loses nothing.
"""

import base64
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import locked, remove_orphans, replacing
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    TEMPORARY,
    ChangedMeanwhileError,
    read_sidecar,
    replace_unchanged,
)

NAME = ".nima-pretrain-stars.jsonl"


def record(sidecar: Path, before: bytes | None, after: bytes) -> None:
    """Appends an entry to the journal of a sidecar's folder.

    Args:
        sidecar: the sidecar that will be written.
        before: its content; None if there is none.
        after: its content to be.

    Raises:
        OSError: the journal cannot be written.
    """
    entry = {
        "sidecar": sidecar.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "before": None if before is None else _packed(before),
        "after_sha256": _sha256(after),
    }
    with (sidecar.parent / NAME).open("ab+") as file:
        _remove_torn_line(file)
        file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _packed(content: bytes) -> str:
    """Returns content as text, by base64 of gzip."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


class Undone(NamedTuple):
    """The result of `undo`.

    Attributes:
        restored: number of sidecars that have their content of before again.
        removed: number of sidecars that had been created, and are gone.
        problems: one message for each sidecar that could not be undone.
    """

    restored: int
    removed: int
    problems: tuple[str, ...]


class _Entry(NamedTuple):
    """An entry of a journal: the line, and the contents before and after as sha256."""

    line: bytes
    sidecar: str
    before: bytes | None
    after_sha256: str


def undo(folder: Path, sidecars: Iterable[str] | None = None) -> Undone:
    """Restores the sidecars of a folder as they were before a model's stars, by the journal.

    Sidecars that anyone else has changed since are left as they are. Entries of restored sidecars
    leave the journal, and the journal is removed with its last entry.

    Args:
        folder: the folder, without those below it.
        sidecars: names of the sidecars to restore; None for all in the journal.

    Raises:
        InputError: the journal is damaged, or cannot be read or written.
    """
    journal = folder / NAME
    with locked(folder, "folder", timeout=LOCK_SECONDS):
        remove_orphans(folder / TEMPORARY)
        entries = _entries(journal)
        wanted = {entry.sidecar for entry in entries}
        wanted &= wanted if sidecars is None else set(sidecars)
        restored = removed = 0
        problems: dict[str, str] = {}
        for name in sorted(wanted):
            own = [entry for entry in entries if entry.sidecar == name]
            try:
                is_there = _restore(folder / name, own)
            except (InputError, ChangedMeanwhileError) as error:
                problems[name] = str(error)
            else:
                restored, removed = restored + is_there, removed + (not is_there)
        done = wanted - problems.keys()
        kept = [entry.line for entry in entries if entry.sidecar not in done]
        _rewrite(journal, kept)
    return Undone(restored, removed, tuple(problems.values()))


def _restore(path: Path, entries: list[_Entry]) -> bool:
    """Restores one sidecar, and returns whether there was one before.

    An entry whose sidecar was not written, as the process was killed, is of no consequence.
    """
    current = wanted = read_sidecar(path)
    for entry in reversed(entries):
        if _sha256(wanted) == entry.after_sha256:
            wanted = entry.before
        elif wanted != entry.before:
            raise InputError(
                f"{path} was changed after its stars were written, by a person or another program; "
                "it is left as it is."
            )
    if wanted != current:
        replace_unchanged(path, current, wanted)
    return wanted is not None


def _entries(journal: Path) -> list[_Entry]:
    try:
        content = journal.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {journal}: {error.strerror}.") from None
    # What follows the last line break was cut off by a kill, before its sidecar was written.
    lines = content.split(b"\n")[:-1]
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            packed = values["before"]
            before = None if packed is None else gzip.decompress(base64.b64decode(packed))
            entries.append(_Entry(line, values["sidecar"], before, values["after_sha256"]))
        except (ValueError, LookupError, TypeError, EOFError, OSError, zlib.error):
            raise InputError(
                f"Line {number} of {journal} is no entry of a journal of stars. Remove that line; "
                "its sidecar cannot be restored."
            ) from None
    return entries


def _rewrite(journal: Path, lines: list[bytes]) -> None:
    if lines:
        with replacing(journal) as partial:
            partial.write_bytes(b"".join(line + b"\n" for line in lines))
        return
    try:
        journal.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot remove {journal}: {error.strerror}.") from error


def _remove_torn_line(file: BinaryIO) -> None:
    """Truncates a journal after its last complete line."""
    end = file.seek(0, os.SEEK_END)
    size = end
    while size:
        start = max(0, size - 2**16)
        file.seek(start)
        cut = file.read(size - start).rfind(b"\n") + 1
        size = start + cut if cut else start
        if cut:
            break
    if size < end:
        file.truncate(size)


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
