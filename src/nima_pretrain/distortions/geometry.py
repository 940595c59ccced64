"""Resizing, cropping, rotating and padding of photos, with Pillow.

Images are (H, W, 3) uint8 RGB arrays, 0 to 255. Sizes and offsets are rounded as in the code
published with Pfister, Kobs and Hotho (2021), so that our views equal theirs.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["letterbox", "squash"]

# Pillow images are accepted as they are: converting large photos to arrays and back takes as long
# as decoding them.
Picture = np.ndarray | Image.Image

# Left, top, right and bottom of a part of an image, in pixels; fractions are allowed.
Box = tuple[float, float, float, float]

# A photo longer than this many times its short side is not resized by its short side first:
# enlarging a 1 x 5000 strip to a short side of 224 would take 750 MB. Views are not made of it.
LONGEST_DETOUR = 16


def resize(image: Picture, width: int, height: int, box: Box | None = None) -> np.ndarray:
    """Returns the image, or its `box`, resized to (height, width, 3) uint8.

    The filter is bilinear, antialiased when the image shrinks.
    """
    if _size(image) == (width, height) and box is None:
        return np.asarray(image)
    if isinstance(image, np.ndarray):
        # Pillow copies a part of an array much more slowly than NumPy does.
        image = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box))


def resize_short_side(image: Picture, size: int, box: Box | None = None) -> np.ndarray:
    """Returns the image, or its `box`, with a short side of `size` pixels, aspect ratio kept."""
    width, height = _size(image, box)
    if width <= height:
        return resize(image, size, int(size * height // width), box)
    return resize(image, int(size * width // height), size, box)


def centre_crop(image: np.ndarray, width: float, height: float) -> np.ndarray:
    """Returns the central (height, width) pixels, or fewer where the image has fewer.

    Sizes are rounded after the offset.
    """
    left = max(0, _centre_offset(image.shape[1], width))
    top = max(0, _centre_offset(image.shape[0], height))
    return image[top : top + round(height), left : left + round(width)]


def rotate(image: np.ndarray, degrees: float, width: float, height: float) -> np.ndarray:
    """Returns the central pixels of the image rotated counter-clockwise, bicubic.

    They are those of Pillow's `rotate` on a canvas that holds all of the image, without computing
    the rest of it.

    Args:
        image: (H, W, 3) uint8 RGB.
        degrees: the angle.
        width: width of the result, pixels; fractions as `largest_rotated_rectangle` gives them are
            rounded after the offset.
        height: its height, likewise.
    """
    rows, columns = image.shape[:2]
    sine = round(math.sin(math.radians(degrees)), 15)
    cosine = round(math.cos(math.radians(degrees)), 15)
    canvas_width = _canvas(columns, columns * abs(cosine) + rows * abs(sine))
    canvas_height = _canvas(rows, columns * abs(sine) + rows * abs(cosine))
    x = _centre_offset(canvas_width, width) - canvas_width / 2
    y = _centre_offset(canvas_height, height) - canvas_height / 2
    # From the result's pixels to those of the image.
    across = (cosine, -sine, cosine * x - sine * y + columns / 2)
    down = (sine, cosine, sine * x + cosine * y + rows / 2)
    turned = Image.fromarray(image).transform(
        (round(width), round(height)),
        Image.Transform.AFFINE,
        (*across, *down),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(turned)


def quarter_turns(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a square of the photo rotated by 0, 90, 180 and 270 degrees counter-clockwise.

    Letterbox bars or squashing would reveal the rotation: the bars of a landscape photo are above
    and below it, and left and right once it is rotated. So the largest square is cut first, at a
    random position, randomly mirrored, resized once, and rotated without interpolation.

    Args:
        photo: (H, W, 3) uint8 RGB.
        size: side of the result, pixels.
        rng: random generator of the square's position and of mirroring.

    Returns:
        (4, size, size, 3) uint8 RGB, 0 to 255.
    """
    height, width, _ = photo.shape
    side = min(height, width)
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    square = resize(photo[top : top + side, left : left + side], size, size)
    if rng.random() < 0.5:
        square = square[:, ::-1]
    return np.stack([np.rot90(square, turns) for turns in range(4)])


def largest_rotated_rectangle(width: int, height: int, degrees: float) -> tuple[float, float]:
    """Returns (width, height) of the largest axis-parallel rectangle inside a rotated one.

    Args:
        width: width of the rectangle before rotation, pixels.
        height: its height, pixels.
        degrees: the angle, in either direction.
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


def fit_square(image: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Returns the image as the network's (size, size, 3) input.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: side of the square, pixels.
        fit: "letterbox" pads with black and keeps the aspect ratio (Pfister et al., 2021);
            "squash" does not keep it and loses no resolution (idealo's NIMA).
    """
    if fit == "letterbox":
        height, width = image.shape[:2]
        side = max(height, width)
        # Pillow resizes within rows first. The bars above and below need no part in it.
        image = resize(image, size, height) if width > height else _centred(image, side, side)
        image = _centred(image, side, image.shape[1])
    return resize(image, size, size)


def fit_photo(photo: Picture, size: int, fit: Fit, box: Box | None = None) -> np.ndarray:
    """Returns a photo of any size as the network's (size, size, 3) uint8 input.

    The photo's short side is first resized to `size`. So the result equals, pixel for pixel, the
    view `original` of pretraining, and a photo looks the same in every stage. Strips beyond
    `LONGEST_DETOUR` are resized directly.

    Args:
        photo: (H, W, 3) uint8 RGB, or a Pillow image.
        size: side of the square, pixels.
        fit: see `fit_square`.
        box: the part of the image to use, pixels; None for all of it.
    """
    width, height = _size(photo, box)
    if max(width, height) <= LONGEST_DETOUR * min(width, height):
        return fit_square(resize_short_side(photo, size, box), size, fit)
    if fit == "squash":
        return resize(photo, size, size, box)
    scale = size / max(width, height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    return fit_square(resize(photo, width, height, box), size, fit)


def _centre_offset(length: int, part: float) -> int:
    return round((length - part) / 2)


def _canvas(length: int, rotated: float) -> int:
    """Returns the whole pixels that a rotated length covers, about the centre of its image."""
    return math.ceil((length + rotated) / 2) - math.floor((length - rotated) / 2)


def _centred(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns the image in the centre of a black one of at least its size."""
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _size(image: Picture, box: Box | None = None) -> tuple[float, float]:
    """Returns width and height of an image, or of its box, in pixels."""
    if box is not None:
        left, top, right, bottom = box
        return right - left, bottom - top
    return image.size if isinstance(image, Image.Image) else (image.shape[1], image.shape[0])
