"""Decoding of photos of all common formats, upright and in sRGB, or the reason of a failure."""

import io
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from nima_pretrain.data.archives import open_file, status_of
from nima_pretrain.data.capture_time import CaptureTime, capture_time_of
from nima_pretrain.data.limits import MAX_PIXELS, check_pixels
from nima_pretrain.data.orientation import turn_of
from nima_pretrain.data.raw import SMALLEST_PREVIEW, open_raw
from nima_pretrain.data.raw_files import is_raw
from nima_pretrain.distortions.geometry import Box, Fit, fit_photo
from nima_pretrain.errors import PhotoError

# Formats to decode; JPEG includes MPO. Pillow has more, some of which run external programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF")

# A photo may be decoded at a smaller scale while its short side stays this many times the side
# of the network's input. benchmarks/reduced_decoding.py measures the effect on scores.
REDUCED_TO = 6

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF, and one of its values

# Larger photos are decoded one at a time: decoding takes several times their size in memory.
_LARGE_PIXELS = 40_000_000
_one_large_photo = threading.Lock()


class Photo(NamedTuple):
    """A decoded photograph.

    Attributes:
        image: sRGB, upright.
        notes: remarks on decoding, e.g. an ignored colour profile.
        box: the part of the image that is the photo, pixels; None for all. A photo of odd width
            that is decoded at half its scale ends in the middle of a pixel.
        captured: the time at which it was taken, as far as its EXIF data tell.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()
    box: Box | None = None
    captured: CaptureTime = CaptureTime()

    @property
    def pixels(self) -> np.ndarray:
        """The image as (H, W, 3) uint8 RGB, 0 to 255."""
        return np.asarray(self.image)

    def fitted(self, size: int, fit: Fit) -> np.ndarray:
        """Returns the photo as a network's (size, size, 3) uint8 RGB input, see `fit_photo`."""
        return fit_photo(self.image, size, fit, self.box)


def load_photo(path: Path) -> np.ndarray:
    """Returns a photograph as (H, W, 3) uint8 sRGB, in full size; see `read_photo`.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    return read_photo(path).pixels


def load_fitted(path: Path, size: int, fit: Fit) -> np.ndarray:
    """Returns a photograph as the network's (size, size, 3) uint8 RGB input.

    Large photos are decoded at a smaller scale, see `read_photo`. Others equal, pixel for pixel,
    the view `original` of pretraining.

    Args:
        path: the file.
        size: side of the square, pixels.
        fit: "letterbox" or "squash", see `fit_square`.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    return read_photo(path, size).fitted(size, fit)


def read_photo(path: Path, size: int | None = None, max_pixels: int = MAX_PIXELS) -> Photo:
    """Returns a photograph in sRGB, turned upright, with notes.

    The EXIF orientation is applied, an embedded colour profile is converted to sRGB, 16-bit values
    are scaled to 8 bits, transparent parts are laid on white. Of an animation the first frame is
    used, of a RAW file the embedded preview, see `raw.open_raw`.

    Args:
        path: the file, which may be in a tar file, see `archives`; the format is recognized by
            content, not by name.
        size: side of the network's input, pixels. If given, a large photo is decoded at a smaller
            scale, JPEG by libjpeg itself; see `REDUCED_TO`.
        max_pixels: a file whose header states more pixels is not decoded.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    notes: list[str] = []
    try:
        status = status_of(path)
        # Reading a pipe or a device named x.jpg would block.
        if not status.is_regular:
            raise PhotoError(path, "is not a regular file")
        with open_file(path) as file, _open(file, path, size, max_pixels, notes) as image:
            check_pixels(path, *image.size, max_pixels)
            smallest = size and size * REDUCED_TO
            # Only JPEG supports this. The returned box is the part of the pixels that is the photo.
            drafted = image.draft(image.mode, (smallest, smallest)) if smallest else None
            width, height = image.size
            with _one_large_photo if width * height > _LARGE_PIXELS else nullcontext():
                return _decoded(image, path, smallest, drafted[1] if drafted else None, notes)
    except PhotoError:
        raise
    except UnidentifiedImageError:
        # The file may have vanished since.
        kind = "the file is empty" if not status.size else f"none of {', '.join(_FORMATS)} and RAW"
        raise PhotoError(path, f"cannot identify image file: {kind}") from None
    except OSError as error:
        raise PhotoError(path, error.strerror or str(error)) from None
    # Decoders raise many kinds of exceptions on broken files: there is no narrower class.
    except Exception as error:
        raise PhotoError(path, str(error) or type(error).__name__) from None


def _open(
    file: BinaryIO, path: Path, size: int | None, max_pixels: int, notes: list[str]
) -> AbstractContextManager[Image.Image]:
    if is_raw(file, path.suffix):
        smallest = max(SMALLEST_PREVIEW, 2 * (size or 0))
        return open_raw(file, path, smallest, max_pixels, notes)
    return open_image(file, path)


def open_image(file: BinaryIO, path: Path) -> Image.Image:
    """Returns an image in one of the known formats, whose pixels are not yet decoded.

    Args:
        file: the content, at its start.
        path: the file, for errors.

    Raises:
        PhotoError: the format needs a package that is not installed.
        Exception: of many kinds, from Pillow, for files that are broken or no image.
    """
    head = file.read(12)
    file.seek(0)
    is_heif = head[4:8] == b"ftyp" and not head[8:12].startswith(b"avi")
    if is_heif and not _has_heif():
        raise PhotoError(
            path, "HEIC needs the package pillow-heif: pip install 'nima-pretrain[heic]'"
        )
    Image.init()
    # Pillow's limit is one number for the whole process; `max_pixels` is an argument instead.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])


@cache
def _has_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _decoded(
    image: Image.Image, path: Path, smallest: int | None, box: Box | None, notes: list[str]
) -> Photo:
    image.load()
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("the first frame of several")
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and not profile:
        notes.append("CMYK without a colour profile")
    turn = turn_of(image, notes)
    captured = capture_time_of(image)
    image = _with_channels(_to_eight_bits(image, path))
    box = box or (0, 0, *image.size)
    # Downscales by means of squares of 4, 16, .. pixels.
    times = min(image.size) // smallest if smallest else 1
    if times > 1:
        factor = 2 ** (times.bit_length() - 1)
        image = image.reduce(factor)
        box = (0, 0, box[2] / factor, box[3] / factor)
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None:
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile, notes)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None and np.asarray(alpha).min() < 255:
        notes.append("transparent parts laid on white")
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    if turn:
        box = turn.of_box(box, image.size)
        image = image.transpose(turn.method)
    is_whole = box == (0, 0, *image.size)
    return Photo(image, tuple(notes), None if is_whole else box, captured)


def _to_eight_bits(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "F":
        raise PhotoError(path, "floating-point pixels have no agreed range; save it as 8 or 16 bit")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise PhotoError(path, "more than 16 bits a pixel; save it as 8 or 16 bit")
    # Pillow inverts photos in which 0 is white at 8 bits, but not at 16.
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = np.iinfo(np.uint16).max - values
    return Image.fromarray(np.uint8(values // 257))


def _with_channels(image: Image.Image) -> Image.Image:
    """Returns palette, 1-bit and rarer colour modes as RGB or RGBA; other images unchanged."""
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        notes.append(f"its colour profile is ignored: {error}")
        return image
    return converted if converted is not None else image
