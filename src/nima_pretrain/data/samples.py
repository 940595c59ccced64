"""The embedded default: photographs that installed packages carry, and ratings made up for them.

The ratings come from distortion levels, not from people. They are called synthetic wherever they
appear: they show that the road works, and nothing about anybody's taste.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import DistortionBank
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
_POINTS_LOST = 5.0
_SPREAD = 1.4


def embedded_photos() -> list[Path]:
    """Returns the paths of seven colour photographs inside installed packages.

    Raises:
        InputError: a package no longer carries one of them.
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
    """Returns those of `embedded_photos` that every decoder turns into the same pixels.

    Raises:
        InputError: a package no longer carries one of them.
    """
    return [path for path in embedded_photos() if path.suffix == ".png"]


def write_embedded_quarters(folder: Path) -> Path:
    """Cuts every embedded photograph into its four quarters, as PNG, and returns the folder.

    Seven photographs are too few to hold any out. Quarters share no pixels, so that those held
    out are new to the network; but the scene, the camera and the light are not.
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
    """Writes distorted views and ratings that fall with the distortion level, as idealo's JSON.

    An original gets a mean of about 8 on a scale of 1 to 10; the strongest level takes 5 points
    off, the others in proportion. Votes spread around the mean as a bell of 1.4 points.

    Args:
        photos: what the views are made of.
        bank: says which views there are.
        file: the ratings.
        images: folder of the views, as PNG.
        size: side of a view, pixels.
        views_per_photo: how many views of each photo are rated, `original` among them.
        seed: of the choice and of the random distortions.
    """
    images.mkdir(parents=True, exist_ok=True)
    strengths = _strengths(bank)
    rng = np.random.default_rng(seed)
    entries = []
    for photo in photos:
        views = bank.render(load_photo(photo), size, seed)
        others = rng.choice(np.arange(1, bank.num_views), views_per_photo - 1, replace=False)
        for view in [0, *sorted(others.tolist())]:
            image_id = f"{photo.stem}__{bank.view_names[view]}"
            Image.fromarray(views[view]).save(images / f"{image_id}.png")
            mean = _BEST_SCORE - _POINTS_LOST * strengths[view]
            votes = np.exp(-((_SCALE.scores - mean) ** 2) / (2 * _SPREAD**2))
            entries.append({"image_id": image_id, "label": (votes / votes.sum()).round(6).tolist()})
    write_json(file, entries)


def _strengths(bank: DistortionBank) -> np.ndarray:
    """How far every view is from its reference, 0 to 1, as levels count it."""
    strengths = np.zeros(bank.num_views)
    for series in bank.series:
        strengths[list(series.views)] = np.arange(1, len(series.views) + 1) / len(series.views)
    return strengths
