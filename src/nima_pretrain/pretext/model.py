"""The pretext model: one backbone on all views, one head and loss for each task."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.distortions import AugmentedPair, DistortionBank, Rotations, Views
from nima_pretrain.networks.gradients import apply_gradients, loss_scale
from nima_pretrain.networks.layers import BackboneOnViews, PairDifferences
from nima_pretrain.pretext.chunks import (
    Chunks,
    features_in_chunks,
    pull_back_in_chunks,
    shuffled_chunks,
)
from nima_pretrain.pretext.tasks import TASKS, Predictions, PretextTask, RotNet, SimCLR


class PretextModel(keras.Model):
    """Views (B, V, S, S, 3) uint8 -> a dict of predictions by task, with exact training steps.

    A step takes the gradient of the whole batch in the memory of one chunk of images; see
    `networks.chunks`. The losses are inside: compile it with an optimiser alone, fit it on views
    alone.

    Attributes:
        chunk_size: images that are on a tape at once, and that batch-norm sees together.
        seed: of the shuffling of images over chunks, which changes with every step.
        xla: whether XLA compiles what is done with a chunk.
    """

    def __init__(
        self, *args: Any, chunk_size: int = 12, seed: int = 0, xla: bool = False, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.chunk_size = chunk_size
        self.seed = seed
        self.xla = xla
        self.loss_mean = keras.metrics.Mean(name="loss")

    @property
    def backbone(self) -> keras.Model:
        """The network on one image: (n, S, S, 3) uint8 -> (n, F)."""
        return self.get_layer("backbone_on_views").backbone

    @property
    def heads(self) -> keras.Model:
        """What follows: features (B, V, F), and differences of pairs where the bank needs them."""
        return self.get_layer("heads")

    def predict_from_features(self, features: np.ndarray) -> dict[str, Any]:
        """Returns the predictions by task, in NumPy, from features (B, V, F) float32."""
        inputs = [features]
        if len(self.heads.inputs) > 1:  # differences only weigh losses
            inputs.append(np.zeros((len(features), self.heads.inputs[1].shape[1]), np.float32))
        predicted = self.heads(inputs if len(inputs) > 1 else features, training=False)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), predicted)

    def compile(self, optimizer: keras.optimizers.Optimizer, **options: Any) -> None:
        """Compiles, with an optimiser alone; it trains what is trainable now."""
        super().compile(optimizer, **options)
        self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one step of the optimiser with the gradient of the whole batch."""
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        images = _without_view_axis(views)
        chunks = self._chunks(images, step=self.optimizer.iterations)
        features = self._features(views, images, chunks, training=True)
        backbone, heads = self.backbone.trainable_variables, self.heads.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = self._loss(views, features, training=True)
            scaled = loss_scale(self.optimizer) * loss
        by_features, by_heads = tape.gradient(scaled, (features, heads))
        by_backbone = []
        if backbone:
            flat = tf.reshape(by_features, (-1, features.shape[-1]))  # (B * V, F)
            by_backbone = pull_back_in_chunks(self.backbone, images, chunks, flat, self.xla)
        apply_gradients(self.optimizer, [*by_backbone, *by_heads], [*backbone, *heads])
        return self._results(loss)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Computes the losses of a batch, in the memory of one chunk."""
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        images = _without_view_axis(views)
        chunks = self._chunks(images, step=0)
        features = self._features(views, images, chunks, training=False)
        return self._results(self._loss(views, features, training=False))

    def _chunks(self, images: tf.Tensor, step: tf.Tensor | int) -> Chunks:
        seed = tf.stack([self.seed, tf.cast(step, tf.int32)])
        return shuffled_chunks(tf.shape(images)[0], self.chunk_size, seed)

    def _features(
        self, views: tf.Tensor, images: tf.Tensor, chunks: Chunks, training: bool
    ) -> tf.Tensor:
        flat = features_in_chunks(self.backbone, images, chunks, training, self.xla)
        num_views, num_features = views.shape[1], self.backbone.output_shape[-1]
        return tf.reshape(flat, (-1, num_views, num_features))  # (B, V, F)

    def _loss(self, views: tf.Tensor, features: tf.Tensor, training: bool) -> tf.Tensor:
        names = [layer.name for layer in self.layers]
        if "pair_differences" in names:
            differences = self.get_layer("pair_differences")(views)
            self.heads([features, differences], training=training)
        else:
            self.heads(features, training=training)
        return tf.add_n(self.heads.losses)

    def _results(self, loss: tf.Tensor) -> dict[str, tf.Tensor]:
        self.loss_mean.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


def build_pretext_model(
    backbone: keras.Model,
    bank: DistortionBank,
    tasks: Sequence[str] = ("ranking", "regression"),
    dropout: float = 0.2,
    temperature: float = 50.0,
    margin: float = 0.2,
    chunk_size: int = 12,
    seed: int = 0,
    xla: bool = False,
) -> PretextModel:
    """Returns a model from views (B, V, S, S, 3) uint8 to a dict of predictions by task.

    Args:
        backbone: from `build_backbone`; it is trained in place.
        bank: says what the V views are.
        tasks: names from `tasks.TASKS`.
        dropout: rate before each head.
        temperature: T of the balance between tasks.
        margin: m of the ranking loss.
        chunk_size: images that are on a tape at once, and that batch-norm sees together.
        seed: of the shuffling of images over chunks, and of dropout.
        xla: whether XLA compiles what is done with a chunk.

    Raises:
        ValueError: a task is not known.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"Unknown tasks {unknown}. Known tasks: {', '.join(TASKS)}.")
    chosen = [TASKS[name](bank, dropout, temperature, margin, seed) for name in tasks]
    return assemble(backbone, bank, chosen, chunk_size, seed, xla)


