"""Conversion between 8-bit sRGB and CIE Lab (D50), the colour space of darktable's Lab modules."""

from typing import NamedTuple

import numpy as np

_XYZ_FROM_RGB = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_WHITE_D50 = np.array([0.9642, 1.0, 0.8249])
_WHITES_FROM_RGB = (_XYZ_FROM_RGB / _WHITE_D50[:, None]).astype(np.float32)
_RGB_FROM_WHITES = (np.linalg.inv(_XYZ_FROM_RGB) * _WHITE_D50).astype(np.float32)


def _decoding_table() -> np.ndarray:
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def _encoding_table() -> np.ndarray:
    # Indexed by the square root of the linear value. This spreads the 65536 entries over the grey
    # levels about as evenly as sRGB does: at least 180 entries per level, but 147 for white.
    linear = np.linspace(0, 1, 65536) ** 2
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


_DECODED = _decoding_table()
_ENCODED = _encoding_table()


class Lab(NamedTuple):
    """CIE Lab with the D50 white: three (H, W) float32 planes; lightness is 0 to 100."""

    lightness: np.ndarray
    a: np.ndarray
    b: np.ndarray


def to_lab(pixels: np.ndarray) -> Lab:
    """Returns (H, W, 3) uint8 sRGB pixels as Lab planes."""
    height, width = pixels.shape[:2]
    linear = _DECODED[pixels.reshape(-1, 3).T]  # (3, H * W)
    q = _WHITES_FROM_RGB @ linear
    f = np.where(q > 216 / 24389, np.cbrt(q), (24389 / 27 * q + 16) / 116)
    f_x, f_y, f_z = f.reshape(3, height, width)
    return Lab(116 * f_y - 16, 500 * (f_x - f_y), 200 * (f_y - f_z))


def from_lab(lab: Lab) -> np.ndarray:
    """Returns Lab planes as (H, W, 3) uint8 sRGB; out-of-gamut channels are clipped."""
    height, width = lab.lightness.shape
    f = np.empty((3, height * width), np.float32)
    f_x, f_y, f_z = f.reshape(3, height, width)
    f_y[:] = (lab.lightness + 16) / 116
    f_x[:] = f_y + lab.a / 500
    f_z[:] = f_y - lab.b / 200
    q = f * f * f
    dark = f <= 6 / 29  # few pixels of most photos
    q[dark] = (116 * f[dark] - 16) * (27 / 24389)
    linear = _RGB_FROM_WHITES @ q
    np.clip(linear, 0, 1, out=linear)
    index = (np.sqrt(linear, out=linear) * 65535 + 0.5).astype(np.uint16)
    pixels = np.empty((height * width, 3), np.uint8)
    for channel, row in enumerate(index):
        pixels[:, channel] = _ENCODED[row]
    return pixels.reshape(height, width, 3)
