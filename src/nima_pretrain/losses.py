"""The public losses, for custom training loops.

Those on distorted views are defined in `pretext.distortion_losses` with index arrays; here they
take a bank instead. The earth mover's distance is defined in `networks.emd`.
"""

from collections.abc import Mapping

import tensorflow as tf

from nima_pretrain.distortions import DistortionBank
from nima_pretrain.networks.emd import earth_movers_distance
from nima_pretrain.pretext import distortion_losses as equations
from nima_pretrain.pretext import targets
from nima_pretrain.pretext.distortion_losses import balanced

__all__ = ["balanced", "classification", "earth_movers_distance", "ranking", "regression"]


def ranking(
    scores: tf.Tensor,
    bank: DistortionBank,
    margin: float = 0.2,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the margin loss over all ordered pairs of a bank, a float32 scalar.

    Args:
        scores: (B, V) floats, the aesthetic score of every view.
        bank: the bank that rendered the views.
        margin: see `distortion_losses.ranking`.
        differences: see `distortion_losses`.
        series_weights: see `distortion_losses`.
    """
    return equations.ranking(
        scores, targets.ranked_pairs(bank), margin, differences, series_weights
    )


def classification(
    logits: Mapping[str, tf.Tensor],
    bank: DistortionBank,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the cross-entropy of classifying the distortion, a float32 scalar.

    Args:
        logits: for every aspect (B, V, classes of the aspect) floats before the softmax.
        bank: the bank that rendered the views.
        differences: see `distortion_losses`.
        series_weights: see `distortion_losses`.
    """
    return equations.classification(logits, targets.class_terms(bank), differences, series_weights)


def regression(
    levels: tf.Tensor,
    bank: DistortionBank,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the squared error of the levels, a float32 scalar.

    Args:
        levels: (B, V, distortions) floats, in the bank's order.
        bank: the bank that rendered the views.
        differences: see `distortion_losses`.
        series_weights: see `distortion_losses`.
    """
    return equations.regression(levels, targets.level_terms(bank), differences, series_weights)
