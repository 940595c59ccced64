"""Loss layers: the last layers of the heads of pretext tasks.

Such a layer takes predictions, adds the loss with `add_loss`, keeps running means for the log, and
returns the predictions unchanged. The targets are constants of the views, so the model takes no
labels.
"""

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.distortions import DistortionBank, get_bank
from nima_pretrain.pretext import distortion_losses as losses
from nima_pretrain.pretext import targets

Balance = Literal["exponential", "linear"]


class _Float32Layer(keras.layers.Layer):
    """A layer that computes in float32, whatever the precision of the backbone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(dtype="float32", **options)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return config


class _BankLayer(_Float32Layer):
    """A layer on the views of a bank, whose name `get_config` stores."""

    def __init__(self, bank: DistortionBank | str, **options: Any) -> None:
        super().__init__(**options)
        self.bank = get_bank(bank) if isinstance(bank, str) else bank

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bank": self.bank.name}


class LossLayer(_Float32Layer):
    """Base class of all loss layers, which report running means."""

    def report(self, metric: keras.metrics.Mean, value: tf.Tensor, *weights: tf.Tensor) -> None:
        """Updates a running mean, except while the model is built."""
        # Under a distribution strategy building happens outside of any replica.
        if not tf.distribute.in_cross_replica_context():
            metric.update_state(value, *weights)


@keras.utils.register_keras_serializable("nima_pretrain")
class UnitSeriesWeights(_BankLayer):
    """Weights of the series in a batch of all views: (B, V, S, S, 3) -> ones (B, series)."""

    def call(self, views: tf.Tensor) -> tf.Tensor:
        return tf.ones((tf.shape(views)[0], len(self.bank.series)))

    def of_sample(self, sample: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the weights of a `data.series_batches.SeriesSample`, (B, series)."""
        return sample["series_weights"]


