"""Layers of the pretext model: a backbone over a view axis, and the loss of each task.

A loss layer is an endpoint: it takes predictions, adds the balanced loss with `add_loss`, keeps
running means of what a person wants to see, and returns the predictions unchanged. The targets are
constants of the bank, so no labels enter the model.
"""

from typing import Any

import keras
import tensorflow as tf

from nima_pretrain import losses
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
class Fingerprints(keras.layers.Layer):
    """Gives every view a number, (B, V, S, S, 3) uint8 -> (B, V) int32: equal views, equal numbers.

    A weighted sum modulo 2^32 with odd random weights: views that differ get the same number once
    in about four thousand million pairs.
    """

    def call(self, views: tf.Tensor) -> tf.Tensor:
        num_views = views.shape[1]
        num_values = views.shape[2] * views.shape[3] * views.shape[4]
        weights = tf.random.stateless_uniform(
            (num_values,), seed=(0, 0), minval=None, maxval=None, dtype=tf.int32
        )
        weights = tf.bitwise.bitwise_or(weights, 1)

        def of_photo(photo: tf.Tensor) -> tf.Tensor:
            values = tf.cast(tf.reshape(photo, (num_views, num_values)), tf.int32)
            return tf.reduce_sum(values * weights, axis=1)  # (V,)

        # Photo by photo: as int32 the views take four times their memory.
        return tf.map_fn(of_photo, views, fn_output_signature=tf.int32)


class _PretextLoss(keras.layers.Layer):
    """What the loss layers share: bank, temperature, and a running mean of the raw loss."""

    def __init__(
        self, bank: DistortionBank | str, temperature: float = 50.0, **options: Any
    ) -> None:
        super().__init__(dtype="float32", **options)
        self.bank = get_bank(bank) if isinstance(bank, str) else bank
        self.temperature = temperature
        self.raw_loss = keras.metrics.Mean(name=f"{self.name}_raw")
        self.balanced_loss = keras.metrics.Mean(name=f"{self.name}_balanced")

    def add(self, loss: tf.Tensor) -> None:
        """Adds a raw loss, balanced, to what the model minimises."""
        balanced = losses.balanced(loss, self.temperature)
        self.add_loss(balanced)
        self.raw_loss.update_state(loss)
        self.balanced_loss.update_state(balanced)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return {**config, "bank": self.bank.name, "temperature": self.temperature}


@keras.utils.register_keras_serializable("nima_pretrain")
class RankingLoss(_PretextLoss):
    """The ranking endpoint: scores (B, V) -> the same; see `losses.ranking`."""

    def __init__(
        self,
        bank: DistortionBank | str,
        temperature: float = 50.0,
        margin: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(bank, temperature, **options)
        self.margin = margin
        self.ordered_pairs = keras.metrics.Mean(name="ordered_pairs")

    def call(self, scores: tf.Tensor, fingerprints: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.ranking(scores, self.bank, self.margin, fingerprints))
        better = tf.gather(scores, self.bank.pairs.better, axis=1)
        worse = tf.gather(scores, self.bank.pairs.worse, axis=1)
        weights = losses.differing(fingerprints, self.bank.pairs.better, self.bank.pairs.worse)
        ordered = tf.cast(better > worse, tf.float32)
        self.ordered_pairs.update_state(ordered, tf.broadcast_to(weights, tf.shape(ordered)))
        return scores

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@keras.utils.register_keras_serializable("nima_pretrain")
class ClassificationLoss(_PretextLoss):
    """The classification endpoint: a dict of logits -> the same; see `losses.classification`."""

    def call(
        self, logits: dict[str, tf.Tensor], fingerprints: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        self.add(losses.classification(logits, self.bank, fingerprints))
        return logits


@keras.utils.register_keras_serializable("nima_pretrain")
class RegressionLoss(_PretextLoss):
    """The regression endpoint: levels (B, V, D) -> the same; see `losses.regression`."""

    def call(self, levels: tf.Tensor, fingerprints: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.regression(levels, self.bank, fingerprints))
        return levels
