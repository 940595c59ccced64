"""The backbones: from 8-bit photos to pooled features, with preprocessing inside the network."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from nima_pretrain.errors import InputError
from nima_pretrain.networks.batch_norm import IS_FUSED_BY_KERAS, with_fused_batch_norm
from nima_pretrain.networks.layers import InInference

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

# keras.applications smooths batch-norm statistics with 0.99 or 0.999, which takes thousands of
# steps to follow new data. PyTorch's networks, the paper's among them, use 0.9 (there called 0.1).
_BATCH_NORM_MOMENTUM = 0.9

_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # R, G, B, on a range of 0 to 1
_IMAGENET_STD = (0.229, 0.224, 0.225)


@keras.utils.register_keras_serializable("nima_pretrain")
class ReverseChannels(keras.layers.Layer):
    """RGB to BGR, as the weights converted from Caffe require."""

    def call(self, photos: tf.Tensor) -> tf.Tensor:
        return photos[..., ::-1]


@keras.utils.register_keras_serializable("nima_pretrain")
class EfficientNetNormalization(keras.layers.Normalization):
    """Normalization, followed by division by the square root of ImageNet's deviations.

    EfficientNet was trained this way. `keras.applications` adds the division only when it loads
    the ImageNet weights itself; here it is part of the network.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(inputs) / [math.sqrt(std) for std in _IMAGENET_STD]


def _to_plus_minus_one(photos: Any) -> Any:
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(photos)


def _to_unit_deviation(photos: Any) -> Any:
    scale = [1 / (255 * std) for std in _IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True)]
    return keras.layers.Rescaling(scale, offset=offset, name="rescaling")(photos)


def _to_centred_bgr(photos: Any) -> Any:
    reversed_ = ReverseChannels(name="reverse_channels")(photos)
    offset = [-103.939, -116.779, -123.68]  # ImageNet's means of B, G, R, range 0 to 255
    return keras.layers.Rescaling(1.0, offset=offset, name="rescaling")(reversed_)


def _as_they_are(photos: Any) -> Any:
    # EfficientNet contains its own rescaling, but expects floats.
    return keras.layers.Rescaling(1.0, name="rescaling_none")(photos)


class _Network(NamedTuple):
    """Preprocessing and options of a network of keras.applications."""

    preprocess: Callable[[Any], Any]
    has_width: bool = False
    smallest_input: int = 32


_NETWORKS = {
    "MobileNetV2": _Network(_to_plus_minus_one, has_width=True),
    "MobileNet": _Network(_to_plus_minus_one, has_width=True),
    "ResNet50": _Network(_to_centred_bgr),
    "VGG16": _Network(_to_centred_bgr),
    "DenseNet121": _Network(_to_unit_deviation),
    "InceptionV3": _Network(_to_plus_minus_one, smallest_input=75),
    "InceptionResNetV2": _Network(_to_plus_minus_one, smallest_input=75),
    "EfficientNetB0": _Network(_as_they_are),
}


def build_backbone(
    name: str = "MobileNetV2",
    input_size: int = 224,
    width: float = 1.0,
    precision: Precision = "float32",
) -> keras.Model:
    """Returns a backbone with random weights: (B, S, S, 3) uint8 RGB -> (B, F) float32.

    Its first layers rescale the values from 0 to 255, so weights and preprocessing stay together.

    Args:
        name: a network of keras.applications; `config.BackboneName` lists them.
        input_size: S, pixels.
        width: alpha of MobileNet and MobileNetV2, any positive number; 1 for the others.
        precision: of the computation; weights and features are float32 in any case.

    Raises:
        InputError: the network is unknown, or does not support this width or size.
    """
    if name not in _NETWORKS:
        raise InputError(f"Expected a backbone of {', '.join(_NETWORKS)}, received {name!r}.")
    network = _NETWORKS[name]
    if width != 1 and not network.has_width:
        raise InputError(f"{name} comes in one width. Expected width=1, received {width:g}.")
    if input_size < network.smallest_input:
        raise InputError(
            f"{name} needs photos of at least {network.smallest_input} pixels, received "
            f"input_size={input_size}."
        )
    with _computing_in(precision):
        photos = keras.Input((input_size, input_size, 3), dtype="uint8", name="photos")
        body = application(name, width)(
            input_tensor=network.preprocess(photos),
            input_shape=(input_size, input_size, 3),
            include_top=False,
            weights=None,
        )
        pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
        model = keras.Model(photos, pool(body.output), name="backbone")
        if name == "EfficientNetB0":
            model = _with_its_own_normalization(model)
        if not IS_FUSED_BY_KERAS:
            model = with_fused_batch_norm(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
    return model


def application(name: str, width: float = 1.0) -> Callable[..., keras.Model]:
    """Returns the function of keras.applications that builds a network of a given width."""
    build = getattr(keras.applications, name)
    if not _NETWORKS[name].has_width:
        return build
    return lambda **options: build(alpha=width, **options)


def with_fixed_statistics(model: keras.Model, backbone: keras.Model) -> keras.Model:
    """Returns a model of the same layers that always uses, and never moves, its moving statistics.

    Scale and offset are trained, in contrast to `freeze_batch_norm`, and dropout is as it was.

    Args:
        model: a functional model that begins with the backbone.
        backbone: from `build_backbone`.
    """
    rest = keras.Model(backbone.output, model.output)
    return keras.Model(model.input, rest(InInference(backbone)(model.input)), name=model.name)


def freeze_batch_norm(backbone: keras.Model) -> None:
    """Freezes all batch-norm layers: they use their moving statistics in training, too.

    Keras keeps statistics, scale and offset of a layer that is not trainable. Compile afterwards.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _with_its_own_normalization(model: keras.Model) -> keras.Model:
    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        is_normalization = type(layer) is keras.layers.Normalization
        kind = EfficientNetNormalization if is_normalization else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


@contextmanager
def _computing_in(precision: Precision) -> Iterator[None]:
    """Sets a precision within a context: Keras' networks take it from a global policy."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
