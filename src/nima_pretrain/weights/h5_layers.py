"""Reading of a weights file's layers, without Keras; the file may come from a stranger.

HDF5 can do more than hold numbers: its links and datasets can point to other files, and a dataset
can claim any size. What is not a plain array of floats inside the file itself is refused.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# State of training that does not affect the outputs; it is not saved.
STATE = ("num_calls",)

_TYPES = (np.float16, np.float32, np.float64)
_COUNT = "count"  # of the photos that a Normalization layer has seen, an integer


@contextmanager
def open_layers(path: Path) -> Iterator[dict[str, list[h5py.Dataset]]]:
    """Yields the arrays in a file by layer name, in the order of the file, before they are read.

    Raises:
        ValueError: the file is not a weights file, or has something else than arrays of floats.
        OSError: the file is not HDF5.
    """
    with h5py.File(path, "r") as file:
        if "layer_names" not in file.attrs:
            content = "a whole model" if "model_weights" in file else "something else"
            raise ValueError(f"expected a file of weights alone, it holds {content}")
        layers = {}
        for name in _texts(file, "layer_names"):
            group = _inside(file, name)
            if not isinstance(group, h5py.Group):
                raise ValueError(f"expected a group of weights in layer {name!r}")
            weights = _texts(group, "weight_names")
            if not all(last_part(weight) in STATE for weight in weights):
                layers[name] = [_array(group, weight) for weight in weights]
        yield layers


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
    names: Any = group.attrs.get(attribute)
    if not isinstance(names, Iterable) or isinstance(names, str | bytes):
        raise ValueError(f"expected a list {attribute} in {group.name!r}")
    texts = [name.decode() if isinstance(name, bytes) else name for name in names]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected names in {attribute} of {group.name!r}, received other values")
    return [str(text) for text in texts]


def _inside(group: h5py.Group, name: str) -> Any:
    """Returns what is in a group under a path, if all links on the way are hard ones."""
    found: Any = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or part not in found:
            raise ValueError(f"expected {name!r} in {group.name!r}, found nothing of that name")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to another place, which is not followed")
        found = found[part]
    return found


def _array(group: h5py.Group, name: str) -> h5py.Dataset:
    found = _inside(group, name)
    is_count = last_part(name) == _COUNT
    types = (*_TYPES, np.int32, np.int64) if is_count else _TYPES
    if not isinstance(found, h5py.Dataset) or found.dtype not in types:
        raise ValueError(f"{name!r} is not an array of floats")
    if found.external or found.is_virtual:
        raise ValueError(f"the values of {name!r} are in another file, which is not read")
    return found
