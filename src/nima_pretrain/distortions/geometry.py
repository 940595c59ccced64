"""Sizes, crops and turns: every change of a photograph's shape happens here, with Pillow.

Images are (H, W, 3) uint8 RGB arrays, 0 to 255. Sizes and offsets are rounded as in the code
published with Pfister, Kobs and Hotho (2021), so that our views equal theirs.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["letterbox", "squash"]

# Photos are large, and turning Pillow's images into arrays and back takes as long as decoding them.
Picture = np.ndarray | Image.Image

# Left, top, right and bottom of a part of an image, pixels, fractions allowed.
Box = tuple[float, float, float, float]

# A photo longer than this many times its short side is fitted without the detour over its short
# side: enlarging a 1 x 5000 strip to a short side of 224 would take 750 MB.
_LONGEST_DETOUR = 16


def resize(image: Picture, width: int, height: int, box: Box | None = None) -> np.ndarray:
    """Returns the image, or a part, at (height, width), bilinear, antialiased when it shrinks."""
    if _size(image) == (width, height) and box is None:
        return np.asarray(image)
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box))


def resize_short_side(image: Picture, size: int, box: Box | None = None) -> np.ndarray:
    """Returns the image, or a part, with its short side at `size` pixels, its aspect ratio kept."""
    width, height = _size(image, box)
    if width <= height:
        return resize(image, size, int(size * height // width), box)
    return resize(image, int(size * width // height), size, box)


def centre_crop(image: np.ndarray, width: float, height: float) -> np.ndarray:
    """Returns the central (height, width) pixels.

    Fractional sizes are allowed, as `largest_rotated_rectangle` gives them: the offset is taken
    from the exact size, then offset and size are rounded.
    """
    left = round((image.shape[1] - width) / 2)
    top = round((image.shape[0] - height) / 2)
    return image[top : top + round(height), left : left + round(width)]


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Returns the image turned counter-clockwise, bicubic, on a canvas that holds all of it."""
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(turned)


def largest_rotated_rectangle(width: int, height: int, degrees: float) -> tuple[float, float]:
    """Returns (width, height) of the largest axis-parallel rectangle inside a turned one.

    Args:
        width: width of the rectangle before it is turned, pixels.
        height: its height, pixels.
        degrees: the turn, in either direction.
    """
    sine = abs(math.sin(math.radians(degrees)))
    cosine = abs(math.cos(math.radians(degrees)))
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long or math.isclose(sine, cosine):
        # Half-constrained: two corners touch the long sides, the others lie on the mid-line.
        along, across = short / 2 / sine, short / 2 / cosine
        return (along, across) if width >= height else (across, along)
    cosine_of_double = cosine**2 - sine**2
    return (
        (width * cosine - height * sine) / cosine_of_double,
        (height * cosine - width * sine) / cosine_of_double,
    )


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """Returns the image in the middle of a black square as wide as its long side."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def fit_square(image: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Returns the image as the network's (size, size, 3) input.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: side of the square, pixels.
        fit: "letterbox" pads with black and keeps the aspect ratio (Pfister et al., 2021);
            "squash" does not keep it and loses no resolution (idealo's NIMA).
    """
    return resize(pad_to_square(image) if fit == "letterbox" else image, size, size)


def fit_photo(photo: Picture, size: int, fit: Fit, box: Box | None = None) -> np.ndarray:
    """Returns a photo of any size as the network's (size, size, 3) uint8 input.

    The way leads over the short side at `size`, so that the result is, pixel for pixel, the view
    called `original` in pretraining: a photo looks the same in every stage.

    Args:
        photo: (H, W, 3) uint8 RGB, or Pillow's image of it.
        size: side of the square, pixels.
        fit: see `fit_square`.
        box: the part that is the photo, if that is not all.
    """
    width, height = _size(photo, box)
    if max(width, height) <= _LONGEST_DETOUR * min(width, height):
        return fit_square(resize_short_side(photo, size, box), size, fit)
    if fit == "squash":
        return resize(photo, size, size, box)
    scale = size / max(width, height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    return fit_square(resize(photo, width, height, box), size, fit)


def _size(image: Picture, box: Box | None = None) -> tuple[float, float]:
    """Width and height of an image or of its part."""
    if box is not None:
        left, top, right, bottom = box
        return right - left, bottom - top
    return image.size if isinstance(image, Image.Image) else (image.shape[1], image.shape[0])
