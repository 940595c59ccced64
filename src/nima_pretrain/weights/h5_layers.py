"""Reading of a weights file's layers, without Keras."""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

# State of training that does not affect the outputs; it is not saved.
STATE = ("num_calls",)


def read_layers(path: Path) -> dict[str, list[np.ndarray]]:
    """Returns the weights in a file by layer name, in the order of the file.

    Raises:
        ValueError: the file is not a weights file.
        OSError: the file is not HDF5.
    """
    with h5py.File(path, "r") as file:
        if "layer_names" not in file.attrs:
            content = "a whole model" if "model_weights" in file else "something else"
            raise ValueError(f"expected a file of weights alone, it holds {content}")
        layers = {}
        for name in _texts(file.attrs["layer_names"]):
            weights = _texts(file[name].attrs["weight_names"])
            if not all(last_part(weight) in STATE for weight in weights):
                layers[name] = [np.asarray(file[name][weight]) for weight in weights]
        return layers


def last_part(name: str) -> str:
    """Returns the last part of a weight's name: "conv/kernel:0" -> "kernel"."""
    return name.rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def _texts(names: Iterable[bytes | str]) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
