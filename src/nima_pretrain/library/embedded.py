"""The rating within a photo file: in its XMP packet, or in EXIF."""

import stat
from pathlib import Path

from PIL import Image

from nima_pretrain.data.photos import open_image
from nima_pretrain.errors import InputError
from nima_pretrain.library.xml_text import MAX_BYTES
from nima_pretrain.library.xmp import Rating, rating_of

_EXIF_RATING = 0x4746
_EXIF_RATING_PERCENT = 0x4749
# Windows writes 1, 25, 50, 75 and 99 % for one to five stars; the borders lie between them.
_LOWEST_PERCENTS = (1, 13, 38, 63, 87)


def embedded_rating(photo: Path) -> Rating | None:
    """Returns the rating in a JPEG, TIFF, WebP, PNG, AVIF or HEIF file; None if it has none.

    xmp:Rating goes before EXIF's Rating, and this before its RatingPercent. A file that cannot be
    read, or whose rating is damaged, has none.

    Args:
        photo: the file; its pixels are not decoded.
    """
    try:
        # Reading a pipe or a device would block.
        if not stat.S_ISREG(photo.stat().st_mode):
            return None
        with photo.open("rb") as file, open_image(file, photo) as image:
            return _xmp_rating(image, photo) or _exif_rating(image)
    # Pillow raises many kinds of exceptions on broken files: there is no narrower class.
    except Exception:
        return None


def _xmp_rating(image: Image.Image, photo: Path) -> Rating | None:
    packet = image.info.get("xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or len(packet) > MAX_BYTES:
        return None
    try:
        return rating_of(packet.rstrip(b"\0"), str(photo))
    except InputError:
        return None


def _exif_rating(image: Image.Image) -> Rating | None:
    exif = image.getexif()
    stars = exif.get(_EXIF_RATING)
    if stars is None:
        percent = exif.get(_EXIF_RATING_PERCENT)
        if percent is None:
            return None
        stars = sum(percent >= lowest for lowest in _LOWEST_PERCENTS)
    return Rating(int(stars), by_model=False) if stars in range(6) else None
