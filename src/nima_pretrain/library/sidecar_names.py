"""The names of sidecars, and the photos that they belong to.

Programs look for two names: `photo.jpg.xmp` (darktable, digiKam, immich), here the full one, and
`photo.xmp` (Adobe), here the stem's. The files of a RAW+JPEG pair are one photo, so its stars are
those of either and are written for both. Other photos of the same stem, such as `photo.tif` beside
`photo.png`, share the stem's sidecar, although it can have the stars of one of them only.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nima_pretrain.data.finding import EXTENSIONS
from nima_pretrain.data.raw_pairs import are_pair, names_by_stem, stem_of
from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming


def sidecars_of(photo: Path, naming: Naming = Naming.BOTH) -> list[Path]:
    """Returns the paths of the sidecars of a file, whether they exist or not.

    Raises:
        InputError: the file's name cannot be that of a photo.
    """
    if not photo.name or photo.suffix.lower() == ".xmp":
        raise InputError(f"Expected a photo, received {photo}.")
    full, stem = photo.with_name(f"{photo.name}.xmp"), photo.with_suffix(".xmp")
    return {Naming.FULL: [full], Naming.STEM: [stem], Naming.BOTH: [full, stem]}[naming]


class SidecarNames:
    """The sidecars of photos that get stars in one run.

    A photo stands for the other files of its RAW+JPEG pair, too, unless these get stars of their
    own. Each folder is listed once.

    Args:
        photos: the photos that get stars, in the order in which they claim sidecars that they
            share.
    """

    def __init__(self, photos: Iterable[Path] = ()) -> None:
        self._photos = dict.fromkeys(photos)
        self._owners: dict[Naming, dict[Path, Path]] = {}
        self._listings: dict[Path, Mapping[str, Sequence[str]]] = {}

    def files_of(self, photo: Path) -> list[Path]:
        """Returns the files that a photo stands for, itself first."""
        if not photo.name:
            return [photo]
        names = self._listing(photo.parent).get(stem_of(photo.name), ())
        others = [photo.with_name(name) for name in names if are_pair(photo.name, name)]
        return [photo, *(other for other in others if other not in self._photos)]

    def all_of(self, photo: Path) -> list[Path]:
        """Returns all paths at which a photo may have a sidecar.

        Raises:
            InputError: the photo's name cannot be that of a photo.
        """
        return self._paths_of(photo, Naming.BOTH)

    def to_write(self, photo: Path, naming: Naming) -> list[Path]:
        """Returns the paths of the sidecars to write for a photo.

        Raises:
            InputError: one is that of another photo that gets stars, such as a.xmp for a.jpg and
                a.png; or the photo's name cannot be that of a photo.
        """
        owners = self._owners_by(naming)
        paths = self._paths_of(photo, naming)
        for path in paths:
            owner = owners.get(path, photo)
            if owner != photo:
                raise InputError(
                    f"{photo} gets no stars: {path} has those of {owner}. Choose --sidecar full."
                )
        return paths

    def is_shared(self, sidecar: Path, photo: Path) -> bool:
        """Returns True if a sidecar of a photo may be that of another photo beside it.

        `a.CR3.xmp` is that of `a.CR3` alone, though also the stem's for `a.CR3.jpg`.
        """
        own = self.files_of(photo)
        if any(sidecar in sidecars_of(file, Naming.FULL) for file in own):
            return False
        listing = self._listing(photo.parent)
        names = [
            name for part in (sidecar.name, sidecar.stem) for name in listing.get(stem_of(part), ())
        ]
        others = [photo.with_name(name) for name in names]
        return any(
            os.path.normcase(sidecar) in map(os.path.normcase, sidecars_of(other))
            for other in others
            if other.suffix.lower() in EXTENSIONS and other not in own
        )

    def _paths_of(self, photo: Path, naming: Naming) -> list[Path]:
        paths = [path for file in self.files_of(photo) for path in sidecars_of(file, naming)]
        return list(dict.fromkeys(paths))

    def _owners_by(self, naming: Naming) -> Mapping[Path, Path]:
        """Returns the first of the photos that a sidecar is written for, by sidecar."""
        if naming not in self._owners:
            owners: dict[Path, Path] = {}
            for photo in self._photos:
                with suppress(InputError):  # which `to_write` reports
                    for path in self._paths_of(photo, naming):
                        owners.setdefault(path, photo)
            self._owners[naming] = owners
        return self._owners[naming]

    def _listing(self, folder: Path) -> Mapping[str, Sequence[str]]:
        if folder not in self._listings:
            self._listings[folder] = names_by_stem(folder)
        return self._listings[folder]
