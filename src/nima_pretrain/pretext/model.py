"""The pretext model: one backbone on all views, heads with loss layers, exact training steps."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.networks.gradients import apply_gradients, loss_scale
from nima_pretrain.networks.layers import BackboneOnViews
from nima_pretrain.networks.workers import workers
from nima_pretrain.pretext.chunks import (
    Chunks,
    features_in_chunks,
    gradients_in_chunks,
    shuffled_chunks,
)

# Images at once in validation, where the result does not depend on it.
_WITHOUT_TAPE = 32

Inputs = Mapping[str, tf.Tensor]  # of heads: "features" (B, V, F), and outputs of view layers
Predictions = dict[str, Any]


class Steps(NamedTuple):
    """Settings of the training steps.

    Attributes:
        chunk_size: images per chunk: the memory of a step, and the batch of batch-norm; None for
            the whole batch at once, on one tape.
        seed: seed of shuffling images over chunks, anew in every step.
        xla: whether XLA compiles the computation of a chunk.
    """

    chunk_size: int | None = 12
    seed: int = 0
    xla: bool = False


class PretextModel(keras.Model):
    """Views (B, V, S, S, 3) uint8 -> a dict of predictions by task, with exact training steps.

    A step computes the gradient of the full batch in the memory of one chunk, see
    `pretext.chunks`. The model contains its losses: compile it with an optimizer only, and fit it
    on views only. A batch may be a sample of the views instead, `data.series_batches.SeriesSample`.
    Of several workers each gives its share of a batch, and steps on the whole one.

    Attributes:
        chunk_size: see `Steps`.
        seed: see `Steps`.
        xla: see `Steps`.
    """

    def __init__(self, *args: Any, steps: Steps | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.chunk_size, self.seed, self.xla = steps or Steps()
        self.loss_mean = keras.metrics.Mean(name="loss")

    @property
    def backbone(self) -> keras.Model:
        """The network on one image: (n, S, S, 3) uint8 -> (n, F)."""
        return self.get_layer("backbone_on_views").backbone

    @property
    def heads(self) -> keras.Model:
        """The heads: inputs by name, including "features" (B, V, F) -> predictions by task."""
        return self.get_layer("heads")

    def predict_from_features(self, features: np.ndarray) -> Predictions:
        """Returns the predictions by task as NumPy arrays from features (B, V, F) float32."""
        # Other inputs of the heads only weight losses, so zeros do.
        others = {
            name: np.zeros((len(features), *self.heads.get_layer(name).output.shape[1:]), "float32")
            for name in self._view_inputs
        }
        predicted = self.heads({"features": features, **others}, training=False)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), predicted)

    def compile(self, optimizer: keras.optimizers.Optimizer, **options: Any) -> None:
        """Compiles with an optimizer of the trainable variables; the losses are built in."""
        super().compile(optimizer, **options)
        self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one optimizer step with the gradient of the full batch."""
        views = workers().gather(keras.utils.unpack_x_y_sample_weight(data)[0])
        loss, gradients = (
            self._gradients_in_chunks(views) if self.chunk_size else self._gradients_at_once(views)
        )
        variables = [*self.backbone.trainable_variables, *self.heads.trainable_variables]
        apply_gradients(self.optimizer, gradients, variables)
        return self._results(loss, views)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Computes the losses of a batch, in the memory of one chunk."""
        views = workers().gather(keras.utils.unpack_x_y_sample_weight(data)[0])
        images = _images_of(views)
        chunks = self._chunks(images, step=0)
        features = features_in_chunks(self.backbone, images, chunks, False, self.xla)
        return self._results(self._loss(views, features, training=False), views)

    def _gradients_in_chunks(self, views: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        images = _images_of(views)
        chunks = self._chunks(images, step=self.optimizer.iterations)

        def loss_of(features: tf.Tensor) -> tf.Tensor:
            return self._loss(views, features, training=True)

        return gradients_in_chunks(
            self.backbone,
            self.heads,
            images,
            chunks,
            loss_of,
            xla=self.xla,
            scale=loss_scale(self.optimizer),
        )

    def _gradients_at_once(self, views: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            features = tf.cast(self.backbone(_images_of(views), training=True), tf.float32)
            loss = self._loss(views, features, training=True)
            scaled = loss_scale(self.optimizer) * loss
        variables = [*self.backbone.trainable_variables, *self.heads.trainable_variables]
        return loss, tape.gradient(scaled, variables)

    def _chunks(self, images: tf.Tensor, step: tf.Tensor | int) -> Chunks:
        seed = tf.stack([self.seed, tf.cast(step, tf.int32)])
        return shuffled_chunks(tf.shape(images)[0], self.chunk_size or _WITHOUT_TAPE, seed)

    def _loss(self, views: Any, features: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the sum of all losses, from the features of all images, (N, F)."""
        num_views, num_features = self.input_shape[1], self.backbone.output_shape[-1]
        layers = {name: self.get_layer(name) for name in self._view_inputs}
        if isinstance(views, Mapping):
            num_photos = tf.shape(views["series_weights"])[0]
            shape = (num_photos, num_views, num_features)
            by_view = tf.scatter_nd(views["places"], features, shape)  # 0 where not sampled
            others = {name: layer.of_sample(views) for name, layer in layers.items()}
        else:
            by_view = tf.reshape(features, (-1, num_views, num_features))  # (B, V, F)
            others = {name: layer(views) for name, layer in layers.items()}
        self.heads({"features": by_view, **others}, training=training)
        return tf.add_n(self.heads.losses)

    @property
    def _view_inputs(self) -> list[str]:
        """Names of the heads' inputs that view layers of the same names compute."""
        return [tensor.name for tensor in self.heads.inputs if tensor.name != "features"]

    def _results(self, loss: tf.Tensor, views: Any) -> dict[str, tf.Tensor]:
        by_photo = views["series_weights"] if isinstance(views, Mapping) else views
        self.loss_mean.update_state(loss, tf.cast(tf.shape(by_photo)[0], tf.float32))
        return {metric.name: metric.result() for metric in self.metrics}


def assemble(
    backbone: keras.Model,
    num_views: int,
    heads: Callable[[Inputs], Predictions],
    view_layers: Mapping[str, keras.layers.Layer],
    steps: Steps,
) -> PretextModel:
    """Returns the pretext model of a backbone and heads that end in loss layers.

    Args:
        backbone: (n, S, S, 3) uint8 -> (n, F); shared, not copied.
        num_views: V, the number of views per photo.
        heads: from inputs by name, "features" (B, V, F) and those of `view_layers`, to predictions
            by name.
        view_layers: layers that compute further inputs of the heads from the views
            (B, V, S, S, 3) uint8, by name; they are not trained.
        steps: settings of the training steps.
    """
    size = backbone.input_shape[1]
    views = keras.Input((num_views, size, size, 3), dtype="uint8", name="views")
    given = {"features": BackboneOnViews(backbone, name="backbone_on_views")(views)}
    given |= {name: layer(views) for name, layer in view_layers.items()}
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype="float32", name=name)
        for name, tensor in given.items()
    }
    model = keras.Model(inputs, heads(inputs), name="heads")
    return PretextModel(views, model(given), steps=steps, name="pretext")


def _images_of(views: Any) -> tf.Tensor:
    """Returns the images (N, S, S, 3) uint8 of a batch of views or of a sample."""
    if isinstance(views, Mapping):
        return views["images"]
    size = views.shape[2]
    return tf.reshape(views, (-1, size, size, 3))  # (B * V, S, S, 3)
