"""Optimizer steps from a batch's gradient, for Keras 2 and 3.

Small gradients vanish in float16. Therefore both versions of Keras wrap an optimizer into a
`LossScaleOptimizer`, which lowers its scale after gradients that are not finite.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor | float:
    """Returns the factor to multiply a loss with before its gradient is taken; 1 for most.

    Args:
        optimizer: built, since Keras 3 creates the scale's variable then.
    """
    if hasattr(optimizer, "get_scaled_loss"):  # Keras 2
        return optimizer.get_scaled_loss(tf.constant(1.0))
    if hasattr(optimizer, "scale_loss"):  # Keras 3, any optimizer
        return optimizer.scale_loss(1.0)
    return 1.0


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[Any]
) -> None:
    """Applies one step of an optimizer.

    Args:
        optimizer: built.
        gradients: of a loss multiplied with `loss_scale`. Under a distribution strategy every
            replica must pass the gradients of the full batch.
        variables: one per gradient.
    """
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    options = {}
    if hasattr(optimizer, "scale_loss"):
        # Keras 3 divides by the scale, and always sums the gradients of all replicas.
        gradients = [gradient / num_replicas for gradient in gradients]
    else:
        if hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        if num_replicas > 1:
            options["skip_gradients_aggregation"] = True
    optimizer.apply_gradients(zip(gradients, variables, strict=True), **options)
