"""A writer of DNG files: mosaics of photos, thumbnails and previews, in the least of tags."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Of EXIF's orientations: what was done to the upright photo before it was stored.
UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# XYZ to linear sRGB, both for D65: this camera sees sRGB.
_MATRIX = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10
_WHITE = 16383

Fields = dict[int, tuple[int, Any]]


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """Returns the photo as the sensor saw it."""
    undo = UNDO[orientation]
    return upright if undo is None else upright.transpose(undo)


def mosaic(image: Image.Image) -> np.ndarray:
    """Returns the sensor's data behind an RGGB filter: (H, W) uint16, linear, white at 16383."""
    rgb = np.asarray(image.convert("RGB"), np.float32) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    data = linear[..., 1].copy()
    data[::2, ::2] = linear[::2, ::2, 0]
    data[1::2, 1::2] = linear[1::2, 1::2, 2]
    return (data * _WHITE).round().astype(np.uint16)


def jpeg_of(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def write_dng(
    path: Path,
    sensor: np.ndarray,
    *,
    orientation: int = 1,
    thumbnail: Image.Image | None = None,
    preview: bytes | None = None,
    order: str = "<",
    shape: tuple[int, int] | None = None,
    is_dng: bool = True,
) -> Path:
    """Writes a DNG: a thumbnail first, as cameras do, then the sensor's data, then the preview.

    Args:
        path: the file.
        sensor: (H, W) uint16 mosaic, or (H, W, 3) or (H, W, 1) uint16 linear data.
        orientation: EXIF's.
        thumbnail: uncompressed image of the first directory.
        preview: JPEG, as it lies in the file.
        order: "<" for Intel's byte order, ">" for Motorola's.
        shape: (height, width) that the file claims; None for the truth.
        is_dng: whether the file says that it is a DNG, besides having sensor data.
    """
    thumbnail = thumbnail or Image.new("RGB", (16, 12), "magenta")
    height, width = shape or sensor.shape[:2]
    is_mosaic = sensor.ndim == 2
    samples = 1 if is_mosaic else sensor.shape[2]
    pixels = sensor.astype(f"{order}u2").tobytes()
    sensor_fields: Fields = {
        254: (_LONG, 0),
        256: (_LONG, width),
        257: (_LONG, height),
        258: (_SHORT, (16,) * samples),
        259: (_SHORT, 1),
        262: (_SHORT, 32803 if is_mosaic else 34892),
        273: (_LONG, pixels),
        277: (_SHORT, samples),
        278: (_LONG, height),
        279: (_LONG, len(pixels)),
        284: (_SHORT, 1),
        50717: (_LONG, (_WHITE,) * samples),
    }
    if is_mosaic:
        sensor_fields |= {33421: (_SHORT, (2, 2)), 33422: (_BYTE, (0, 1, 1, 2))}
    inner = [sensor_fields]
    if preview is not None:
        columns, rows = Image.open(io.BytesIO(preview)).size
        inner.append(
            {
                254: (_LONG, 1),
                256: (_LONG, columns),
                257: (_LONG, rows),
                258: (_SHORT, (8, 8, 8)),
                259: (_SHORT, 7),
                262: (_SHORT, 6),
                273: (_LONG, preview),
                277: (_SHORT, 3),
                278: (_LONG, rows),
                279: (_LONG, len(preview)),
            }
        )
    small = thumbnail.convert("RGB").tobytes()
    first: Fields = {
        254: (_LONG, 1),
        256: (_LONG, thumbnail.width),
        257: (_LONG, thumbnail.height),
        258: (_SHORT, (8, 8, 8)),
        259: (_SHORT, 1),
        262: (_SHORT, 2),
        271: (_ASCII, b"Maker\0"),
        272: (_ASCII, b"Camera\0"),
        273: (_LONG, small),
        274: (_SHORT, orientation),
        277: (_SHORT, 3),
        278: (_LONG, thumbnail.height),
        279: (_LONG, len(small)),
        330: (_LONG, (0,) * len(inner)),
    }
    if is_dng:
        first |= {
            50706: (_BYTE, (1, 4, 0, 0)),
            50707: (_BYTE, (1, 1, 0, 0)),
            50708: (_ASCII, b"Maker Camera\0"),
            50721: (_SRATIONAL, [(round(value * 10_000), 10_000) for value in _MATRIX]),
            50728: (_RATIONAL, [(1, 1)] * 3),
            50778: (_SHORT, 21),
        }
    mark = b"II" if order == "<" else b"MM"
    content = bytearray(mark + struct.pack(f"{order}HI", 42, 8))
    directories = [first, *inner]
    starts = []
    start = 8
    for fields in directories:
        starts.append(start)
        start += 2 + 12 * len(fields) + 4
    first[330] = (_LONG, tuple(starts[1:]))
    data = bytearray()
    for fields in directories:
        content += struct.pack(f"{order}H", len(fields))
        for tag, (kind, value) in sorted(fields.items()):
            packed, count = _packed(kind, value, order)
            if len(packed) > 4:  # the field holds the offset
                packed, data = struct.pack(f"{order}I", start + len(data)), data + _even(packed)
            content += struct.pack(f"{order}HHI", tag, kind, count) + packed.ljust(4, b"\0")
        content += bytes(4)
    path.write_bytes(bytes(content + data))
    return path


def _packed(kind: int, value: Any, order: str) -> tuple[bytes, int]:
    """Returns the bytes of a field's values and their number: of pixels, one offset."""
    if isinstance(value, bytes):
        return value, len(value) if kind == _ASCII else 1
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if kind in (_RATIONAL, _SRATIONAL):
        letter = "i" if kind == _SRATIONAL else "I"
        return b"".join(struct.pack(f"{order}2{letter}", *pair) for pair in values), len(values)
    letter = {_BYTE: "B", _SHORT: "H", _LONG: "I"}[kind]
    return struct.pack(f"{order}{len(values)}{letter}", *values), len(values)


def _even(content: bytes) -> bytes:
    return content + bytes(len(content) % 2)
