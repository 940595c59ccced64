"""Layers: what they compute, add and report, and that they can be written down."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain import layers, losses
from nima_pretrain.distortions import Aspect, get_bank

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
    ("layer", "outputs", "raw"),
    [
        (
            layers.RankingLoss(PAPER, margin=0.1),
            np.random.default_rng(0).random((2, 174), np.float32),
            lambda scores: losses.ranking(scores, PAPER, 0.1),
        ),
        (
            layers.RegressionLoss("paper", temperature=40.0),
            np.random.default_rng(0).random((2, 174, 21), np.float32),
            lambda levels: losses.regression(levels, PAPER),
        ),
        (
            layers.ClassificationLoss(PAPER, temperature=90.0),
            {
                aspect.value: np.random.default_rng(0).random(
                    (2, 174, len(PAPER.of_aspect(aspect))), np.float32
                )
                for aspect in Aspect
            },
            lambda logits: losses.classification(logits, PAPER),
        ),
    ],
    ids=["ranking", "regression", "classification"],
)
def test_loss_layers_add_the_balanced_loss_and_report_the_raw_one(layer, outputs, raw):
    returned = layer(outputs)
    tf.nest.map_structure(np.testing.assert_array_equal, returned, outputs)
    expected = float(raw(outputs))
    (added,) = layer.losses
    assert float(added) == pytest.approx(np.exp(expected / layer.temperature), rel=1e-5)
    assert float(layer.raw_loss.result()) == pytest.approx(expected, rel=1e-5)
    assert float(layer.balanced_loss.result()) == pytest.approx(float(added), rel=1e-6)


def test_ordered_pairs_is_the_share_of_pairs_in_order():
    layer = layers.RankingLoss(PAPER)
    strengths = np.zeros((1, 174), np.float32)
    for series in PAPER.series:
        strengths[0, list(series.views)] = np.arange(1, len(series.views) + 1)
    layer(np.concatenate([1 - strengths / 9, strengths / 9]))
    assert float(layer.ordered_pairs.result()) == pytest.approx(0.5)


def test_ordered_pairs_leaves_void_pairs_out():
    layer = layers.RankingLoss(PAPER)
    scores = np.full((1, 174), 0.5, np.float32)
    better, worse = PAPER.view_names.index("original"), PAPER.view_names.index("tint_0.95")
    pairs = list(zip(*PAPER.pairs, strict=True))
    scores[0, worse] = 0.4
    layer(scores, differences=np.array([[0.6 if worse in pair else 0.4 for pair in pairs]]))
    differing = [pair for pair in pairs if worse in pair]
    in_order = [pair for pair in differing if pair == (better, worse)] + [
        (b, w) for b, w in differing if w == worse and b != better
    ]
    assert float(layer.ordered_pairs.result()) == pytest.approx(len(in_order) / len(differing))


@pytest.mark.parametrize(
    "layer",
    [
        layers.RankingLoss(REPAIRED, temperature=30.0, margin=0.1, name="first"),
        layers.ClassificationLoss(PAPER, name="second"),
        layers.RegressionLoss(PAPER, name="third"),
        layers.PairDifferences(REPAIRED, name="fourth"),
        layers.SeededDropout(0.3, seed=4, name="fifth"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
