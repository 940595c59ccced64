"""The stars of a session at the culling page: given by a person, and undone without a trace."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from nima_pretrain.data.raw_pairs import stem_of
from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_files import (
    LOCK_SECONDS,
    ChangedMeanwhileError,
    read_sidecar,
    replace_unchanged,
)
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.library.sidecars import set_stars, stars_of
from nima_pretrain.library.xmp import with_rating
from nima_pretrain.locks import locked

_Contents = Mapping[Path, bytes | None]


class _Earlier(NamedTuple):
    """The state of a photo before its stars of this session.

    Attributes:
        stars: its stars then.
        contents: the contents of its sidecars then; None for one that was not there.
        written: their contents now, if nobody else has changed them.
    """

    stars: int
    contents: _Contents
    written: _Contents


class StarSession:
    """Gives a person's stars to photos, and remembers the sidecars as they were before.

    So undoing the first stars of a photo leaves those of a model as a model's, and no sidecar
    where there was none. No journal is written: the memory ends with the session.

    Args:
        naming: the sidecars to write.
        photos: the photos of the page. Both files of a RAW+JPEG pair among them have stars of
            their own.
    """

    def __init__(self, naming: Naming = Naming.FULL, photos: Iterable[Path] = ()) -> None:
        self._naming = naming
        self._photos = tuple(photos)
        self._of_stem: dict[tuple[Path, str], list[Path]] = defaultdict(list)
        for photo in self._photos:
            self._of_stem[photo.parent, stem_of(photo.name)].append(photo)
        self._earlier: dict[Path, _Earlier] = {}
        self._lock = Lock()

    def begin(self) -> dict[Path, int]:
        """Forgets all earlier states, and returns the stars of all photos.

        A page that was loaded anew undoes nothing before it.
        """
        with self._lock:
            self._earlier.clear()
        names = SidecarNames(self._photos)
        return {photo: _stars_of(photo, names) for photo in self._photos}

    def stars_of(self, photo: Path) -> int:
        """Returns the stars of a photo, -1 to 5; 0 if it has none that can be read."""
        return _stars_of(photo, self._names_of(photo))

    def _names_of(self, photo: Path) -> SidecarNames:
        """Returns the names of a photo's sidecars, by the files that are in its folder now."""
        return SidecarNames(self._of_stem.get((photo.parent, stem_of(photo.name)), ()))

    def give(self, photo: Path, stars: int) -> None:
        """Gives a person's stars to a photo.

        Args:
            photo: the photo.
            stars: 1 to 5; 0 is unrated, -1 rejected.

        Raises:
            InputError: see `sidecars.set_stars`.
        """
        with self._lock:
            self._give(photo, stars)

    def undo(self, photo: Path, stars: int) -> None:
        """Restores the sidecars of a photo as they were before its stars of this session.

        If another program has changed them since, or these stars were not the earlier ones, they
        are given.

        Args:
            photo: the photo.
            stars: its stars before the session.

        Raises:
            InputError: see `sidecars.set_stars`.
        """
        with self._lock:
            earlier = self._earlier.pop(photo, None)
            is_unchanged = earlier is None and self.stars_of(photo) == stars
            is_restored = earlier and earlier.stars == stars and self._restore(photo, earlier)
            if not (is_unchanged or is_restored):
                self._set_stars(photo, stars)

    def _give(self, photo: Path, stars: int) -> None:
        before, stars_before = self._contents(photo), self.stars_of(photo)
        self._set_stars(photo, stars)
        written = self._contents(photo)
        earlier = self._earlier.pop(photo, None)
        if earlier is None or earlier.written != before:
            earlier = _Earlier(stars_before, before, before)
        # Not so if another program has written meanwhile, whose change would be undone, too.
        if all(
            content in (before[path], _rated(before[path], stars, path))
            for path, content in written.items()
        ):
            self._earlier[photo] = earlier._replace(written=written)

    def _set_stars(self, photo: Path, stars: int) -> None:
        names = self._names_of(photo)
        set_stars(photo, stars, by_person=True, naming=self._naming, names=names)

    def _restore(self, photo: Path, earlier: _Earlier) -> bool:
        """Restores sidecars, and returns whether they were as they had been written."""
        with locked(photo.parent, "folder", timeout=LOCK_SECONDS):
            if self._contents(photo) != earlier.written:
                return False
            try:
                for path, content in earlier.contents.items():
                    if content != earlier.written[path]:
                        replace_unchanged(path, earlier.written[path], content)
            except ChangedMeanwhileError:
                return False
        return True

    def _contents(self, photo: Path) -> _Contents:
        return {path: read_sidecar(path) for path in self._names_of(photo).all_of(photo)}


def _stars_of(photo: Path, names: SidecarNames) -> int:
    try:
        found = stars_of(photo, names)
    except InputError:  # which the attempt to give stars shows
        return 0
    return found.stars if found else 0


def _rated(content: bytes | None, stars: int, path: Path) -> bytes:
    return with_rating(content, stars, by_model=False, name=str(path))
