"""Layers: what they compute, and that they can be written down."""

import keras
import numpy as np
import pytest

from nima_pretrain.distortions import get_bank
from nima_pretrain.networks import layers

PAPER, REPAIRED = get_bank("paper"), get_bank("repaired")


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


def test_pair_differences_are_those_of_the_bank():
    views = np.random.default_rng(0).integers(0, 256, (2, 174, 9, 9, 3), np.uint8)
    views[1, 5] = views[1, 0]
    expected = np.stack([PAPER.differences(photo) for photo in views])
    differences = layers.PairDifferences(PAPER)(views).numpy()
    np.testing.assert_allclose(differences, expected, rtol=1e-5)
    better, worse = 0, 1 + PAPER.view_names[1:].index("jpeg_compression_1")
    wide = views.astype(int)
    index = list(zip(*PAPER.pairs, strict=True)).index((better, worse))
    assert differences[0, index] == pytest.approx(
        np.abs(wide[0, better] - wide[0, worse]).mean(), rel=1e-5
    )


@pytest.mark.parametrize(
    "layer",
    [
        layers.PairDifferences(REPAIRED, name="first"),
        layers.SeededDropout(0.3, seed=4, name="second"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
