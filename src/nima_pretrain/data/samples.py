"""The sample data: photos bundled with installed packages, and synthetic ratings for them.

The ratings come from distortion levels, not from people, and are always labelled synthetic. They
prove that the pipeline works, and nothing about human preferences.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import Aspect, DistortionBank
from nima_pretrain.errors import InputError
from nima_pretrain.files import write_json

# All in the public domain or CC0: NASA (astronaut, hubble), Stefan van der Walt (chelsea), Rachel
# Michetti (coffee), Daniel Scharstein and others (motorcycle), SpaceX (rocket), the US Navy
# (grace_hopper).
_PHOTOS = {
    "skimage": (
        "data/astronaut.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/hubble_deep_field.jpg",
        "data/motorcycle_left.png",
        "data/rocket.jpg",
    ),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
_SCALE = ScoreScale(10)
_BEST_SCORE = 8.0
# By the strongest level. A network of a few minutes sees little of a composition.
_POINTS_LOST = {Aspect.TECHNICAL: 6.0, Aspect.STYLE: 4.0, Aspect.COMPOSITION: 1.0}
_SPREAD = 1.4


def embedded_photos() -> list[Path]:
    """Returns the paths of seven colour photographs bundled with installed packages.

    Raises:
        InputError: a package no longer contains one of them.
    """
    paths = [
        Path(str(files(package) / name)) for package, names in _PHOTOS.items() for name in names
    ]
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"Expected the photo {path.name} in an installed package, but {path} does not "
                "exist. Install the locked versions (make install), or name a folder of photos."
            )
    return paths


def lossless_photos() -> list[Path]:
    """Returns the PNGs of `embedded_photos`, which all decoders decode to the same pixels.

    Raises:
        InputError: a package no longer contains one of them.
    """
    return [path for path in embedded_photos() if path.suffix == ".png"]


def write_embedded_quarters(folder: Path) -> Path:
    """Writes the four quarters of every embedded photograph as PNG, and returns the folder.

    Seven photographs are too few for a held-out set. Quarters share no pixels, so held-out ones
    are new to the network; but their scene, camera and light are not.

    Raises:
        InputError: see `embedded_photos`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in embedded_photos():
        photo = load_photo(path)
        for row, half in zip(("top", "bottom"), np.array_split(photo, 2), strict=True):
            halves = np.array_split(half, 2, axis=1)
            for column, quarter in zip(("left", "right"), halves, strict=True):
                Image.fromarray(quarter).save(folder / f"{path.stem}_{row}_{column}.png")
    return folder


def write_synthetic_ratings(
    photos: Sequence[Path],
    bank: DistortionBank,
    file: Path,
    images: Path,
    size: int,
    views_per_photo: int = 40,
    seed: int = 0,
) -> None:
    """Writes distorted views, and synthetic ratings for them as idealo's JSON.

    An original has a mean of about 8 on a scale of 1 to 10. The strongest level lowers it by 6
    points in a technical distortion, by 4 in style and by 1 in composition, other levels
    proportionally. Votes are normally distributed with a standard deviation of 1.4 points.

    Args:
        photos: source photos of the views.
        bank: the bank that renders the views.
        file: output file of the ratings.
        images: output folder of the views, as PNG.
        size: side of a view, pixels.
        views_per_photo: number of rated views per photo, `original` included.
        seed: seed of the choice and of the random distortions.

    Raises:
        PhotoError: a photo cannot be decoded.
    """
    images.mkdir(parents=True, exist_ok=True)
    lost = _points_lost(bank)
    rng = np.random.default_rng(seed)
    entries = []
    for photo in photos:
        views = bank.render(load_photo(photo), size, seed)
        others = rng.choice(np.arange(1, bank.num_views), views_per_photo - 1, replace=False)
        for view in [0, *sorted(others.tolist())]:
            image_id = f"{photo.stem}__{bank.view_names[view]}"
            Image.fromarray(views[view]).save(images / f"{image_id}.png")
            mean = _BEST_SCORE - lost[view]
            votes = np.exp(-((_SCALE.scores - mean) ** 2) / (2 * _SPREAD**2))
            entries.append({"image_id": image_id, "label": (votes / votes.sum()).round(6).tolist()})
    write_json(file, entries)


def _points_lost(bank: DistortionBank) -> np.ndarray:
    """Returns by how many points the mean of every view is lower than that of a reference."""
    lost = np.zeros(bank.num_views)
    for series in bank.series:
        levels = np.arange(1, len(series.views) + 1)
        points = _POINTS_LOST[series.distortion.aspect]
        lost[list(series.views)] = points * levels / len(levels)
    return lost
