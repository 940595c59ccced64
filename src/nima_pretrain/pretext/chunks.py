"""Gradient caching (Gao et al. 2021): the exact gradient of a large batch, chunk by chunk.

The activations of a thousand images fill a hundred gigabytes, but the heads need only one feature
vector per image. So the features are computed chunk by chunk without a tape. The heads and losses
run once, on all features, and give the gradient by the features. Then each chunk is run again,
under a tape, and its part of that gradient is back-propagated. By the chain rule the sum over the
chunks is the gradient of the full batch; the memory is that of one chunk.

Batch-norm normalizes within a chunk, so both passes use the same chunks. Images are shuffled over
the chunks, since the statistics of a dozen views of one photo are not those of photographs.

Under a distribution strategy every replica gets the full batch and processes every R-th chunk, and
the results are summed over the replicas. So the result is that of one device. The workers of a
training on several machines divide the chunks in the same way, see `networks.workers`; the chunks
do not depend on their number.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nima_pretrain.networks.workers import workers


class Chunks(NamedTuple):
    """A shuffled partition of images into chunks of nearly equal size.

    Attributes:
        order: (N,) int32, a permutation of the images.
        bounds: (C + 1,) int32, from 0 to N; chunk c is `order[bounds[c]:bounds[c + 1]]`.
    """

    order: tf.Tensor
    bounds: tf.Tensor

    @property
    def count(self) -> tf.Tensor:
        """C, the number of chunks."""
        return tf.shape(self.bounds)[0] - 1

    def images_of(self, chunk: tf.Tensor) -> tf.Tensor:
        """Returns the indices of the images of one chunk, (n,) int32."""
        return self.order[self.bounds[chunk] : self.bounds[chunk + 1]]


def shuffled_chunks(num_images: tf.Tensor, chunk_size: int, seed: tf.Tensor) -> Chunks:
    """Returns chunks of at most `chunk_size` images, of nearly equal size.

    A small last chunk would have noisy batch statistics.

    Args:
        num_images: N, int32 scalar.
        chunk_size: largest number of images per chunk.
        seed: (2,) integers; the same seed gives the same chunks.
    """
    order = tf.random.experimental.stateless_shuffle(tf.range(num_images), seed)
    count = (num_images + chunk_size - 1) // chunk_size
    return Chunks(order, tf.range(count + 1) * num_images // count)


def features_in_chunks(
    backbone: keras.Model, images: tf.Tensor, chunks: Chunks, training: bool, xla: bool = False
) -> tf.Tensor:
    """Returns the features of all images, (N, F) float32, in the order of the images; no tape.

    In training the moving statistics of batch-norm are updated once, by the mean over the chunks,
    as if the full batch had one mean and one variance.

    Args:
        backbone: (n, S, S, 3) uint8 -> (n, F).
        images: (N, S, S, 3) uint8.
        chunks: the partition of the images.
        training: whether batch-norm uses the statistics of the chunk.
        xla: whether XLA compiles the computation of a chunk.
    """
    num_images = tf.shape(images)[0]
    forward = _maybe_compiled(lambda some: backbone(some, training=training), xla)
    moving = _moving_statistics(backbone) if training else []
    before = [tf.identity(variable) for variable in moving]

    def step(chunk: tf.Tensor, features: tf.Tensor, means: list[tf.Tensor]) -> tuple:
        rows = chunks.images_of(chunk)
        for variable, value in zip(moving, before, strict=True):
            variable.assign(value)
        of_chunk = tf.cast(forward(tf.gather(images, rows)), tf.float32)
        share = tf.cast(tf.shape(rows)[0] / num_images, tf.float32)
        means = [mean + share * new for mean, new in zip(means, moving, strict=True)]
        return tf.tensor_scatter_nd_update(features, rows[:, None], of_chunk), means

    features = tf.zeros((num_images, backbone.output_shape[-1]))
    means = [tf.zeros_like(value) for value in before]
    features, means = _sum_over(chunks, step, features, means)
    for variable, mean in zip(moving, means, strict=True):
        variable.assign(mean)
    return features


def gradients_in_chunks(
    backbone: keras.Model,
    head: keras.Model,
    images: tf.Tensor,
    chunks: Chunks,
    loss_of: Callable[[tf.Tensor], tf.Tensor],
    training: bool = True,
    xla: bool = False,
    scale: tf.Tensor | float = 1.0,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns a loss of the features of all images, and its gradient.

    The gradient is of the trainable variables of the backbone, then of the head, times the scale.

    Args:
        backbone: see `features_in_chunks`.
        head: the model with the other variables of the loss.
        images: see `features_in_chunks`.
        chunks: see `features_in_chunks`.
        loss_of: from features (N, F) float32 to a scalar.
        training: see `features_in_chunks`.
        xla: see `features_in_chunks`.
        scale: loss scale of a mixed precision.
    """
    features = features_in_chunks(backbone, images, chunks, training, xla)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = loss_of(features)
        scaled = scale * loss
    by_features, by_head = tape.gradient(scaled, (features, head.trainable_variables))
    by_backbone = []
    if backbone.trainable_variables:
        by_backbone = backpropagate_in_chunks(backbone, images, chunks, by_features, training, xla)
    return loss, [*by_backbone, *by_head]


