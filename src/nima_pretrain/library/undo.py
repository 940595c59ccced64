"""Undoing a model's stars: sidecars become what the journal says that they were."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import remove_orphans
from nima_pretrain.library.journal import NAME, Entry, read_journal, rewrite_journal, sha256
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    TEMPORARY,
    ChangedMeanwhileError,
    read_sidecar,
    replace_unchanged,
)
from nima_pretrain.library.sidecars import sidecars_of
from nima_pretrain.locks import locked
from nima_pretrain.prediction.reading import photo_of, read_scores


class Undone(NamedTuple):
    """The result of undoing a model's stars.

    Attributes:
        restored: number of sidecars that have their content of before again.
        removed: number of sidecars that had been created, and are gone.
        problems: one message for each sidecar that could not be undone.
    """

    restored: int
    removed: int
    problems: tuple[str, ...]


def undo_stars(place: Path | str) -> Undone:
    """Restores sidecars as they were before a model's stars, and returns counts.

    Sidecars that anyone has changed since are left as they are.

    Args:
        place: a folder, whose sidecars and those below it are restored; or a score file, for the
            sidecars of its photos.

    Raises:
        InputError: there is nothing to undo, or a journal is damaged or cannot be read.
    """
    parts = [_undo(folder, names) for folder, names in _sidecars_of(Path(place)).items()]
    if not parts:
        raise InputError(
            f"Found no {NAME} for {place}, the journal of written stars: there is nothing to undo."
        )
    return Undone(
        restored=sum(part.restored for part in parts),
        removed=sum(part.removed for part in parts),
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def _sidecars_of(place: Path) -> dict[Path, Collection[str] | None]:
    """Returns the names of the sidecars to restore, None for all, by folder with a journal."""
    if place.is_dir():
        return {journal.parent: None for journal in sorted(place.rglob(NAME))}
    names: dict[Path, set[str]] = {}
    for photo in map(photo_of, read_scores(place)):
        own = {sidecar.name for sidecar in sidecars_of(photo)}
        names.setdefault(photo.parent, set()).update(own)
    return {folder: own for folder, own in names.items() if (folder / NAME).exists()}


def _undo(folder: Path, names: Collection[str] | None) -> Undone:
    """Restores sidecars of one folder; their entries leave the journal."""
    restored = removed = 0
    problems: dict[str, str] = {}
    with locked(folder, "folder", timeout=LOCK_SECONDS):
        remove_orphans(folder / TEMPORARY)
        by_sidecar: dict[str, list[Entry]] = {}
        for entry in read_journal(folder):
            by_sidecar.setdefault(entry.sidecar, []).append(entry)
        for name in sorted(by_sidecar if names is None else by_sidecar.keys() & names):
            try:
                is_there = _restore(folder / name, by_sidecar[name])
            except InputError as error:
                problems[name] = str(error)
            else:
                restored, removed = restored + is_there, removed + (not is_there)
                del by_sidecar[name]
        rewrite_journal(folder, [entry for entries in by_sidecar.values() for entry in entries])
    return Undone(restored, removed, tuple(problems.values()))


def _restore(path: Path, entries: Sequence[Entry]) -> bool:
    """Restores a sidecar by its entries, oldest first, and returns whether there was one before.

    A sidecar whose entry was not followed by its writing, since the process was killed, is as it
    was before.

    Raises:
        InputError: the sidecar was changed since, or cannot be written.
    """
    changed = InputError(
        f"{path} was changed after its stars were written, by a person or another program; it is "
        "left as it is."
    )
    current = wanted = read_sidecar(path)
    for entry in reversed(entries):
        before = entry.content_before()
        if wanted is not None and sha256(wanted) == entry.after_sha256:
            wanted = before
        elif wanted != before:
            raise changed
    if wanted != current:
        try:
            replace_unchanged(path, current, wanted)
        except ChangedMeanwhileError:
            raise changed from None
    return wanted is not None
