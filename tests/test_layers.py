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


def test_fingerprints_tell_views_apart_by_a_single_value():
    views = np.random.default_rng(0).integers(0, 256, (2, 6, 9, 9, 3), np.uint8)
    views[:, 3] = views[:, 1]
    views[:, 4] = views[:, 1]
    views[:, 4, 8, 8, 2] ^= 1
    prints = layers.Fingerprints()(views).numpy()
    for photo in prints:
        assert photo[1] == photo[3]
        assert len(set(photo)) == 5


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
    fingerprints = np.zeros((1, 174), np.int32)
    better, worse = PAPER.view_names.index("original"), PAPER.view_names.index("tint_0.95")
    scores[0, worse], fingerprints[0, worse] = 0.4, 1
    layer(scores, fingerprints=fingerprints)
    pairs = zip(*PAPER.pairs, strict=True)
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
        layers.Fingerprints(name="fourth"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