def backpropagate_in_chunks(
    backbone: keras.Model,
    images: tf.Tensor,
    chunks: Chunks,
    gradients: tf.Tensor,
    training: bool = True,
    xla: bool = False,
) -> list[tf.Tensor]:
    """Returns the gradient of the backbone's trainable variables, one tensor each.

    The moving statistics are unchanged.

    Args:
        backbone: the backbone that computed the features.
        images: the images given to `features_in_chunks`.
        chunks: the chunks given to `features_in_chunks`.
        gradients: (N, F) float32, the gradient of the loss by the features.
        training: see `features_in_chunks`.
        xla: see `features_in_chunks`.
    """
    variables = backbone.trainable_variables
    moving = _moving_statistics(backbone)
    before = [tf.identity(variable) for variable in moving]

    def backpropagate(some: tf.Tensor, by_features: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            features = backbone(some, training=training)
        return tape.gradient(
            features,
            variables,
            output_gradients=tf.cast(by_features, features.dtype),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    backpropagate = _maybe_compiled(backpropagate, xla)

    def step(chunk: tf.Tensor, sums: list[tf.Tensor]) -> tuple:
        rows = chunks.images_of(chunk)
        parts = backpropagate(tf.gather(images, rows), tf.gather(gradients, rows))
        return ([total + part for total, part in zip(sums, parts, strict=True)],)

    (sums,) = _sum_over(chunks, step, [tf.zeros_like(variable) for variable in variables])
    for variable, value in zip(moving, before, strict=True):
        variable.assign(value)
    return sums


def _sum_over(chunks: Chunks, step: Callable[..., tuple], *state: Any) -> tuple:
    """Returns the state after `step` has run on every chunk, summed over all replicas or workers.

    Chunks run one at a time; in parallel all would take memory at once.
    """
    replica, others = tf.distribute.get_replica_context(), workers()
    if others.count > 1:
        first, num_replicas = tf.constant(others.index), others.count
    else:
        first = tf.cast(replica.replica_id_in_sync_group, tf.int32)
        num_replicas = replica.num_replicas_in_sync
    _, *state = tf.while_loop(
        lambda chunk, *_: chunk < chunks.count,
        lambda chunk, *state: (chunk + num_replicas, *step(chunk, *state)),
        (first, *state),
        parallel_iterations=1,
    )
    if others.count > 1:
        state = others.sum(state)
    elif num_replicas > 1:
        state = replica.all_reduce(tf.distribute.ReduceOp.SUM, state)
    return tuple(state)


def _maybe_compiled(function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
    # XLA needs static sizes; those of chunks differ by one at most, so two versions are compiled.
    return tf.function(function, jit_compile=True) if xla else function


def _moving_statistics(backbone: keras.Model) -> list[tf.Variable]:
    return [
        variable
        for layer in backbone.layers
        # The statistics of a frozen layer do not change, and averaging would round them.
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for variable in (layer.moving_mean, layer.moving_variance)
    ]
