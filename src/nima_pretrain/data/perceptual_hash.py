"""A perceptual hash: 64 bits that stay nearly the same when a photo is saved anew."""

import numpy as np
from PIL import Image

BITS = 64
_SIDE = 32
_FREQUENCIES = 8
_LUMA = (0.299, 0.587, 0.114)  # of R, G, B, Rec. 601

# The first rows of the discrete cosine transform (DCT-II) of 32 values; scale does not matter.
_COSINES = np.cos(
    np.pi / _SIDE * np.arange(_FREQUENCIES)[:, None] * (np.arange(_SIDE) + 0.5)
)  # (8, 32)


def perceptual_hash(photo: np.ndarray) -> int:
    """Returns a hash of 64 bits, the signs of the lowest frequencies around their median.

    This is pHash of Zauner (2010). Scale, compression, brightness and colour hardly change it;
    crops, rotations and mirrors do.

    Args:
        photo: (H, W, 3) uint8 RGB, 0 to 255.
    """
    small = Image.fromarray(photo).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    luma = np.asarray(small, np.float64) @ _LUMA
    frequencies = (_COSINES @ luma @ _COSINES.T).round(6).ravel()  # flat photos have exact zeros
    bits = frequencies > np.median(frequencies[1:])  # all but the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hash_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the numbers of bits that differ, 0 to 64, of two arrays of uint64."""
    different = np.ascontiguousarray(first ^ second).view(np.uint8).reshape(len(first), 8)
    return _BITS_SET[different].sum(axis=1)


_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)
