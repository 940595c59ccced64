"""The stability of a scorer: imperceptible changes, and pictures without content.

A score should hardly move if a photo is saved again, cropped slightly or mirrored, and a picture
without content should score below photographs.
"""

import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from nima_pretrain.distortions.geometry import Fit, fit_photo

# From images (N, S, S, 3) uint8 RGB to scores (N,).
Score = Callable[[np.ndarray], np.ndarray]

_SHIFT_PIXELS = 4
_SAMPLE_PIXELS = 256  # side of the pictures without content
_LONGEST_SAVED = 16383  # pixels, the longest side of a WebP


class Stability(NamedTuple):
    """The tables of `invisible_changes` and `blank_percentiles`."""

    moves: pd.DataFrame
    blanks: pd.DataFrame


def invisible_changes(
    score: Score, photos: Iterable[np.ndarray], size: int, fit: Fit
) -> pd.DataFrame:
    """Returns how far scores move under imperceptible changes.

    Columns: change, mean and largest (absolute difference to the score of the photo itself).

    Args:
        score: the scorer.
        photos: (H, W, 3) uint8 RGB each.
        size: side of the scorer's input, pixels.
        fit: "letterbox" or "squash".
    """
    moves: dict[str, list[float]] = {name: [] for name in _CHANGES}
    for photo in photos:
        image = Image.fromarray(photo)
        versions = [photo, *(np.asarray(change(image)) for change in _CHANGES.values())]
        scores = score(np.stack([fit_photo(version, size, fit) for version in versions]))
        for name, changed in zip(_CHANGES, scores[1:], strict=True):
            moves[name].append(abs(float(changed - scores[0])))
    rows = [(name, np.mean(values), np.max(values)) for name, values in moves.items()]
    return pd.DataFrame(rows, columns=["change", "mean", "largest"])


def blank_percentiles(score: Score, of_photos: np.ndarray, size: int, fit: Fit) -> pd.DataFrame:
    """Returns the standing of pictures without content among photographs.

    Columns: picture, score, percentile (percent of the photographs that score lower).

    Args:
        score: the scorer.
        of_photos: (N,) floats, scores of photographs.
        size: see `invisible_changes`.
        fit: see `invisible_changes`.
    """
    pictures = {name: draw() for name, draw in _BLANKS.items()}
    scores = score(np.stack([fit_photo(picture, size, fit) for picture in pictures.values()]))
    percentiles = 100 * (of_photos[None] < scores[:, None]).mean(axis=1)
    rows = list(zip(pictures, scores.astype(float), percentiles, strict=True))
    return pd.DataFrame(rows, columns=["picture", "score", "percentile"])


def _saved_as(image: Image.Image, format_: str, quality: int) -> Image.Image:
    file = io.BytesIO()
    longest = max(image.size)
    if longest > _LONGEST_SAVED:
        image = _resized(image, _LONGEST_SAVED / longest)
    image.save(file, format_, quality=quality)
    return Image.open(file).convert("RGB")


def _resized(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """Removes a share of width and height, the same on both sides."""
    width, height = image.size
    across, down = round(width * share / 2), round(height * share / 2)
    return image.crop((across, down, width - across, height - down))


def _shifted(image: Image.Image, pixels: int) -> Image.Image:
    """Removes the first rows and columns, but leaves one at least."""
    left, top = (min(pixels, side - 1) for side in image.size)
    return image.crop((left, top, image.width, image.height))


_CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 95": partial(_saved_as, format_="JPEG", quality=95),
    "JPEG 90": partial(_saved_as, format_="JPEG", quality=90),
    "WebP 90": partial(_saved_as, format_="WEBP", quality=90),
    "resized to 99 %": partial(_resized, share=0.99),
    "cropped by 1 %": partial(_cropped, share=0.01),
    f"shifted by {_SHIFT_PIXELS} px": partial(_shifted, pixels=_SHIFT_PIXELS),
    "mirrored": ImageOps.mirror,
}


def _flat(*colour: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (_SAMPLE_PIXELS, _SAMPLE_PIXELS, 3))


def _gradient(first: tuple[int, ...], second: tuple[int, ...], axis: int) -> np.ndarray:
    ramp = np.linspace(0, 1, _SAMPLE_PIXELS)
    ramp = ramp[:, None, None] if axis == 0 else ramp[None, :, None]
    picture = np.array(first) + ramp * (np.array(second) - np.array(first))
    return np.broadcast_to(picture, (_SAMPLE_PIXELS, _SAMPLE_PIXELS, 3)).astype(np.uint8)


def _noise(channels: int) -> np.ndarray:
    shape = (_SAMPLE_PIXELS, _SAMPLE_PIXELS, channels)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.repeat(picture, 3 // channels, axis=2)


def _checks() -> np.ndarray:
    across = (np.arange(_SAMPLE_PIXELS) // 16) % 2
    checks = 255 * (across ^ across[:, None]).astype(np.uint8)
    return np.repeat(checks[..., None], 3, axis=2)


_BLANKS: dict[str, Callable[[], np.ndarray]] = {
    "black": partial(_flat, 0, 0, 0),
    "grey": partial(_flat, 128, 128, 128),
    "white": partial(_flat, 255, 255, 255),
    "red": partial(_flat, 220, 30, 30),
    "grey gradient": partial(_gradient, (0, 0, 0), (255, 255, 255), 1),
    "blue gradient": partial(_gradient, (40, 90, 200), (230, 240, 255), 0),
    "orange gradient": partial(_gradient, (60, 20, 80), (255, 160, 60), 0),
    "grey noise": partial(_noise, 1),
    "coloured noise": partial(_noise, 3),
    "checks": _checks,
}
