"""The time at which a photo was taken, from its EXIF data."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from PIL import ExifTags, Image

_EXIF = ExifTags.IFD.Exif
_ORIGINAL = ExifTags.Base.DateTimeOriginal
_SUBSECONDS = ExifTags.Base.SubsecTimeOriginal
_OFFSET = ExifTags.Base.OffsetTimeOriginal
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CaptureTime(NamedTuple):
    """The time at which a photo was taken, in seconds since 1970; NaN where it is unknown.

    Attributes:
        local: what the camera's clock showed, read as if it were UTC.
        utc: the same moment in UTC, known only if the camera recorded its time zone.
    """

    local: float = math.nan
    utc: float = math.nan


def capture_time_of(image: Image.Image) -> CaptureTime:
    """Returns the capture time of an opened photo: EXIF's DateTimeOriginal with its subseconds.

    DateTime, which editors set to the time of their change, is not used. Values that are no times,
    as cameras without a set clock write them, count as unknown.
    """
    try:
        exif = image.getexif().get_ifd(_EXIF)
        moment = datetime.strptime(_text(exif, _ORIGINAL), "%Y:%m:%d %H:%M:%S")
    # A missing or wrong time must not cost the photo; Pillow raises many kinds on broken EXIF data.
    except Exception:
        return CaptureTime()
    subseconds = re.match(r"\d+", _text(exif, _SUBSECONDS))
    fraction = float(f"0.{subseconds[0]}") if subseconds else 0.0
    local = (moment.replace(tzinfo=UTC) - _EPOCH).total_seconds() + fraction
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", _text(exif, _OFFSET))
    if not offset:
        return CaptureTime(local)
    sign, hours, minutes = offset.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes)).total_seconds()
    return CaptureTime(local, local - ahead if sign == "+" else local + ahead)


def _text(exif: Any, tag: int) -> str:
    value = exif.get(tag, "")
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).strip("\0 ")
