"""Layers of the models: a backbone over a view axis, and reproducible dropout."""

import zlib
from typing import Any

import keras
import tensorflow as tf


@keras.utils.register_keras_serializable("nima_pretrain")
class BackboneOnViews(keras.layers.Layer):
    """Applies a backbone to every view: (B, V, S, S, 3) -> (B, V, F)."""

    def __init__(self, backbone: keras.Model, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = backbone

    def call(self, views: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        num_views, size, _, channels = views.shape[1:]
        flat = tf.reshape(views, (-1, size, size, channels))  # (B * V, S, S, 3)
        features = self.backbone(flat, training=training)  # (B * V, F)
        return tf.reshape(features, (-1, num_views, features.shape[-1]))  # (B, V, F)

    def get_config(self) -> dict[str, Any]:
        backbone = keras.utils.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BackboneOnViews":
        backbone = keras.utils.deserialize_keras_object(config.pop("backbone"))
        return cls(backbone, **config)


@keras.utils.register_keras_serializable("nima_pretrain")
class SeededDropout(keras.layers.Layer):
    """Dropout whose random state is a weight, so that a loaded layer continues the same sequence.

    Every call in training draws a mask from (seed, layer name, number of such calls so far).
    Keras 2's own layer uses a state inside TensorFlow that cannot be saved.

    Args:
        rate: fraction of the inputs that are set to 0; the others are scaled by 1 / (1 - rate).
        seed: seed of the masks.
    """

    def __init__(self, rate: float, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        self.num_calls = _counter(self, "num_calls")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        of_layer = (self.seed << 32) + zlib.crc32(self.name.encode())
        seed = tf.stack([tf.constant(of_layer, tf.int64), tf.convert_to_tensor(self.num_calls)])
        dropped = tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)
        self.num_calls.assign_add(1)
        return dropped

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def _counter(layer: keras.layers.Layer, name: str) -> Any:
    """Returns a counter as a weight. Every replica of a distribution strategy has its own.

    Synchronized counters would make replicas wait for each other within the layer, and would mix
    up the losses that Keras 3 collects from layers.
    """
    if hasattr(keras, "Variable"):
        return keras.Variable(
            0,
            dtype="int64",
            trainable=False,
            name=name,
            synchronization="on_read",
            aggregation="only_first_replica",
        )
    return layer.add_weight(
        name,
        shape=(),
        dtype="int64",
        initializer="zeros",
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


class InInference(keras.layers.Layer):
    """A model in inference mode, whatever the mode of the call: no dropout, fixed statistics."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="in_inference")
        self.model = model

    def call(self, photos: tf.Tensor) -> tf.Tensor:
        return self.model(photos, training=False)
