"""Layers: their outputs and their configs."""

import keras
import numpy as np
import pytest

from nima_pretrain.networks import layers


def test_backbone_on_views_equals_the_backbone_view_by_view():
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(images)))
    views = np.random.default_rng(0).normal(size=(2, 4, 8, 8, 3)).astype(np.float32)
    features = layers.BackboneOnViews(backbone)(views)
    assert features.shape == (2, 4, 5)
    for view in range(4):
        np.testing.assert_allclose(features[:, view], backbone(views[:, view]), atol=1e-5)


def test_dropout_goes_on_where_its_state_says():
    ones = np.ones((40, 50), np.float32)
    layer = layers.SeededDropout(0.2, seed=7, name="first")
    masks = [layer(ones, training=True).numpy() for _ in range(3)]
    assert (masks[0] != masks[1]).any()
    assert set(np.unique(masks[0])) == {0.0, np.float32(1.25)}
    assert np.mean(masks[0] == 0) == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(layer(ones, training=False), ones)
    again = layers.SeededDropout.from_config(layer.get_config())
    again.build(ones.shape)
    again.set_weights([np.int64(2)])
    np.testing.assert_array_equal(again(ones, training=True), masks[2])
    other = layers.SeededDropout(0.2, seed=7, name="second")
    assert (other(ones, training=True).numpy() != masks[0]).any()


def test_dropout_survives_its_configuration():
    layer = layers.SeededDropout(0.3, seed=4, name="second")
    again = layers.SeededDropout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
