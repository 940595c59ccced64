"""SimCLR: contrastive learning of two views (Chen, Kornblith, Norouzi and Hinton, 2020)."""

import math
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.config.pretext import SimCLRConfig
from nima_pretrain.distortions import SquareViews
from nima_pretrain.distortions.augmentations import augmented_pair
from nima_pretrain.networks.optimizers import adam, with_loss_scale
from nima_pretrain.pretext.loss_layers import LossLayer
from nima_pretrain.pretext.method import Method, Progress
from nima_pretrain.pretext.model import Inputs, Predictions

_PROJECTION = 64  # units


class SimCLR(Method[SimCLRConfig]):
    """Contrastive learning: each of two random views of a photo has to identify the other.

    Adam at 3e-4 for 256 photos a batch with cosine decay, as in the PyTorch version with which the
    paper on distorted views compares. Negatives are all other views of the batch, since every
    replica of a distribution strategy has the features of the full batch.
    """

    name = "simclr"
    config_class = SimCLRConfig
    progress = Progress("partner_accuracy", "partners found")

    def __init__(self, config: SimCLRConfig) -> None:
        super().__init__(config)
        pair = partial(
            augmented_pair, smallest_crop=config.smallest_crop, strength=config.jitter_strength
        )
        self.views = SquareViews("augmented pair", ("first", "second"), pair)

    def heads(self, inputs: Inputs) -> Predictions:
        features = inputs["features"]  # (B, 2, F)
        units = features.shape[-1]
        hidden = keras.layers.Dense(units, "relu", dtype="float32", name="hidden")(features)
        projection = keras.layers.Dense(_PROJECTION, dtype="float32", name="projection")
        loss = ContrastiveLoss(self.config.temperature, name=self.name)
        return {self.name: loss(projection(hidden))}

    def optimizer(self) -> keras.optimizers.Optimizer:
        plain = adam(self.learning_rate(0), self.config.weight_decay)
        return with_loss_scale(plain, self.config.precision)

    def learning_rate(self, epoch: float) -> float:
        config = self.config
        first = config.learning_rate or 3e-4 * config.photos_per_batch / 256
        return first * (1 + math.cos(math.pi * int(epoch) / config.epochs)) / 2


@keras.utils.register_keras_serializable("nima_pretrain")
class ContrastiveLoss(LossLayer):
    """Loss layer of `nt_xent`: projections (B, 2, d) -> the same."""

    def __init__(self, temperature: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.temperature = temperature
        self.accuracy = keras.metrics.Mean(name=SimCLR.progress.metric)

    def call(self, projections: tf.Tensor) -> tf.Tensor:
        self.add_loss(nt_xent(projections, self.temperature))
        nearest = tf.argmax(view_similarities(projections), axis=1, output_type=tf.int32)
        found = nearest == partners_of(projections)  # (2 B,)
        self.report(self.accuracy, tf.cast(found, tf.float32))
        return projections

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


def nt_xent(projections: tf.Tensor, temperature: float = 0.5) -> tf.Tensor:
    """Returns the normalized, temperature-scaled cross-entropy of identifying a view's partner.

    Chen, Kornblith, Norouzi and Hinton (2020), equation 1: for each of the 2 B views, the partner
    among the 2 B - 1 others is classified by cosine similarity; averaged over the views.

    Args:
        projections: (B, 2, d) floats, of the two views of every photo.
        temperature: divisor of the similarities, above 0.
    """
    similarities = view_similarities(projections) / temperature
    partners = partners_of(projections)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(partners, similarities))


def view_similarities(projections: tf.Tensor) -> tf.Tensor:
    """Returns the cosine similarities (2 B, 2 B) of all views, first views first; diagonal -1e9.

    Args:
        projections: (B, 2, d) floats.
    """
    views = tf.concat(tf.unstack(tf.cast(projections, tf.float32), axis=1), axis=0)  # (2 B, d)
    views = tf.math.l2_normalize(views, axis=1)
    similarities = tf.matmul(views, views, transpose_b=True)
    return tf.linalg.set_diag(similarities, tf.fill(tf.shape(similarities)[:1], -1e9))


def partners_of(projections: tf.Tensor) -> tf.Tensor:
    """Returns the index of each view's partner in `view_similarities`, (2 B,) int32."""
    num_photos = tf.shape(projections)[0]
    return tf.concat([tf.range(num_photos) + num_photos, tf.range(num_photos)], axis=0)
