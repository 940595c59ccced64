"""RotNet: classifying the rotation of a photo (Gidaris, Singh and Komodakis, 2018)."""

from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.config.pretext import RotNetConfig
from nima_pretrain.distortions import SquareViews
from nima_pretrain.distortions.geometry import quarter_turns
from nima_pretrain.networks.optimizers import nesterov, with_loss_scale
from nima_pretrain.pretext.loss_layers import LossLayer
from nima_pretrain.pretext.method import Method, Progress
from nima_pretrain.pretext.model import Inputs, Predictions

VIEWS = SquareViews(
    "rotations", ("rotated_0", "rotated_90", "rotated_180", "rotated_270"), quarter_turns
)


class RotNet(Method[RotNetConfig]):
    """Classification of four rotations, with the learning rates of the authors' code.

    Their rate is 0.1 for batches of 192 photos in four rotations, and drops to a fifth three
    times.
    """

    name = "rotnet"
    config_class = RotNetConfig
    progress = Progress("rotation_accuracy", "rotations named")
    views = VIEWS

    def heads(self, inputs: Inputs) -> Predictions:
        rotation = keras.layers.Dense(self.views.num_views, dtype="float32", name="rotation")
        logits = rotation(inputs["features"])  # (B, 4, 4)
        return {self.name: RotationLoss(name=self.name)(logits)}

    def optimizer(self) -> keras.optimizers.Optimizer:
        config = self.config
        plain = nesterov(self.learning_rate(0), config.momentum, config.weight_decay)
        return with_loss_scale(plain, config.precision)

    def learning_rate(self, epoch: float) -> float:
        config = self.config
        first = config.learning_rate or 0.1 * config.photos_per_batch / 192
        drops = sum(epoch >= round(share * config.epochs) for share in config.drop_at)
        return first * config.drop_factor**drops


@keras.utils.register_keras_serializable("nima_pretrain")
class RotationLoss(LossLayer):
    """Loss layer of `rotation_loss`: logits (B, R, R) -> the same."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.accuracy = keras.metrics.Mean(name=RotNet.progress.metric)

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        self.add_loss(rotation_loss(logits))
        named = tf.argmax(logits, axis=-1, output_type=tf.int32)  # (B, R)
        self.report(self.accuracy, tf.cast(named == tf.range(tf.shape(logits)[1]), tf.float32))
        return logits


def rotation_loss(logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of classifying the rotation, averaged over all views.

    Gidaris, Singh and Komodakis (2018), equation 3. Uniform predictions give log 4.

    Args:
        logits: (B, R, R) floats before the softmax; view r was rotated by r steps.
    """
    logits = tf.cast(logits, tf.float32)
    turns = tf.broadcast_to(tf.range(tf.shape(logits)[1]), tf.shape(logits)[:2])  # (B, R)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(turns, logits))
