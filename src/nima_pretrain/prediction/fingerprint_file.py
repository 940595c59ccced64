"""The file of fingerprints beside a score file, so that a stopped or later run need not redo them.

It is a cache: without it, or with another file in its place, photos are scored again. Records have
a fixed size and are found by a hash of name, size and time of the photo, in any order of the rows.
"""

import re
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np

from nima_pretrain.errors import InputError, cannot_write
from nima_pretrain.prediction.fingerprints import Fingerprint, record_of, record_type
from nima_pretrain.prediction.score_row import ScoreRow

_HEAD_BYTES = 64
_KEY_BYTES = 16
# Of features, at most 65,535.
_NUMBER = re.compile("[1-9][0-9]{0,4}")
# Counts up when fingerprints of the same photo change.
_VERSION = 1


def fingerprint_path(scores: Path) -> Path:
    """Returns the path of the fingerprints of a score file."""
    return scores.with_name(scores.name + ".fingerprints")


class FingerprintFile:
    """The fingerprints of scored photos; only their keys are kept in memory.

    Attributes:
        path: the file; it is created with the first fingerprint.
    """

    def __init__(self, path: Path, weights: str, resume: bool = False) -> None:
        """Opens a file for more fingerprints.

        Args:
            path: the file.
            weights: see `Scorer.weights`.
            resume: whether to keep the fingerprints of an existing file, by the same weights.

        Raises:
            InputError: the file cannot be written.
        """
        self.path = path
        self._weights = weights
        self._type: np.dtype | None = None
        self._numbers: dict[bytes, int] = {}
        self._num_records = 0
        try:
            if not (resume and path.is_file() and self._find_records()):
                path.unlink(missing_ok=True)
            self._handle = path.open("ab")
            self._handle.truncate(self._end())
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def append(self, row: ScoreRow, fingerprint: Fingerprint) -> None:
        """Appends the fingerprint of a row's photo, flushed to the file.

        Raises:
            InputError: the file cannot be written, or has fingerprints of another size.
        """
        num_features = len(fingerprint.features)
        if self._type is not None and self._type["features"].shape != (num_features,):
            raise InputError(
                f"{self.path} is damaged: expected {num_features} features of a photo, received "
                f"{self._type['features'].shape[0]}. Remove it; the photos are scored again."
            )
        try:
            if self._type is None:
                self._type = record_type(num_features, _KEY_BYTES)
                self._handle.write(self._head(num_features))
            key = _key(row)
            self._handle.write(record_of(fingerprint, self._type, key).tobytes())
            self._handle.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        self._numbers[key] = self._num_records
        self._num_records += 1

    def __contains__(self, row: ScoreRow) -> bool:
        return self.find(row) is not None

    def find(self, row: ScoreRow) -> int | None:
        """Returns the number of the record of a row's photo; None if there is none."""
        return self._numbers.get(_key(row))

    def records(self) -> np.ndarray:
        """Returns all records as a memory map, (M,) of `fingerprints.record_type`."""
        if self._type is None or not self._num_records:  # nothing to map
            return np.empty(0, record_type(0, _KEY_BYTES))
        shape = (self._num_records,)
        return np.memmap(self.path, self._type, "r", offset=_HEAD_BYTES, shape=shape)

    def _find_records(self) -> bool:
        """Reads the keys of an existing file, and returns whether it fits."""
        with self.path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        words = head.split()
        number = words[-1].decode("ascii", "replace") if words else ""
        if not _NUMBER.fullmatch(number) or head != self._head(int(number)):
            return False
        self._type = record_type(int(number), _KEY_BYTES)
        self._num_records = (self.path.stat().st_size - _HEAD_BYTES) // self._type.itemsize
        keys = self.records()["key"]
        self._numbers = {key.tobytes(): number for number, key in enumerate(keys)}
        return True

    def _head(self, num_features: int) -> bytes:
        text = f"nima-pretrain fingerprints {_VERSION} {self._weights} {num_features}"
        return text.encode().ljust(_HEAD_BYTES - 1) + b"\n"

    def _end(self) -> int:
        """Returns the size of the file without an incomplete record at its end."""
        return 0 if self._type is None else _HEAD_BYTES + self._num_records * self._type.itemsize

    def _cannot_write(self, error: OSError) -> InputError:
        return cannot_write(self.path, error, " for --output; --resume goes on")


def _key(row: ScoreRow) -> bytes:
    text = f"{row.path}\0{row.bytes}\0{row.modified}"
    return blake2b(text.encode(), digest_size=_KEY_BYTES).digest()
