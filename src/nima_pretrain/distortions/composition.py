"""Composition distortions: shifted crops, rotations and changes of the aspect ratio.

Each takes a `Source` and a value and returns an image of the size of `source.small`. A crop or a
rotation shows less of the photo than `small` does. So it is ranked against a reference with the
same field of view; otherwise a network could rank by zoom alone.
"""

import numpy as np

from nima_pretrain.distortions import geometry
from nima_pretrain.distortions.source import Source

_STEPS = 5
_LARGEST_TURN_DEGREES = 10.0


def window(source: Source, right: float, up: float) -> np.ndarray:
    """Returns a window of the size of `small` cut from `large`.

    Args:
        source: the photo.
        right: shift from the centre, in fifths of the distance to the right border, -5 to 5.
        up: shift from the centre, in fifths of the distance to the upper border, -5 to 5.
    """
    height, width = source.small.shape[:2]
    free_height = source.large.shape[0] - height
    free_width = source.large.shape[1] - width
    left = round(free_width / 2 * (1 + right / _STEPS))
    top = round(free_height / 2 * (1 - up / _STEPS))
    return source.large[top : top + height, left : left + width]


def crop_original(source: Source) -> np.ndarray:
    """Returns the reference of the crops: the central window."""
    return window(source, 0, 0)


def hcrop(source: Source, level: float) -> np.ndarray:
    """Returns the window moved to the right by `level` fifths of the distance, -5 to 5."""
    return window(source, level, 0)


def vcrop(source: Source, level: float) -> np.ndarray:
    """Returns the window moved upwards by `level` fifths of the distance, -5 to 5."""
    return window(source, 0, level)


def leftcornerscrop(source: Source, level: float) -> np.ndarray:
    """Returns the window moved towards a left corner: the upper one for levels above 0."""
    return window(source, -abs(level), level)


def rightcornerscrop(source: Source, level: float) -> np.ndarray:
    """Returns the window moved towards a right corner: the upper one for levels above 0."""
    return window(source, abs(level), level)


def rotate(source: Source, degrees: float) -> np.ndarray:
    """Returns the photo rotated counter-clockwise by -10 to 10 degrees.

    The same rectangle is cut out at every angle: the largest that shows no border at 10 degrees.
    So the zoom does not reveal the angle. For panoramas beyond 5.6 to 1 that rectangle is shorter
    than the photo; the result then has the rectangle's aspect ratio, at every angle.
    """
    height, width = source.small.shape[:2]
    rectangle = geometry.largest_rotated_rectangle(
        source.large.shape[1], source.large.shape[0], _LARGEST_TURN_DEGREES
    )
    cut = geometry.rotate(source.large, degrees, *rectangle)
    return geometry.centre_crop(geometry.resize_short_side(cut, min(height, width)), width, height)


def rotate_original(source: Source) -> np.ndarray:
    """Returns the reference of the rotations: 0 degrees with the same crop."""
    return rotate(source, 0.0)


def ratio(source: Source, level: float) -> np.ndarray:
    """Returns the photo stretched by 1 + |level| / 5: in height above level 0, in width below."""
    height, width = source.small.shape[:2]
    stretch = 1 + abs(level) / _STEPS
    if level > 0:
        stretched = geometry.resize(source.small, width, round(height * stretch))
    else:
        stretched = geometry.resize(source.small, round(width * stretch), height)
    return geometry.centre_crop(stretched, width, height)
