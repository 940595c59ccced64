"""The stars of a photo: read from its sidecars or from the file itself, written into sidecars."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.library import journal
from nima_pretrain.library.embedded import embedded_rating
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    ChangedMeanwhileError,
    read_sidecar,
    replace_unchanged,
)
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.library.xmp import rating_of, with_rating
from nima_pretrain.locks import locked

_ATTEMPTS = 3


class Outcome(StrEnum):
    """The result of giving stars to a photo."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"  # they were there
    KEPT = "kept"  # a person's stars stay


class Stars(NamedTuple):
    """The stars of a photo.

    Attributes:
        stars: 1 to 5; 0 is unrated, -1 rejected.
        by_model: whether nima-pretrain wrote them, and nobody has changed them since.
        path: the file that they were read from, a sidecar or the photo.
    """

    stars: int
    by_model: bool
    path: Path


def stars_of(photo: Path, names: SidecarNames | None = None) -> Stars | None:
    """Returns the stars of a photo; None if no file states any, not even 0.

    A sidecar, even with 0, goes before the rating in the photo itself, as in other programs. Of
    several sidecars, those of no other photo go before a shared one, then one with stars before one
    without, a person's before a model's, `photo.jpg.xmp` before `photo.xmp`, and these before those
    of the other file of a RAW+JPEG pair.

    Args:
        photo: the photo; it need not exist for its sidecars to be read.
        names: the photos that get stars together; None for this one alone.

    Raises:
        InputError: a sidecar cannot be read, or is no XMP.
    """
    names = names or SidecarNames()
    found = list(_stars_in_sidecars(photo, names))
    own = [stars for stars in found if not names.is_shared(stars.path, photo)]
    if found:
        return max(own or found, key=lambda stars: (stars.stars != 0, not stars.by_model))
    return next(_embedded_stars(photo, names), None)


def persons_stars(photo: Path, names: SidecarNames | None = None) -> Stars | None:
    """Returns the stars that a person gave to a photo, in whatever file; None if unrated.

    A person's 0 in a sidecar of the photo takes back the rating in the photo itself.

    Args:
        photo: the photo.
        names: the photos that get stars together; None for this one alone.

    Raises:
        InputError: a sidecar cannot be read, or is no XMP.
    """
    names = names or SidecarNames()
    found = [stars for stars in _stars_in_sidecars(photo, names) if not stars.by_model]
    if all(names.is_shared(stars.path, photo) for stars in found):
        found += [stars for stars in _embedded_stars(photo, names) if not stars.by_model]
    return next((stars for stars in found if stars.stars), None)


def set_stars(
    photo: Path,
    stars: int,
    *,
    by_person: bool,
    naming: Naming = Naming.FULL,
    overwrite: bool = False,
    names: SidecarNames | None = None,
) -> Outcome:
    """Gives stars to a photo in its sidecars, and returns whether they were written.

    Existing sidecars keep all their other content. Another program's change between reading and
    writing is noticed, and merged with. Stars go into every sidecar with a rating, too, that is not
    shared with another photo, lest they contradict each other. A model's stars are marked as
    such, do not replace a person's, and are recorded in the journal, see `undo.undo_stars`.

    Args:
        photo: the photo.
        stars: 1 to 5; 0 is unrated, -1 rejected.
        by_person: whether a person gives them, not a model.
        naming: the sidecars to write.
        overwrite: whether a model's stars replace a person's.
        names: the photos that get stars together; None for this one alone.

    Raises:
        InputError: there is no such photo, a sidecar is no XMP, cannot be written or is that of
            another photo that gets stars.
    """
    names = names or SidecarNames()
    try:
        photo.stat()
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"Cannot give stars to {photo}: {reason}.") from None
    with locked(photo.parent, "folder", timeout=LOCK_SECONDS):
        for _ in range(_ATTEMPTS):
            if not (by_person or overwrite) and persons_stars(photo, names):
                return Outcome.KEPT
            paths = names.to_write(photo, naming)
            rated = [found.path for found in _stars_in_sidecars(photo, names)]
            paths += [path for path in rated if not names.is_shared(path, photo)]
            contents = {path: read_sidecar(path) for path in paths}
            changes = {
                path: with_rating(content, stars, by_model=not by_person, name=str(path))
                for path, content in contents.items()
            }
            changes = {path: new for path, new in changes.items() if new != contents[path]}
            if not changes:
                return Outcome.UNCHANGED
            record = None if by_person else journal.record
            try:
                for path, new in changes.items():
                    replace_unchanged(path, contents[path], new, record)
            except ChangedMeanwhileError:
                continue
            return Outcome.WRITTEN
    raise InputError(
        f"Another program keeps changing the sidecars of {photo}. Close it, and try again."
    )


def _stars_in_sidecars(photo: Path, names: SidecarNames) -> Iterator[Stars]:
    for path in names.all_of(photo):
        content = read_sidecar(path)
        rating = None if content is None else rating_of(content, str(path))
        if rating:
            yield Stars(*rating, path)


def _embedded_stars(photo: Path, names: SidecarNames) -> Iterator[Stars]:
    for file in names.files_of(photo):
        rating = embedded_rating(file)
        if rating:
            yield Stars(*rating, file)
