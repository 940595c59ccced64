"""The EXIF orientation of photos."""

from typing import NamedTuple

from PIL import ExifTags, Image

from nima_pretrain.distortions.geometry import Box


class Turn(NamedTuple):
    """The transposition that makes a stored image upright: exchange x and y, then mirror either."""

    method: Image.Transpose
    exchanges: bool
    mirrors_x: bool
    mirrors_y: bool

    def of_box(self, box: Box, size: tuple[int, int]) -> Box:
        """Returns a box after the transposition.

        Args:
            box: left, top, right and bottom before it, pixels.
            size: (width, height) of the image before it, pixels.
        """
        left, top, right, bottom = box
        width, height = size
        if self.exchanges:
            left, top, right, bottom, width, height = top, left, bottom, right, height, width
        if self.mirrors_x:
            left, right = width - right, width - left
        if self.mirrors_y:
            top, bottom = height - bottom, height - top
        return left, top, right, bottom


# Keys are the values of EXIF's Orientation.
_TURNS = {
    2: Turn(Image.Transpose.FLIP_LEFT_RIGHT, False, True, False),
    3: Turn(Image.Transpose.ROTATE_180, False, True, True),
    4: Turn(Image.Transpose.FLIP_TOP_BOTTOM, False, False, True),
    5: Turn(Image.Transpose.TRANSPOSE, True, False, False),
    6: Turn(Image.Transpose.ROTATE_270, True, True, False),
    7: Turn(Image.Transpose.TRANSVERSE, True, True, True),
    8: Turn(Image.Transpose.ROTATE_90, True, False, True),
}


def turn_of(image: Image.Image, notes: list[str]) -> Turn | None:
    """Returns the transposition that the EXIF data require, if any.

    If the EXIF data cannot be read, a note is appended to `notes`.
    """
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    # The pixels are usable whatever is wrong with the EXIF data.
    except Exception:
        notes.append("EXIF data cannot be read: not turned")
        return None
