"""Optimisers against plain formulae: PyTorch's RMSProp and Adam, two rates, scaling."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig, PretrainConfig
from nima_pretrain.networks.optimizers import (
    backbone_and_head_optimizer,
    head_optimizer,
    learning_rates,
    scale_learning_rates,
)
from nima_pretrain.pretext.methods import pretext_of

GRADIENTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
START = np.array([1.0, -2.0, 0.5], np.float32)


def steps(optimizer):
    variable = tf.Variable(START)
    for gradient in GRADIENTS:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


def test_pretext_optimizer_is_rmsprop_with_decay_in_the_gradient():
    config = PretrainConfig(learning_rate=1e-2, weight_decay=0.3)
    value, square, momentum = START.astype(np.float64), 0.0, 0.0
    for gradient in GRADIENTS:
        gradient = gradient + 0.3 * value
        square = 0.9 * square + 0.1 * gradient**2
        momentum = 0.9 * momentum + gradient / np.sqrt(square)
        value = value - 1e-2 * momentum
    np.testing.assert_allclose(steps(pretext_of(config).optimizer()), value, rtol=1e-4)


def test_head_optimizer_is_adam_with_decay_in_the_gradient():
    config = FinetuneConfig(head_learning_rate=1e-2, weight_decay=0.3)
    value, first, second = START.astype(np.float64), 0.0, 0.0
    for t, gradient in enumerate(GRADIENTS, start=1):
        gradient = gradient + 0.3 * value
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        value = value - 1e-2 * first / (1 - 0.9**t) / np.sqrt(second / (1 - 0.999**t))
    np.testing.assert_allclose(steps(head_optimizer(config)), value, rtol=1e-4)


@pytest.fixture
def two_layers():
    inputs = keras.Input((4,))
    backbone = keras.Model(inputs, keras.layers.Dense(4, name="inner")(inputs), name="backbone")
    head = keras.layers.Dense(2, name="head")
    return keras.Model(inputs, head(backbone.output)), backbone, head


def test_backbone_and_head_move_at_their_own_rates(two_layers):
    model, backbone, head = two_layers
    config = FinetuneConfig(backbone_learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.0)
    model.compile(backbone_and_head_optimizer([backbone], [head], config), loss="mse")
    before = [layer.get_weights()[0] for layer in (backbone.layers[1], head)]
    model.fit(np.ones((8, 4)), np.full((8, 2), 9.0), epochs=1, verbose=0)
    after = [layer.get_weights()[0] for layer in (backbone.layers[1], head)]
    moved = [np.abs(new - old).max() for new, old in zip(after, before, strict=True)]
    # Adam's first step is the learning rate, whatever the gradient.
    assert moved == pytest.approx([1e-4, 1e-2], rel=1e-2)


def test_rates_are_scaled_while_training_goes_on(two_layers):
    model, backbone, head = two_layers
    config = FinetuneConfig(weight_decay=0.0)
    model.compile(backbone_and_head_optimizer([backbone], [head], config), loss="mse")
    model.fit(np.ones((8, 4)), np.full((8, 2), 9.0), verbose=0)
    scale_learning_rates(model.optimizer, 0.0)
    assert learning_rates(model.optimizer) == [0.0, 0.0]
    before = model.get_weights()
    model.fit(np.ones((8, 4)), np.full((8, 2), 9.0), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
