"""The backbone: 8-bit photos in, pooled features out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import keras

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

# keras.applications smooths batch-norm statistics with 0.999, which takes thousands of steps to
# follow new data. PyTorch's networks, the paper's among them, use 0.9 (there written as 0.1).
_BATCH_NORM_MOMENTUM = 0.9


def build_backbone(
    name: str = "MobileNetV2",
    input_size: int = 224,
    width: float = 1.0,
    precision: Precision = "float32",
) -> keras.Model:
    """Returns a backbone without weights from anywhere: (B, S, S, 3) uint8 -> (B, F) float32.

    Rescaling from 0..255 to [-1, 1] is its first layer, so weights and preprocessing cannot part.
    F is 1280, or more for widths above 1.

    Args:
        name: "MobileNetV2".
        input_size: S, pixels, at least 32.
        width: MobileNetV2's alpha; any positive number.
        precision: what is computed in; weights and features are float32 in any case.

    Raises:
        ValueError: the name is not known.
    """
    if name != "MobileNetV2":
        raise ValueError(f"Expected the backbone 'MobileNetV2', received {name!r}.")
    with _computing_in(precision):
        return _mobilenet_v2(input_size, width)


def freeze_batch_norm(backbone: keras.Model) -> None:
    """Keeps batch-norm as it is: the moving statistics normalise, in training too.

    Keras holds statistics, scale and offset of a layer that is not trainable. Compile afterwards.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _mobilenet_v2(input_size: int, width: float) -> keras.Model:
    photos = keras.Input((input_size, input_size, 3), dtype="uint8", name="photos")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(photos)
    network = keras.applications.MobileNetV2(
        input_tensor=x,
        input_shape=(input_size, input_size, 3),
        alpha=width,
        include_top=False,
        weights=None,
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
    features = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")(network.output)
    return keras.Model(photos, features, name="backbone")


@contextmanager
def _computing_in(precision: Precision) -> Iterator[None]:
    """Keras' networks take their precision from a global policy."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
