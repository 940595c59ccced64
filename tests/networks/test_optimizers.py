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
    rmsprop,
    scale_learning_rates,
    with_loss_scale,
)
from nima_pretrain.pretext.methods import method_of

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
    np.testing.assert_allclose(steps(method_of(config).optimizer()), value, rtol=1e-4)


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


def test_steps_shrink_as_the_rate_divided_by_one_plus_decay_times_steps():
    inputs = keras.Input((4,))
    backbone, head = keras.layers.Dense(2, name="inner"), keras.layers.Dense(2, name="head")
    model = keras.Model(inputs, keras.layers.Add()([backbone(inputs), head(inputs)]))
    config = FinetuneConfig(
        learning_rate_decay=0.5,
        plateau_patience=None,
        head_epochs=1,
        backbone_learning_rate=1e-3,
        free_head_learning_rate=1e-2,
        weight_decay=0.0,
    )
    optimizer = backbone_and_head_optimizer([backbone], [head], config)
    model.compile(optimizer, loss=lambda _, predicted: tf.reduce_sum(predicted))
    moved = []
    for _ in range(5):
        before = [layer.get_weights()[0] for layer in (backbone, head)]
        model.train_on_batch(np.ones((8, 4)), np.zeros((8, 2)))
        after = [layer.get_weights()[0] for layer in (backbone, head)]
        moved.append([np.abs(new - old).mean() for new, old in zip(after, before, strict=True)])
    # The gradient never changes, so each of Adam's steps is the learning rate.
    expected = np.array([1e-3, 1e-2]) / (1 + 0.5 * np.arange(5))[:, None]
    np.testing.assert_allclose(moved, expected, rtol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_rate_of_an_optimizer_in_any_precision_is_read(precision):
    optimizer = with_loss_scale(rmsprop(1e-3, 0.9, 0.9, 0.0), precision)
    assert learning_rates(optimizer) == [pytest.approx(1e-3)]
