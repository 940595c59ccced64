"""A model of photos whose training steps take a batch in chunks, with the gradient of the whole."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.networks.gradients import apply_gradients
from nima_pretrain.networks.workers import workers
from nima_pretrain.pretext.chunks import (
    features_in_chunks,
    gradients_in_chunks,
    shuffled_chunks,
)

_BACKBONE, _REST = "backbone", "rest"


class ChunkedModel(keras.Model):
    """A model of a backbone and a head, photos (B, S, S, 3) uint8 -> (B, n), as `chunked` makes it.

    A step computes the features chunk by chunk, head and loss once on all of them, and the
    gradient of the backbone chunk by chunk again, see `pretext.chunks`. So dropout and the loss see
    the whole batch, and batch-norm of the backbone sees a chunk. Several workers divide the chunks.

    Attributes:
        chunk_size: largest number of photos of a chunk.
        seed: seed of shuffling photos over chunks, anew in every step.
        fixed: whether batch-norm of the backbone keeps its statistics in training.
    """

    def set_steps(self, config: FinetuneConfig) -> None:
        """Takes the settings of the steps; without a `chunk_size` the batch is one chunk."""
        self.chunk_size = config.chunk_size or config.batch_size
        self.seed = config.seed
        self.fixed = config.batch_norm == "fixed"
        self.loss_mean = keras.metrics.Mean(name="loss")

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    ) -> None:
        """Compiles with a function from targets (B, T) and outputs (B, n) to a scalar loss."""
        super().compile(optimizer)
        self._loss_of_batch = loss

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one optimizer step with the gradient of the whole batch."""
        photos, targets = workers().gather(data)
        backbone, rest = self._parts()
        in_training = backbone.trainable and not self.fixed
        seed = tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        chunks = shuffled_chunks(tf.shape(photos)[0], self.chunk_size, seed)

        def loss_of(features: tf.Tensor) -> tf.Tensor:
            return self._loss_of_batch(targets, rest(features, training=True))

        loss, gradients = gradients_in_chunks(
            backbone, rest, photos, chunks, loss_of, training=in_training
        )
        variables = [*backbone.trainable_variables, *rest.trainable_variables]
        apply_gradients(self.optimizer, gradients, variables)
        return self._results(loss, photos)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Computes the loss of a batch."""
        photos, targets = workers().gather(data)
        backbone, rest = self._parts()
        chunks = shuffled_chunks(tf.shape(photos)[0], self.chunk_size, tf.constant([self.seed, 0]))
        features = features_in_chunks(backbone, photos, chunks, False)
        return self._results(self._loss_of_batch(targets, rest(features, training=False)), photos)

    def _parts(self) -> tuple[keras.Model, keras.Model]:
        return self.get_layer(_BACKBONE), self.get_layer(_REST)

    def _results(self, loss: tf.Tensor, photos: tf.Tensor) -> dict[str, tf.Tensor]:
        self.loss_mean.update_state(loss, tf.cast(tf.shape(photos)[0], tf.float32))
        return {metric.name: metric.result() for metric in self.metrics}


def chunked(model: keras.Model, backbone: keras.Model, config: FinetuneConfig) -> ChunkedModel:
    """Returns a model of the same layers that trains in chunks.

    Args:
        model: a functional model that begins with the backbone.
        backbone: from `build_backbone`.
        config: provides `chunk_size`, `batch_norm` and `seed`.
    """
    rest = keras.Model(backbone.output, model.output, name=_REST)
    made = ChunkedModel(model.input, rest(backbone(model.input)), name=model.name)
    made.set_steps(config)
    return made
