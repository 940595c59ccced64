"""Undoing a model's stars: sidecars become what the journal says that they were."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.library.journal import NAME, Entry, read_journal, rewrite_journal, sha256
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    ChangedMeanwhileError,
    read_sidecar,
    remove_remains,
    replace_unchanged,
)
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.locks import locked
from nima_pretrain.prediction.reading import photo_of, read_scores


class Undone(NamedTuple):
    """The result of undoing a model's stars.

    Attributes:
        restored: number of sidecars that were restored to their previous content.
        removed: number of sidecars that had been created, and are gone.
        problems: one message for each sidecar that could not be undone, or not up to its first
            entry.
    """

    restored: int
    removed: int
    problems: tuple[str, ...]


def undo_stars(place: Path | str) -> Undone:
    """Restores sidecars as they were before a model's stars, and returns counts.

    Sidecars that anyone has changed since are left as they are; those that were changed between
    two runs get that state again.

    Args:
        place: a folder, whose sidecars and those below it are restored; or a score file, for the
            sidecars of its photos, not those of files that could not be scored.

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
    if os.path.isdir(place):  # noqa: PTH112 - Path raises where it may not look
        found = sorted(folder for folder in _folders_in(place) if os.path.lexists(folder / NAME))
        return dict.fromkeys(found)
    # Other rows have no stars, and may name files that are no photos.
    photos = [photo_of(row) for row in read_scores(place) if row.status == "ok"]
    sidecars = SidecarNames(photos)
    names: dict[Path, set[str]] = {}
    for photo in photos:
        own = {sidecar.name for sidecar in sidecars.all_of(photo)}
        names.setdefault(photo.parent, set()).update(own)
    # As above.
    return {folder: own for folder, own in names.items() if os.path.exists(folder / NAME)}  # noqa: PTH110


def _folders_in(top: Path) -> Iterator[Path]:
    """Yields a folder and those below it, however deep, but none behind links."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        yield folder
        with suppress(OSError), os.scandir(folder) as entries:
            waiting += [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _undo(folder: Path, names: Collection[str] | None) -> Undone:
    """Restores sidecars of one folder; their entries leave the journal."""
    restored = removed = 0
    problems: list[str] = []
    with locked(folder, "folder", timeout=LOCK_SECONDS):
        remove_remains(folder)
        by_sidecar: dict[str, list[Entry]] = {}
        for entry in read_journal(folder):
            by_sidecar.setdefault(entry.sidecar, []).append(entry)
        for name in sorted(by_sidecar if names is None else by_sidecar.keys() & names):
            try:
                is_there, left = _restore(folder / name, by_sidecar[name])
            except InputError as error:
                problems.append(str(error))
                continue
            restored, removed = restored + is_there, removed + (not is_there)
            by_sidecar[name] = left
            if left:
                problems.append(
                    f"{folder / name} was changed by a person or another program between two runs; "
                    "it is as it was before the later one."
                )
        rewrite_journal(folder, [entry for entries in by_sidecar.values() for entry in entries])
    return Undone(restored, removed, tuple(problems))


def _restore(path: Path, entries: list[Entry]) -> tuple[bool, list[Entry]]:
    """Restores a sidecar by its entries, oldest first, as far back as they fit.

    A sidecar whose entry was not followed by its writing, since the process was killed, is as it
    was before.

    Returns:
        Whether there is a sidecar now, and the entries before a change by anyone else.

    Raises:
        InputError: the sidecar was changed since, is a link to another file, or cannot be written.
    """
    current = wanted = read_sidecar(path)
    left = list(entries)
    while left:
        before = left[-1].content_before()
        if wanted is not None and sha256(wanted) == left[-1].after_sha256:
            wanted = before
        elif wanted != before:
            break
        left.pop()
    is_changed = wanted == current and bool(left)
    if wanted != current:
        try:
            replace_unchanged(path, current, wanted)
        except ChangedMeanwhileError:
            is_changed = True
    if is_changed:
        raise InputError(
            f"{path} was changed after its stars were written, by a person or another program; it "
            "is left as it is."
        )
    return wanted is not None, left
