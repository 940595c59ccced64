"""The losses as layers, at the end of a head.

Such a layer takes predictions, adds the loss with `add_loss`, keeps running means of what a person
wants to see, and returns the predictions unchanged. The targets are constants of the views, so no
labels enter the model.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain import losses
from nima_pretrain.distortions import DistortionBank, get_bank


class _Loss(keras.layers.Layer):
    """What the loss layers share: they compute in float32, and report means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(dtype="float32", **options)

    def report(self, metric: keras.metrics.Mean, value: tf.Tensor, *weights: tf.Tensor) -> None:
        """Adds to a running mean; not while the model is only being put together."""
        # Under a distribution strategy that happens outside of any replica.
        if not tf.distribute.in_cross_replica_context():
            metric.update_state(value, *weights)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return config


class _BalancedLoss(_Loss):
    """What the losses on distorted views share: bank, temperature, and means of the loss."""

    def __init__(
        self, bank: DistortionBank | str, temperature: float = 50.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.bank = get_bank(bank) if isinstance(bank, str) else bank
        self.temperature = temperature
        self.raw_loss = keras.metrics.Mean(name=f"{self.name}_raw")
        self.balanced_loss = keras.metrics.Mean(name=f"{self.name}_balanced")

    def add(self, loss: tf.Tensor) -> None:
        """Adds a raw loss, balanced, to what the model minimises."""
        balanced = losses.balanced(loss, self.temperature)
        self.add_loss(balanced)
        self.report(self.raw_loss, loss)
        self.report(self.balanced_loss, balanced)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bank": self.bank.name, "temperature": self.temperature}


class _MarginLoss(_BalancedLoss):
    """What the ranking losses share: the margin, on the scale of the scores."""

    def __init__(
        self,
        bank: DistortionBank | str,
        temperature: float = 50.0,
        margin: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(bank, temperature, **options)
        self.margin = margin

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@keras.utils.register_keras_serializable("nima_pretrain")
class RankingLoss(_MarginLoss):
    """The ranking endpoint: scores (B, V) -> the same; see `losses.ranking`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ordered_pairs = keras.metrics.Mean(name="ordered_pairs")

    def call(self, scores: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.ranking(scores, self.bank, self.margin, differences))
        better = tf.gather(scores, self.bank.pairs.better, axis=1)
        worse = tf.gather(scores, self.bank.pairs.worse, axis=1)
        weights = losses.differing(differences, np.arange(len(self.bank.pairs.better)))
        ordered = tf.cast(better > worse, tf.float32)
        self.report(self.ordered_pairs, ordered, tf.broadcast_to(weights, tf.shape(ordered)))
        return scores


@keras.utils.register_keras_serializable("nima_pretrain")
class ClassificationLoss(_BalancedLoss):
    """The classification endpoint: a dict of logits -> the same; see `losses.classification`."""

    def call(
        self, logits: dict[str, tf.Tensor], differences: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        self.add(losses.classification(logits, self.bank, differences))
        return logits


@keras.utils.register_keras_serializable("nima_pretrain")
class RegressionLoss(_BalancedLoss):
    """The regression endpoint: levels (B, V, D) -> the same; see `losses.regression`."""

    def call(self, levels: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.regression(levels, self.bank, differences))
        return levels


@keras.utils.register_keras_serializable("nima_pretrain")
class CrossPhotoRankingLoss(_MarginLoss):
    """Ranks photos against each other: scores (B, V) -> the same; see `losses`."""

    def call(self, scores: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.cross_photo_ranking(scores, self.bank, self.margin, differences))
        return scores


@keras.utils.register_keras_serializable("nima_pretrain")
class LevelConsistencyLoss(_BalancedLoss):
    """Pulls photos together at each level: scores (B, V) -> the same; see `losses`."""

    def call(self, scores: tf.Tensor, differences: tf.Tensor | None = None) -> tf.Tensor:
        self.add(losses.level_consistency(scores, self.bank, differences))
        return scores


@keras.utils.register_keras_serializable("nima_pretrain")
class RotationLoss(_Loss):
    """The endpoint of RotNet: logits (B, R, R) -> the same; see `losses.rotation`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.accuracy = keras.metrics.Mean(name="rotation_accuracy")

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        self.add_loss(losses.rotation(logits))
        named = tf.argmax(logits, axis=-1, output_type=tf.int32)  # (B, R)
        self.report(self.accuracy, tf.cast(named == tf.range(tf.shape(logits)[1]), tf.float32))
        return logits


@keras.utils.register_keras_serializable("nima_pretrain")
class ContrastiveLoss(_Loss):
    """The endpoint of SimCLR: projections (B, 2, d) -> the same; see `losses.nt_xent`."""

    def __init__(self, temperature: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.temperature = temperature
        self.accuracy = keras.metrics.Mean(name="partner_accuracy")

    def call(self, projections: tf.Tensor) -> tf.Tensor:
        self.add_loss(losses.nt_xent(projections, self.temperature))
        nearest = tf.argmax(losses.view_similarities(projections), axis=1, output_type=tf.int32)
        found = nearest == losses.partners_of(projections)  # (2 B,)
        self.report(self.accuracy, tf.cast(found, tf.float32))
        return projections

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
