"""From the gradient of a whole batch to a step of an optimiser, by Keras 2 and 3 alike.

Small gradients vanish in float16. Against that, both Keras wrap an optimiser into a
`LossScaleOptimizer`, which lowers its scale after gradients that are not finite.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor | float:
    """Returns what a loss is to be multiplied with before its gradient is taken; 1 for most.

    Args:
        optimizer: built: before that, Keras 3 has no variable for the scale.
    """
    if hasattr(optimizer, "get_scaled_loss"):  # Keras 2
        return optimizer.get_scaled_loss(tf.constant(1.0))
    if hasattr(optimizer, "scale_loss"):  # Keras 3, whatever the optimiser
        return optimizer.scale_loss(1.0)
    return 1.0


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[Any]
) -> None:
    """Makes a step.

    Args:
        optimizer: built.
        gradients: of a loss that was multiplied with `loss_scale`. Every replica of a distribution
            strategy has to have them in whole already.
        variables: one for each gradient.
    """
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    options = {}
    if hasattr(optimizer, "scale_loss"):
        # Keras 3 divides by the scale, and always adds up what the replicas have.
        gradients = [gradient / num_replicas for gradient in gradients]
    else:
        if hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        if num_replicas > 1:
            options["skip_gradients_aggregation"] = True
    optimizer.apply_gradients(zip(gradients, variables, strict=True), **options)
