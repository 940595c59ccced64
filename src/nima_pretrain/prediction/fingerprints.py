"""Fingerprints of photos: features, perceptual hash and capture time, in 2.6 kB a photo."""

from typing import NamedTuple

import numpy as np

from nima_pretrain.data.capture_time import CaptureTime
from nima_pretrain.data.perceptual_hash import perceptual_hash


class Fingerprint(NamedTuple):
    """The appearance and the capture time of a photo.

    Attributes:
        features: of the scorer's network, (F,) float16: square roots, of length 1. Their dot
            product, the Hellinger kernel, tells photos apart better than that of the features
            themselves, which a few large ones dominate (Arandjelovic and Zisserman 2012).
        hash: 64 bits, see `perceptual_hash`.
        captured: the time at which it was taken.
    """

    features: np.ndarray
    hash: int
    captured: CaptureTime


def fingerprint_of(pixels: np.ndarray, features: np.ndarray, captured: CaptureTime) -> Fingerprint:
    """Returns the fingerprint of a photo.

    Args:
        pixels: the network's input, (S, S, 3) uint8 RGB.
        features: the network's features, (F,) float32.
        captured: the time at which it was taken.
    """
    roots = np.sign(features) * np.sqrt(np.abs(features))
    length = max(float(np.linalg.norm(roots)), 1e-12)
    # float16 changes a cosine by some 1e-5.
    return Fingerprint((roots / length).astype(np.float16), perceptual_hash(pixels), captured)


def record_type(num_features: int, key_bytes: int = 0) -> np.dtype:
    """Returns the type of an array of fingerprints, each after a key of so many bytes."""
    return np.dtype(
        [
            ("key", f"V{key_bytes}"),
            ("hash", "<u8"),
            ("local", "<f8"),
            ("utc", "<f8"),
            ("features", "<f2", (num_features,)),
        ]
    )


def record_of(fingerprint: Fingerprint, kind: np.dtype, key: bytes = b"") -> np.ndarray:
    """Returns a fingerprint as an array of one record, see `record_type`."""
    record = np.zeros(1, kind)
    if key:
        record["key"] = np.void(key)
    record["hash"] = fingerprint.hash
    record["local"], record["utc"] = fingerprint.captured
    record["features"] = fingerprint.features
    return record
