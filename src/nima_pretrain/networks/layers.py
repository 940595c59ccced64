"""Layers of the models: a backbone over a view axis, dropout that repeats, differences of views."""

import zlib
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.distortions import DistortionBank, get_bank


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
    """Dropout whose random state is a weight: what is saved and loaded goes on where it was.

    Every call in training draws a mask from (seed, name of the layer, number of such calls so
    far). Keras 2's own layer draws from a state inside TensorFlow that cannot be saved.

    Args:
        rate: fraction of the inputs that are set to 0; the others grow by 1 / (1 - rate).
        seed: of the masks.
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
    """A weight that counts. Every replica of a distribution strategy counts for itself.

    Replicas that agreed on each count would wait for each other within the layer, and mix up the
    losses that Keras 3 gathers from layers.
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


@keras.utils.register_keras_serializable("nima_pretrain")
class PairDifferences(keras.layers.Layer):
    """Says how far the two views of every pair are apart: (B, V, S, S, 3) uint8 -> (B, P) float32.

    The mean absolute difference in grey levels; see `DistortionBank.differences`.
    """

    def __init__(self, bank: DistortionBank | str, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.bank = get_bank(bank) if isinstance(bank, str) else bank

    def call(self, views: tf.Tensor) -> tf.Tensor:
        def of_pair(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            first, second = (tf.gather(views, view, axis=1) for view in pair)  # (B, S, S, 3) uint8
            apart = tf.maximum(first, second) - tf.minimum(first, second)
            return tf.reduce_mean(tf.cast(apart, tf.float32), axis=[1, 2, 3])  # (B,)

        # Pair by pair: all at once they would take ten times the memory of the views.
        pairs = (tf.constant(self.bank.pairs.better), tf.constant(self.bank.pairs.worse))
        apart = tf.map_fn(of_pair, pairs, fn_output_signature=tf.float32)  # (P, B)
        return tf.transpose(apart)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return {**config, "bank": self.bank.name}
