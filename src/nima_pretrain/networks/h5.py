"""Weights in HDF5, in the layout of Keras' own `.h5` weights files, layer by layer.

Keras' `save_weights` writes a model inside a model as one layer, with its weights in an order that
depends on what is frozen: such a file loads into the wrong places once that changes. And what it
writes differs between Keras 2 and 3. Here every layer that has weights is written by itself, and
is found again by its name; `load_weights` of either Keras reads these files too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np


def save_layers(model: keras.Model, path: Path) -> None:
    """Writes the weights of all layers of a model, those of models inside it included."""
    layers = _layers_with_weights(model)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = keras.__version__.encode()
        for name, layer in layers.items():
            group = file.create_group(name)
            names = [f"{name}/{_kind_of(weight)}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for weight_name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(weight_name, data=value)


def load_layers(model: keras.Model, path: Path) -> None:
    """Reads weights into all layers of a model; file and model have to agree in every layer.

    Raises:
        ValueError: names or shapes differ, or the file holds something else; the message says
            where. The model is as it was then.
        OSError: the file is not HDF5.
    """
    layers = _layers_with_weights(model)
    with h5py.File(path, "r") as file:
        if "layer_names" not in file.attrs:
            content = "a whole model" if "model_weights" in file else "something else"
            raise ValueError(f"expected a file of weights alone, it holds {content}")
        stored = {name: file[name] for name in _texts(file.attrs["layer_names"])}
        stored = {name: group for name, group in stored.items() if len(group.attrs["weight_names"])}
        _check_names(list(layers), list(stored))
        values = {}
        for name, layer in layers.items():
            group = stored[name]
            values[name] = [np.asarray(group[w]) for w in _texts(group.attrs["weight_names"])]
            expected = [tuple(weight.shape) for weight in layer.weights]
            received = [value.shape for value in values[name]]
            if received != expected:
                raise ValueError(f"layer {name!r}: expected shapes {expected}, received {received}")
    for name, layer in layers.items():
        layer.set_weights(values[name])


def _layers_with_weights(model: keras.Model) -> dict[str, keras.layers.Layer]:
    layers: dict[str, keras.layers.Layer] = {}
    for layer in _leaves(model):
        if layer.weights:
            if layer.name in layers:
                raise ValueError(f"two layers are called {layer.name!r}")
            layers[layer.name] = layer
    return layers


def _leaves(layer: Any) -> Iterator[keras.layers.Layer]:
    """The layers below a model or a layer that holds a backbone, or the layer itself."""
    inside = getattr(layer, "layers", None)
    if inside is None and isinstance(getattr(layer, "backbone", None), keras.Model):
        inside = layer.backbone.layers
    if inside is None:
        yield layer
        return
    for inner in inside:
        yield from _leaves(inner)


def _kind_of(weight: Any) -> str:
    """Last part of a weight's name: "conv/kernel:0" -> "kernel"."""
    return weight.name.split("/")[-1].split(":")[0]


def _texts(names: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _check_names(expected: list[str], received: list[str]) -> None:
    if set(expected) == set(received):
        return
    missing = [name for name in expected if name not in received]
    surplus = [name for name in received if name not in expected]
    raise ValueError(
        f"expected {len(expected)} layers with weights, received {len(received)}; "
        f"missing: {_some(missing)}; unknown: {_some(surplus)}"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if names[3:] else "") if names else "none"
