"""Photographs decoded: any file that people have, upright and in sRGB, or the reason why not."""

import io
import stat
import threading
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from nima_pretrain.distortions.geometry import Fit, fit_photo
from nima_pretrain.errors import InputError

MAX_PIXELS = 250_000_000

# What may be decoded; JPEG includes MPO. Pillow knows more, and some of it runs other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF")

# A photo may be decoded at a smaller scale while its short side stays this many times the side
# of the network's input. The score is sensitive to how a photo is made smaller: with 2 it moves
# by up to 0.2 on a scale of ten, with 6 by less than 0.02 (benchmarks/reduced_decoding.py).
REDUCED_TO = 6

# Photos beyond this are decoded one at a time: on the way they take several times their size.
_LARGE_PIXELS = 40_000_000
_one_large_photo = threading.Lock()

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PhotoError(InputError):
    """A file that is not a photograph we can decode; `path` and `reason` say which and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Photo(NamedTuple):
    """A decoded photograph, (H, W, 3) uint8 sRGB, and what to know about how it became so."""

    pixels: np.ndarray
    notes: tuple[str, ...]


def load_photo(path: Path) -> np.ndarray:
    """Returns a photograph as (H, W, 3) uint8 sRGB, in full size; see `read_photo`.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    return read_photo(path).pixels


def load_fitted(path: Path, size: int, fit: Fit) -> np.ndarray:
    """Returns a photograph as the network's (size, size, 3) uint8 input.

    Large photos are decoded at a smaller scale, see `read_photo`. Others are, pixel for pixel,
    the view called `original` in pretraining.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    return fit_photo(read_photo(path, size).pixels, size, fit)


def read_photo(path: Path, size: int | None = None, max_pixels: int = MAX_PIXELS) -> Photo:
    """Returns a photograph in sRGB, turned upright, with notes.

    The EXIF orientation is applied, an embedded colour profile converted to sRGB, 16-bit values
    scaled to 8 bits, transparent parts laid on white; of a moving picture the first frame counts.

    Args:
        path: of the file; its content decides what it is, whatever it is called.
        size: side of the square, pixels, that the photo is to be brought to. If given, the photo
            is decoded as small as makes no difference there: JPEG by libjpeg's own reduction.
        max_pixels: no file that claims to hold more is decoded.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    notes: list[str] = []
    try:
        # A pipe or a device called x.jpg would keep us waiting.
        if not stat.S_ISREG(path.stat().st_mode):
            raise PhotoError(path, "is not a regular file")
        with path.open("rb") as file, _open(file, path) as image:
            if image.width * image.height > max_pixels:
                raise PhotoError(
                    path,
                    f"{image.width} x {image.height} pixels are more than the {max_pixels:,} "
                    "allowed; raise --max-pixels if it is a photo all the same",
                )
            smallest = size and size * REDUCED_TO
            if smallest:
                image.draft(image.mode, (smallest, smallest))  # only JPEG can do that
            width, height = image.size
            is_large = width * height > _LARGE_PIXELS
            with _one_large_photo if is_large else nullcontext():
                return Photo(_decoded(image, path, smallest, notes), tuple(notes))
    except PhotoError:
        raise
    except UnidentifiedImageError:
        is_empty = path.stat().st_size == 0
        kind = "the file is empty" if is_empty else f"none of {', '.join(_FORMATS)}"
        raise PhotoError(path, f"cannot identify image file: {kind}") from None
    except OSError as error:
        raise PhotoError(path, error.strerror or str(error)) from None
    # Decoders raise whatever their parsers meet in a broken file: there is no narrower class.
    except Exception as error:
        raise PhotoError(path, str(error) or type(error).__name__) from None


def _open(file: BinaryIO, path: Path) -> Image.Image:
    head = file.read(12)
    file.seek(0)
    is_heif = head[4:8] == b"ftyp" and not head[8:12].startswith(b"avi")
    if is_heif and not _has_heif():
        raise PhotoError(
            path, "HEIC needs the package pillow-heif: pip install 'nima-pretrain[heic]'"
        )
    Image.init()
    # Pillow's guard is one number for the whole process, ours comes with every call.
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


def _decoded(image: Image.Image, path: Path, smallest: int | None, notes: list[str]) -> np.ndarray:
    image.load()
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("the first frame of several")
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and not profile:
        notes.append("CMYK without a colour profile")
    image = _shrunk(_with_channels(_to_eight_bits(_upright(image, notes), path)), smallest)
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
    return np.asarray(image)


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    # Whatever is wrong with EXIF data, the pixels are there.
    except Exception:
        notes.append("EXIF data cannot be read: not turned")
        return image
    turn = _TURNS.get(orientation) if orientation else None
    return image if turn is None else image.transpose(turn)


def _to_eight_bits(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "F":
        raise PhotoError(path, "floating-point pixels have no agreed range; save it as 8 or 16 bit")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise PhotoError(path, "more than 16 bits a pixel; save it as 8 or 16 bit")
    return Image.fromarray(np.uint8(values // 257))


def _with_channels(image: Image.Image) -> Image.Image:
    """Palettes, bits and rarer colour spaces as RGB or RGBA; the others as they are."""
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")


def _shrunk(image: Image.Image, smallest: int | None) -> Image.Image:
    """Means of squares of pixels, as many in each as leave the short side at `smallest`."""
    factor = min(image.size) // smallest if smallest else 1
    return image if factor <= 1 else image.reduce(factor)


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
