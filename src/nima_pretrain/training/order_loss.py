"""The loss of the ordering stage, on the targets of `data.graded_batches`."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config.order import OrderConfig
from nima_pretrain.data.graded_batches import Source
from nima_pretrain.networks.emd import distances_by_photo


class Pairs(NamedTuple):
    """Pairs (i, j) of images of a batch, each (N, N) float32.

    Attributes:
        gaps: s_j - s_i, in points.
        depths: d_j - d_i, in points.
        ordered: 1 where both are of one group and j should score lower, else 0.
        equal: 1 where both are of one group and should score the same, once per pair, else 0.
    """

    gaps: tf.Tensor
    depths: tf.Tensor
    ordered: tf.Tensor
    equal: tf.Tensor


def pairs_of(scores: tf.Tensor, group: tf.Tensor, depth: tf.Tensor) -> Pairs:
    """Returns all pairs of images.

    Args:
        scores: (N,) floats, mean scores.
        group: (N,) floats; negative for images without a group.
        depth: (N,) floats, in points.
    """
    depths = depth[None] - depth[:, None]
    is_one_group = (group[None] == group[:, None]) & (group >= 0)
    places = tf.range(tf.shape(group)[0])
    is_later = places[None] > places[:, None]
    ordered = is_one_group & (depths > 0)
    equal = is_one_group & (depths == 0) & is_later
    return Pairs(
        scores[None] - scores[:, None],
        depths,
        tf.cast(ordered, tf.float32),
        tf.cast(equal, tf.float32),
    )


class OrderLoss:
    """The loss of the ordering stage: (targets, distributions) -> a float32 scalar.

    EMD(y, p) of rated photos + weighted: EMD of views to the shifted distribution of their photo;
    max(0, d_j - d_i + s_j - s_i) over the pairs of a series, where d is the depth and s the mean
    score; |s_j - s_i| over the copies of a photo; EMD of pictures without content to the lowest
    scores. Each is a mean over the images or pairs that it applies to, and 0 without any.

    Attributes:
        scores: (n,) the score of every bin.
        config: the weights.
    """

    def __init__(self, scores: np.ndarray, config: OrderConfig) -> None:
        self.scores = scores.astype(np.float32)
        self.config = config

    def __call__(self, targets: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
        config = self.config
        distribution, source, group, depth = unpacked(targets)
        distances = distances_by_photo(distribution, predicted)  # (N,)

        def distance(of: Source) -> tf.Tensor:
            return _mean(distances, tf.cast(source == float(of), tf.float32))

        pairs = pairs_of(tf.linalg.matvec(predicted, self.scores), group, depth)
        return (
            distance(Source.RATED)
            + config.taught_weight * distance(Source.TAUGHT)
            + config.blank_weight * distance(Source.BLANK)
            + config.order_weight * _mean(tf.nn.relu(pairs.depths + pairs.gaps), pairs.ordered)
            + config.same_weight * _mean(tf.abs(pairs.gaps), pairs.equal)
        )


class OrderedPairs(keras.metrics.Mean):
    """The running share of pairs of a series whose mean scores are in order."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__(name="ordered_pairs")
        self._scores = scores.astype(np.float32)

    def update_state(
        self, targets: tf.Tensor, predicted: tf.Tensor, sample_weight: Any = None
    ) -> Any:
        _, _, group, depth = unpacked(targets)
        pairs = pairs_of(tf.linalg.matvec(predicted, self._scores), group, depth)
        return super().update_state(tf.cast(pairs.gaps < 0, tf.float32), pairs.ordered)


def unpacked(targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns distribution (N, n), source, group and depth (N,) of packed targets (N, n + 3)."""
    return targets[:, :-3], targets[:, -3], targets[:, -2], targets[:, -1]


def _mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))
