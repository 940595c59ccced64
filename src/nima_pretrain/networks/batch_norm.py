"""Batch normalization by TensorFlow's fused kernel, which Keras 2 uses and Keras 3 does not.

Keras 3 composes the normalization of several operations, each of which reads and writes all
activations: forward and backward pass take twice as long. The fused layer has the same weights
under the same names. As with Keras 2, the moving variance follows the unbiased variance of the
batches.
"""

from typing import Any

import keras
import tensorflow as tf

IS_FUSED_BY_KERAS = keras.__version__.startswith("2.")


@keras.utils.register_keras_serializable("nima_pretrain")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization of images (B, H, W, C) float32 by one fused operation."""

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        if self.compute_dtype != "float32" or len(inputs.shape) != 4 or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        in_training = bool(training) and self.trainable
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[] if in_training else self.moving_mean,
            variance=[] if in_training else self.moving_variance,
            epsilon=self.epsilon,
            is_training=in_training,
        )
        if in_training:
            for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + of_batch * (1 - self.momentum))
        return outputs


def with_fused_batch_norm(model: keras.Model) -> keras.Model:
    """Returns a new model, with new weights, whose batch-norm layers on images are fused.

    Args:
        model: a functional model.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        is_batch_norm = type(layer) is keras.layers.BatchNormalization
        kind = FusedBatchNormalization if is_batch_norm else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)
