"""RAW files of cameras: the embedded preview, or a development at half size, by LibRaw."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image

from nima_pretrain.data.limits import check_pixels
from nima_pretrain.errors import PhotoError

if TYPE_CHECKING:
    from rawpy import RawPy

# Short side, pixels, from which on a preview is used: twice the input of the usual networks.
# Smaller ones are made for the camera's display, from little data.
SMALLEST_PREVIEW = 448

# Notes on RAW files, which say no more than how they were read.
EMBEDDED, HALF_SIZE, FULL_SIZE = NOTES = ("embedded preview", "developed at half size", "developed")

# EXIF's Orientation of LibRaw's `flip`, whose bits mirror x, mirror y, and exchange both first.
_ORIENTATIONS = (1, 2, 4, 3, 5, 8, 6, 7)
_EXCHANGES = 4

# LibRaw develops on all cores, and takes several times the photo's size in memory.
_one_development = threading.Lock()


@cache
def has_rawpy() -> bool:
    """Returns whether RAW files can be read: whether the extra `raw` is installed."""
    return find_spec("rawpy") is not None


@contextmanager
def open_raw(
    file: BinaryIO, path: Path, smallest: int, max_pixels: int, notes: list[str]
) -> Iterator[Image.Image]:
    """Opens the photo in a RAW file as an image that has an EXIF orientation to be applied.

    It is the largest embedded preview, the photo as the camera developed it, if that is large
    enough. Otherwise LibRaw develops the sensor's data with the camera's white balance to 8-bit
    sRGB, at half size if that is large enough.

    Args:
        file: the RAW file.
        path: its path.
        smallest: short side that is large enough, pixels.
        max_pixels: data of more pixels are not developed.
        notes: list to which one of `NOTES` is appended.

    Raises:
        PhotoError: the package rawpy is missing, or LibRaw cannot read the file.
    """
    if not has_rawpy():
        raise PhotoError(path, "RAW needs the package rawpy: pip install 'nima-pretrain[raw]'")
    from rawpy import LibRawDataError, LibRawError, LibRawIOError

    try:
        with _opened(file, path) as raw:
            image = _preview(raw, smallest)
            if image:
                notes.append(EMBEDDED)
            else:
                image = _developed(raw, path, smallest, max_pixels, notes)
    except (LibRawDataError, LibRawIOError) as error:
        raise PhotoError(path, f"the RAW file is truncated or damaged: {_text(error)}") from None
    except LibRawError as error:
        raise PhotoError(path, f"LibRaw cannot read the RAW file: {_text(error)}") from None
    with image:
        yield image


def _opened(file: BinaryIO, path: Path) -> "RawPy":
    import rawpy

    if not path.is_file():  # but in an archive
        return rawpy.imread(file)
    try:
        return rawpy.imread(str(path))  # reads the parts that it needs
    except UnicodeEncodeError:  # for rawpy, names are UTF-8
        return rawpy.imread(file)


def _preview(raw: "RawPy", smallest: int) -> Image.Image | None:
    """Returns the largest preview; None if there is none, or if it is too small or unreadable."""
    from rawpy import LibRawError

    try:
        data = raw.extract_thumb().data
        image: Image.Image
        if isinstance(data, bytes):
            image = Image.open(io.BytesIO(data), formats=["JPEG"])
        else:
            image = Image.fromarray(np.array(data))  # a copy: the memory is LibRaw's
    except (LibRawError, OSError, NotImplementedError):
        return None
    if min(image.size) < smallest:
        return None
    image.getexif()[ExifTags.Base.Orientation] = _orientation_of(image, raw)
    return image


def _orientation_of(preview: Image.Image, raw: "RawPy") -> int:
    """Returns the EXIF orientation of a preview.

    Most previews lie as the sensor did; LibRaw gives them the orientation of the RAW file if they
    have no EXIF data. Others have an orientation of their own, or are upright and have one that
    is the RAW file's. So the first candidate counts that makes a portrait of a portrait.
    """
    try:
        own = preview.getexif().get(ExifTags.Base.Orientation)
    # Broken EXIF data of the preview; the RAW file has its own.
    except Exception:
        own = None
    sizes = raw.sizes
    is_portrait = (sizes.height > sizes.width) != bool(sizes.flip & _EXCHANGES)
    of_raw = _ORIENTATIONS[sizes.flip]
    for orientation in (own, of_raw, 1):
        if orientation in _ORIENTATIONS:
            width, height = preview.size
            if _ORIENTATIONS.index(orientation) & _EXCHANGES:
                width, height = height, width
            if width == height or (height > width) == is_portrait:
                return orientation
    return of_raw


def _developed(
    raw: "RawPy", path: Path, smallest: int, max_pixels: int, notes: list[str]
) -> Image.Image:
    width, height = raw.sizes.width, raw.sizes.height
    check_pixels(path, width, height, max_pixels)
    with _one_development:
        is_large = min(width, height) >= 2 * smallest
        pixels = raw.postprocess(half_size=is_large, use_camera_wb=True)  # upright
    image = Image.fromarray(pixels.squeeze())
    # Data without a colour filter array have no half size.
    is_half = max(image.size) < max(width, height)
    notes.append(HALF_SIZE if is_half else FULL_SIZE)
    return image


def _text(error: Exception) -> str:
    """Returns the message of LibRaw, which rawpy may give as bytes."""
    (message,) = error.args
    return message.decode() if isinstance(message, bytes) else str(message)
