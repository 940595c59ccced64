"""The stars of a photo: read from its sidecars or from the file itself, written into sidecars.

Programs look for two names: `photo.jpg.xmp` (darktable, digiKam, immich), here the full one, and
`photo.xmp` (Adobe), here the stem's.
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.library import journal
from nima_pretrain.library.embedded import embedded_rating
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    ChangedMeanwhileError,
    read_sidecar,
    replace_unchanged,
)
from nima_pretrain.library.xmp import rating_of, with_rating
from nima_pretrain.locks import locked

_ATTEMPTS = 3


class Naming(StrEnum):
    """The sidecars to write."""

    FULL = "full"
    STEM = "stem"
    BOTH = "both"


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


def sidecars_of(photo: Path, naming: Naming = Naming.BOTH) -> list[Path]:
    """Returns the paths of the sidecars of a photo, whether they exist or not.

    Raises:
        InputError: the photo's name cannot be that of a photo.
    """
    if not photo.name or photo.suffix.lower() == ".xmp":
        raise InputError(f"Expected a photo, received {photo}.")
    full, stem = photo.with_name(f"{photo.name}.xmp"), photo.with_suffix(".xmp")
    return {Naming.FULL: [full], Naming.STEM: [stem], Naming.BOTH: [full, stem]}[naming]


def stars_of(photo: Path) -> Stars | None:
    """Returns the stars of a photo; None if no file states any, not even 0.

    A sidecar, even with 0, goes before the rating in the photo itself, as in other programs. Of two
    sidecars, one with stars goes before one without, a person's before a model's, and
    `photo.jpg.xmp` before `photo.xmp`.

    Args:
        photo: the photo; it need not exist for its sidecars to be read.

    Raises:
        InputError: a sidecar cannot be read, or is no XMP.
    """
    found = list(_stars_in_sidecars(photo))
    if found:
        return max(found, key=lambda stars: (stars.stars != 0, not stars.by_model))
    return _embedded_stars(photo)


def persons_stars(photo: Path) -> Stars | None:
    """Returns the stars that a person gave to a photo, in whatever file; None if unrated.

    Raises:
        InputError: a sidecar cannot be read, or is no XMP.
    """
    for stars in (*_stars_in_sidecars(photo), _embedded_stars(photo)):
        if stars and stars.stars and not stars.by_model:
            return stars
    return None


def set_stars(
    photo: Path,
    stars: int,
    *,
    by_person: bool,
    naming: Naming = Naming.FULL,
    overwrite: bool = False,
) -> Outcome:
    """Gives stars to a photo in its sidecars, and returns whether they were written.

    Existing sidecars keep all their other content. Another program's change between reading and
    writing is noticed, and merged with. A person's stars go into every sidecar with a rating,
    lest they contradict each other. A model's stars are marked as such, do not replace a person's,
    and are recorded in the journal, see `undo.undo_stars`.

    Args:
        photo: the photo.
        stars: 1 to 5; 0 is unrated, -1 rejected.
        by_person: whether a person gives them, not a model.
        naming: the sidecars to write.
        overwrite: whether a model's stars replace a person's.

    Raises:
        InputError: there is no such photo, a sidecar is no XMP, or it cannot be written.
    """
    try:
        photo.stat()
    except (OSError, ValueError) as error:  # the latter for names that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"Cannot give stars to {photo}: {reason}.") from None
    with locked(photo.parent, "folder", timeout=LOCK_SECONDS):
        for _ in range(_ATTEMPTS):
            if not (by_person or overwrite) and persons_stars(photo):
                return Outcome.KEPT
            paths = sidecars_of(photo, naming)
            if by_person:
                paths += [found.path for found in _stars_in_sidecars(photo)]
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


def _stars_in_sidecars(photo: Path) -> Iterator[Stars]:
    for path in sidecars_of(photo):
        content = read_sidecar(path)
        rating = None if content is None else rating_of(content, str(path))
        if rating:
            yield Stars(*rating, path)


def _embedded_stars(photo: Path) -> Stars | None:
    rating = embedded_rating(photo)
    return rating and Stars(*rating, photo)