def build_rotnet(
    backbone: keras.Model, chunk_size: int = 32, seed: int = 0, xla: bool = False
) -> PretextModel:
    """Returns a model from rotated photos (B, 4, S, S, 3) uint8 to {"rotnet": (B, 4, 4) logits}.

    See `build_pretext_model` for the arguments.
    """
    return assemble(backbone, Rotations(), [RotNet()], chunk_size, seed, xla)


def build_simclr(
    backbone: keras.Model,
    temperature: float = 0.5,
    chunk_size: int = 32,
    seed: int = 0,
    xla: bool = False,
) -> PretextModel:
    """Returns a model from pairs of views (B, 2, S, S, 3) uint8 to {"simclr": (B, 2, 64)}.

    Negatives are all other views of the batch, wherever they are computed: every replica of a
    distribution strategy has the features of the whole batch.

    Args:
        backbone: see `build_pretext_model`, as for the others.
        temperature: of the contrastive loss.
        chunk_size: of the forward and backward passes; the loss sees the whole batch.
        seed: see there.
        xla: see there.
    """
    return assemble(backbone, AugmentedPair(), [SimCLR(temperature)], chunk_size, seed, xla)


def assemble(
    backbone: keras.Model,
    views: Views,
    tasks: Sequence[PretextTask],
    chunk_size: int,
    seed: int,
    xla: bool,
) -> PretextModel:
    """Returns a backbone on views, followed by the heads of tasks; see `build_pretext_model`."""
    size, num_features = backbone.input_shape[1], backbone.output_shape[-1]
    photos = keras.Input((views.num_views, size, size, 3), dtype="uint8", name="views")
    features = keras.Input((views.num_views, num_features), name="features")
    inputs, differences = [features], None
    given = [BackboneOnViews(backbone, name="backbone_on_views")(photos)]
    if isinstance(views, DistortionBank) and views.drops_void_terms:
        differences = keras.Input((len(views.pairs.better),), name="differences")
        inputs.append(differences)
        given.append(PairDifferences(views, name="pair_differences")(photos))
    predictions: Predictions = {}
    for task in tasks:
        predictions |= task.attach(features, differences, predictions)
    # Keras 3 wants to be called with what it was made of: a list or a tensor.
    heads = keras.Model(inputs if len(inputs) > 1 else features, predictions, name="heads")
    outputs = heads(given if len(given) > 1 else given[0])
    return PretextModel(photos, outputs, chunk_size=chunk_size, seed=seed, xla=xla, name="pretext")


def _without_view_axis(views: tf.Tensor) -> tf.Tensor:
    size = views.shape[2]
    return tf.reshape(views, (-1, size, size, 3))  # (B * V, S, S, 3)