@keras.utils.register_keras_serializable("nima_pretrain")
class PairDifferences(_BankLayer):
    """The difference of the views of every pair: (B, V, S, S, 3) uint8 -> (B, P) float32.

    It is the mean absolute difference in grey levels, see `targets.pair_differences`.
    """

    def call(self, views: tf.Tensor) -> tf.Tensor:
        def of_pair(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            first, second = (tf.gather(views, view, axis=1) for view in pair)  # (B, S, S, 3)
            return _mean_difference(first, second)  # (B,)

        # Pair by pair, since all at once would take ten times the memory of the views.
        better, worse, _ = targets.ranked_pairs(self.bank)
        pairs = tf.constant(better), tf.constant(worse)
        apart = tf.map_fn(of_pair, pairs, fn_output_signature=tf.float32)  # (P, B)
        return tf.transpose(apart)

    def of_sample(self, sample: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the differences (B, P) of a `SeriesSample`; 0 for pairs without images."""
        images, places = sample["images"], sample["places"]
        shape = (tf.shape(sample["series_weights"])[0], self.bank.num_views)
        # From 1, since 0 is what has no image.
        number_of = tf.scatter_nd(places, tf.range(1, tf.shape(places)[0] + 1), shape)  # (B, V)
        pairs = targets.ranked_pairs(self.bank)
        first, second = (tf.gather(number_of, side, axis=1) for side in pairs[:2])  # (B, P)
        present = tf.where((first > 0) & (second > 0))  # (K, 2)

        def of_images(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            first, second = (images[number - 1] for number in pair)  # (S, S, 3)
            return _mean_difference(first, second)

        both = tf.gather_nd(first, present), tf.gather_nd(second, present)
        apart = tf.map_fn(of_images, both, fn_output_signature=tf.float32)  # (K,)
        return tf.scatter_nd(present, apart, tf.shape(first, tf.int64))


def _mean_difference(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns the mean absolute difference of images (..., S, S, 3) uint8, (...) float32."""
    apart = tf.maximum(first, second) - tf.minimum(first, second)
    return tf.reduce_mean(tf.cast(apart, tf.float32), axis=[-3, -2, -1])


class DistortionLoss(_BankLayer, LossLayer):
    """Base class of the losses on distorted views, balanced so that tasks can be summed.

    Args:
        bank: the bank that rendered the views.
        temperature: T, see `distortion_losses.balanced`.
        balance: "exponential" for exp(L / T) as in the paper, "linear" for L / T, whose expected
            gradient over samples of series is that of all series.
    """

    def __init__(
        self,
        bank: DistortionBank | str,
        temperature: float = 50.0,
        balance: Balance = "exponential",
        **options: Any,
    ) -> None:
        super().__init__(bank, **options)
        self.temperature = temperature
        self.balance = balance
        self.raw_loss = keras.metrics.Mean(name=f"{self.name}_raw")
        self.balanced_loss = keras.metrics.Mean(name=f"{self.name}_balanced")

    def call(
        self,
        predictions: Any,
        differences: tf.Tensor | None = None,
        series_weights: tf.Tensor | None = None,
    ) -> Any:
        raw = self.raw(predictions, differences, series_weights)
        is_linear = self.balance == "linear"
        balanced = raw / self.temperature if is_linear else losses.balanced(raw, self.temperature)
        self.add_loss(balanced)
        # The last batch of an epoch may have fewer photos.
        num_photos = tf.cast(tf.shape(tf.nest.flatten(predictions)[0])[0], tf.float32)
        self.report(self.raw_loss, raw, num_photos)
        self.report(self.balanced_loss, balanced, num_photos)
        return predictions

    def raw(self, predictions: Any, *weights: tf.Tensor | None) -> tf.Tensor:
        """Returns the loss before it is balanced, a scalar.

        Args:
            predictions: the input of the layer.
            weights: `differences` and `series_weights`, see `distortion_losses`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        settings = {"temperature": self.temperature, "balance": self.balance}
        return {**super().get_config(), **settings}


class MarginLoss(DistortionLoss):
    """Base class of the ranking losses.

    Args:
        bank: see `DistortionLoss`.
        temperature: see `DistortionLoss`.
        margin: m, on the scale of the scores.
        options: see `DistortionLoss`.
    """

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
class RankingLoss(MarginLoss):
    """Loss layer of `distortion_losses.ranking`: scores (B, V) -> the same."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ordered_pairs = keras.metrics.Mean(name="ordered_pairs")

    def raw(self, predictions: tf.Tensor, *weights: tf.Tensor | None) -> tf.Tensor:
        pairs = targets.ranked_pairs(self.bank)
        better = tf.gather(predictions, pairs.better, axis=1)
        worse = tf.gather(predictions, pairs.worse, axis=1)
        of_pairs = losses.term_weights(np.arange(len(pairs.better)), pairs.series, *weights)
        ordered = tf.cast(better > worse, tf.float32)
        self.report(self.ordered_pairs, ordered, tf.broadcast_to(of_pairs, tf.shape(ordered)))
        return losses.ranking(predictions, pairs, self.margin, *weights)


@keras.utils.register_keras_serializable("nima_pretrain")
class ClassificationLoss(DistortionLoss):
    """Loss layer of `distortion_losses.classification`: logits by aspect -> the same."""

    def raw(self, predictions: dict[str, tf.Tensor], *weights: tf.Tensor | None) -> tf.Tensor:
        return losses.classification(predictions, targets.class_terms(self.bank), *weights)


@keras.utils.register_keras_serializable("nima_pretrain")
class RegressionLoss(DistortionLoss):
    """Loss layer of `distortion_losses.regression`: levels (B, V, D) -> the same."""

    def raw(self, predictions: tf.Tensor, *weights: tf.Tensor | None) -> tf.Tensor:
        return losses.regression(predictions, targets.level_terms(self.bank), *weights)


@keras.utils.register_keras_serializable("nima_pretrain")
class CrossPhotoRankingLoss(MarginLoss):
    """Loss layer of `distortion_losses.cross_photo_ranking`: scores (B, V) -> the same."""

    def raw(self, predictions: tf.Tensor, *weights: tf.Tensor | None) -> tf.Tensor:
        pairs = targets.ranked_pairs(self.bank)
        return losses.cross_photo_ranking(predictions, pairs, self.margin, *weights)


@keras.utils.register_keras_serializable("nima_pretrain")
class LevelConsistencyLoss(DistortionLoss):
    """Loss layer of `distortion_losses.level_consistency`: scores (B, V) -> the same."""

    def raw(self, predictions: tf.Tensor, *weights: tf.Tensor | None) -> tf.Tensor:
        return losses.level_consistency(predictions, targets.distorted_views(self.bank), *weights)
