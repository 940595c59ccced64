"""The fused batch-norm computes what Keras' own layer does, under the same names."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.networks import build_backbone
from nima_pretrain.networks.batch_norm import FusedBatchNormalization, with_fused_batch_norm

SHAPE = (4, 6, 5, 8)
SEEN = SHAPE[0] * SHAPE[1] * SHAPE[2]  # values of a channel


@pytest.fixture
def layers():
    """Keras' layer and the fused one, with the same random weights."""
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 2, SHAPE[-1]) for _ in range(4)]
    pair = [
        kind(momentum=0.9) for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    for layer in pair:
        layer.build((None, *SHAPE[1:]))
        layer.set_weights(weights)
    return pair


def run(layer, training):
    """Returns outputs, and gradients with respect to images, scale and offset."""
    rng = np.random.default_rng(1)
    images, weight = (tf.constant(rng.normal(size=SHAPE), tf.float32) for _ in range(2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=training)
        loss = tf.reduce_sum(weight * outputs**2)
    watched = [getattr(layer.gamma, "value", None), getattr(layer.beta, "value", None)]
    if callable(watched[0]) or watched[0] is None:  # Keras 2 has TensorFlow's own variables
        watched = [layer.gamma, layer.beta]
    return outputs, tape.gradient(loss, [images, *watched])


@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_equal_those_of_keras(layers, training):
    (expected, gradients), (outputs, fused_gradients) = (run(layer, training) for layer in layers)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    for gradient, reference in zip(fused_gradients, gradients, strict=True):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(gradient, reference, rtol=0, atol=1e-5 * scale)


def test_moving_statistics_follow_the_mean_and_the_unbiased_variance(layers):
    _, fused = layers
    _, _, mean, variance = fused.get_weights()
    images = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    run(fused, training=True)
    seen = images.reshape(SEEN, -1)
    _, _, new_mean, new_variance = fused.get_weights()
    np.testing.assert_allclose(new_mean, 0.9 * mean + 0.1 * seen.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        new_variance, 0.9 * variance + 0.1 * seen.var(axis=0, ddof=1), atol=1e-5
    )
    run(fused, training=False)
    fused.trainable = False
    run(fused, training=True)
    np.testing.assert_array_equal(fused.get_weights()[3], new_variance)


def test_a_backbone_keeps_its_names_and_outputs():
    model = build_backbone(input_size=32, width=0.35)
    fused = with_fused_batch_norm(model)
    fused.set_weights(model.get_weights())
    assert [w.name for w in fused.weights] == [w.name for w in model.weights]
    assert [layer.name for layer in fused.layers] == [layer.name for layer in model.layers]
    kinds = {type(layer) for layer in fused.layers if "BN" in layer.name or "bn" in layer.name}
    assert kinds == {FusedBatchNormalization}
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(
        fused(photos, training=False), model(photos, training=False), atol=1e-5
    )
