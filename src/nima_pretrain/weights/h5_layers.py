"""Reading of a weights file's layers, without Keras; the file may come from a stranger.

HDF5 can do more than hold numbers: its links and datasets can point to other files, and a dataset
can claim any size. What is not a plain array of floats inside the file itself is refused.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nima_pretrain.errors import shortened

# State of training that does not affect the outputs; it is not saved.
STATE = ("num_calls",)

_TYPES = (np.float16, np.float32, np.float64)
_COUNT = "count"  # of the photos that a Normalization layer has seen, an integer
_MOST_NAMES = 100_000
_LONGEST_NAMES = 2**20  # bytes

# HDF5 File Format Specification, version 3.0: superblock, and global heap collections.
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_COLLECTION = b"GCOL\x01"


@contextmanager
def open_layers(path: Path) -> Iterator[dict[str, list[h5py.Dataset]]]:
    """Yields the arrays in a file by layer name, in the order of the file, before they are read.

    Raises:
        ValueError: the file is not a weights file, is damaged, or has something else than arrays
            of floats.
        OSError: the file is not HDF5.
    """
    _check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            yield _layers_of(file)
    except (KeyError, RuntimeError, TypeError) as error:  # of the HDF5 library, by what is damaged
        raise ValueError(f"the file is damaged: {error}") from None


def _layers_of(file: h5py.File) -> dict[str, list[h5py.Dataset]]:
    if "layer_names" not in file.attrs:
        content = "a whole model" if "model_weights" in file else "something else"
        raise ValueError(f"expected a file of weights alone, it holds {content}")
    layers = {}
    for name in _texts(file, "layer_names"):
        group = _inside(file, name)
        if not isinstance(group, h5py.Group):
            raise ValueError(f"expected a group of weights in layer {shortened(name)}")
        weights = _texts(group, "weight_names")
        if not all(last_part(weight) in STATE for weight in weights):
            layers[name] = [_array(group, weight) for weight in weights]
    return layers


def _check_heaps(path: Path) -> None:
    """Checks the heaps of names: with wrong sizes in one, the HDF5 library (2.0) never ends.

    The chance that numbers look like a heap by accident is one in 20,000 for 50 MB of them.

    Raises:
        ValueError: sizes are wrong, or the file is laid out in another way than is checked.
    """
    with path.open("rb") as file:
        head = file.read(16)
        if not head.startswith(_SIGNATURE):
            raise ValueError("it is not an HDF5 file")
        sizes = head[13:15] if head[8] < 2 else head[9:11]  # of offsets and lengths, bytes
        if sizes != b"\x08\x08":
            raise ValueError("the file is damaged: expected offsets and lengths of 8 bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start, number = content.find(_COLLECTION), 0
            while start >= 0:
                number += _checked_objects(content, start)
                if number > _MOST_NAMES:
                    raise ValueError(f"expected at most {_MOST_NAMES:,} names, received more")
                start = content.find(_COLLECTION, start + 1)


def _checked_objects(content: mmap.mmap, start: int) -> int:
    """Returns the number of objects in a heap collection; see `_check_heaps`."""
    number, place, end = 0, start + 16, len(content)
    if place <= end:
        end = min(end, start + struct.unpack_from("<Q", content, start + 8)[0])
    while place + 16 <= end and number <= _MOST_NAMES:
        index, size = struct.unpack_from("<H6xQ", content, place)
        place += size if index == 0 else 16 + -(-size // 8) * 8
        if index == size == 0 or place > end:
            raise ValueError("the file is damaged: wrong sizes in its heap of names")
        number += 1
    return number


def last_part(name: str) -> str:
    """Returns the last part of a weight's name: "conv/kernel:0" -> "kernel"."""
    return name.rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def values_of(array: h5py.Dataset) -> np.ndarray:
    """Returns the values of an array.

    Raises:
        ValueError: some are not finite; the message names the array.
    """
    values = np.asarray(array)
    if not np.isfinite(values).all():
        raise ValueError(f"{array.name}: some weights are NaN or infinite")
    return values


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    place = f"{attribute} of {shortened(group.name)}"
    if attribute not in group.attrs:
        raise ValueError(f"expected a list {place}, found none")
    stored = group.attrs.get_id(attribute)
    if stored.shape is None or len(stored.shape) != 1:
        raise ValueError(f"expected a list {place}")
    if stored.shape[0] == 0:  # which Keras writes as floats
        return []
    # The library crashes on elements of variable length that are no strings, but are taken for
    # them; only their size in memory tells them apart.
    is_odd = stored.get_type().get_size() != stored.dtype.itemsize
    if stored.dtype.kind not in "SO" or is_odd:
        raise ValueError(f"expected names in {place}, received other values")
    # Before it is read: an attribute can claim any size, too.
    number = stored.shape[0]
    if number > _MOST_NAMES or number * stored.dtype.itemsize > _LONGEST_NAMES:
        raise ValueError(f"expected names in {place}, received {number:,} values")
    texts = [name.decode() if isinstance(name, bytes) else name for name in group.attrs[attribute]]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected names in {place}, received other values")
    return [str(text) for text in texts]


def _inside(group: h5py.Group, name: str) -> Any:
    """Returns what is in a group under a path, if all links on the way are hard ones."""
    found: Any = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or part not in found:
            raise ValueError(f"expected {shortened(name)} in the file, found nothing of that name")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{shortened(name)} is a link to another place, which is not followed")
        found = found[part]
    return found


def _array(group: h5py.Group, name: str) -> h5py.Dataset:
    found = _inside(group, name)
    is_count = last_part(name) == _COUNT
    types = (*_TYPES, np.int32, np.int64) if is_count else _TYPES
    if not isinstance(found, h5py.Dataset) or found.dtype not in types:
        raise ValueError(f"{shortened(name)} is not an array of floats")
    if found.external or found.is_virtual:
        raise ValueError(f"the values of {shortened(name)} are in another file, which is not read")
    return found
