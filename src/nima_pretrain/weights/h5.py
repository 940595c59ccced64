"""Weights in HDF5, in the layout of Keras' own `.h5` weights files, layer by layer.

Keras' `save_weights` writes a nested model as one layer, and orders its weights by which layers
are frozen: if that changes, weights load into the wrong variables. Its files also differ between
Keras 2 and 3. Here every layer with weights is written separately and found by name.
`load_weights` of both versions of Keras reads these files, too.

Numbered default names of Keras ("conv2d_17") depend on the models built before. They are replaced
by the layer's position among the layers of its kind.

Large arrays are compressed by HDF5 itself, byte plane by byte plane, since the exponents of weights
are much alike: MobileNetV2 of width 1 takes an eighth less.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from nima_pretrain.weights.h5_layers import STATE, last_part, open_layers, values_of

_COUNTED = re.compile(
    r"((?:depthwise_|separable_)?conv2d|batch_normalization|normalization)(_\d+)?"
)

# Smaller arrays stay as they are: the index of their chunk would outweigh what is saved.
_LEAST_COMPRESSED = 4096  # values


def save_layers(model: keras.Model, path: Path) -> None:
    """Writes the weights of all layers of a model, including nested models."""
    layers = _layers_with_weights(model)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers.values()]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = keras.__version__.encode()
        for layer in layers.values():
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{_kind_of(weight)}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for weight_name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(weight_name, data=value, **_storage_of(value))


def _storage_of(value: np.ndarray) -> dict[str, Any]:
    if value.size < _LEAST_COMPRESSED:
        return {}
    return {"chunks": value.shape, "compression": "gzip", "shuffle": True}


def load_layers(
    model: keras.Model, path: Path, other_names: Mapping[str, str] | None = None
) -> None:
    """Loads a file into all layers of a model; names and shapes of all layers must agree.

    Args:
        model: built.
        path: the weights file.
        other_names: names in the model by differing names in the file.

    Raises:
        ValueError: names or shapes differ, some values are not finite, or the file has other
            content; the message names the layer. The model is unchanged then.
        OSError: the file is not HDF5.
    """
    layers = _layers_with_weights(model)
    with open_layers(path) as stored:
        names = [(other_names or {}).get(name, name) for name in stored]
        by_name = dict(zip(_without_counts(names), stored.values(), strict=True))
        _check_names(list(layers), list(by_name))
        for name, layer in layers.items():
            expected = [tuple(weight.shape) for weight in layer.weights]
            received = [array.shape for array in by_name[name]]
            if received != expected:
                raise ValueError(f"layer {name!r}: expected shapes {expected}, received {received}")
        values = {name: [values_of(array) for array in by_name[name]] for name in layers}
    for name, layer in layers.items():
        layer.set_weights(values[name])
    finalize(model)


def finalize(model: keras.Model) -> None:
    """Updates normalization layers after their weights were set, since they compute with copies."""
    for layer in _leaves(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _layers_with_weights(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns the layers with weights by name, see `_without_counts`."""
    layers = [layer for layer in _leaves(model) if layer.weights and not _has_state_alone(layer)]
    names = _without_counts([layer.name for layer in layers])
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise ValueError(f"two layers are called {repeated[0]!r}")
    return dict(zip(names, layers, strict=True))


def _has_state_alone(layer: keras.layers.Layer) -> bool:
    return all(_kind_of(weight) in STATE for weight in layer.weights)


def _without_counts(names: Sequence[str]) -> list[str]:
    """Returns the names with Keras' counts replaced by the position among layers of that kind."""
    places: Counter[str] = Counter()
    result = []
    for name in names:
        counted = _COUNTED.fullmatch(name)
        if counted:
            places[counted[1]] += 1
            name = f"{counted[1]} no. {places[counted[1]]}"  # noqa: PLW2901
        result.append(name)
    return result


def _leaves(layer: Any) -> Iterator[keras.layers.Layer]:
    """Yields the layers inside a model or a layer with a backbone, or else the layer itself."""
    inside = getattr(layer, "layers", None)
    if inside is None and isinstance(getattr(layer, "backbone", None), keras.Model):
        inside = layer.backbone.layers
    if inside is None:
        yield layer
        return
    for inner in inside:
        yield from _leaves(inner)


def _kind_of(weight: Any) -> str:
    """Returns the last part of a weight's name: "conv/kernel:0" -> "kernel"."""
    return last_part(weight.name)


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
