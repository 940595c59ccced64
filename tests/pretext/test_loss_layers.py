"""Loss layers: what they add and report, and that they can be written down."""

import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain import losses
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.pretext import loss_layers

PAPER, REPAIRED = get_bank("paper"), get_bank("repaired")


@pytest.mark.parametrize(
    ("layer", "outputs", "raw"),
    [
        (
            loss_layers.RankingLoss(PAPER, margin=0.1),
            np.random.default_rng(0).random((2, 174), np.float32),
            lambda scores: losses.ranking(scores, PAPER, 0.1),
        ),
        (
            loss_layers.RegressionLoss("paper", temperature=40.0),
            np.random.default_rng(0).random((2, 174, 21), np.float32),
            lambda levels: losses.regression(levels, PAPER),
        ),
        (
            loss_layers.ClassificationLoss(PAPER, temperature=90.0),
            {
                aspect.value: np.random.default_rng(0).random(
                    (2, 174, len(PAPER.of_aspect(aspect))), np.float32
                )
                for aspect in Aspect
            },
            lambda logits: losses.classification(logits, PAPER),
        ),
        (
            loss_layers.CrossPhotoRankingLoss(PAPER, temperature=30.0, margin=0.3),
            np.random.default_rng(0).random((3, 174), np.float32),
            lambda scores: losses.cross_photo_ranking(scores, PAPER, 0.3),
        ),
        (
            loss_layers.LevelConsistencyLoss(PAPER),
            np.random.default_rng(0).random((3, 174), np.float32),
            lambda scores: losses.level_consistency(scores, PAPER),
        ),
    ],
    ids=["ranking", "regression", "classification", "cross-photo ranking", "level consistency"],
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
    layer = loss_layers.RankingLoss(PAPER)
    strengths = np.zeros((1, 174), np.float32)
    for series in PAPER.series:
        strengths[0, list(series.views)] = np.arange(1, len(series.views) + 1)
    layer(np.concatenate([1 - strengths / 9, strengths / 9]))
    assert float(layer.ordered_pairs.result()) == pytest.approx(0.5)


def test_ordered_pairs_leaves_void_pairs_out():
    layer = loss_layers.RankingLoss(PAPER)
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


def test_rotations_named_are_counted():
    layer = loss_layers.RotationLoss()
    logits = np.zeros((1, 4, 4), np.float32)
    logits[0, range(4), [0, 1, 3, 2]] = 5.0
    np.testing.assert_array_equal(layer(logits), logits)
    assert float(layer.losses[0]) == pytest.approx(float(losses.rotation(logits)))
    assert float(layer.accuracy.result()) == 0.5


def test_partners_found_are_counted():
    layer = loss_layers.ContrastiveLoss(temperature=0.2)
    # The third photo's views are nearer to the first's than to each other.
    angles = np.radians([[0, 10], [180, 181], [40, -60]])
    projections = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    np.testing.assert_array_equal(layer(projections), projections)
    assert float(layer.losses[0]) == pytest.approx(float(losses.nt_xent(projections, 0.2)))
    assert float(layer.accuracy.result()) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    "layer",
    [
        loss_layers.RankingLoss(REPAIRED, temperature=30.0, margin=0.1, name="first"),
        loss_layers.ClassificationLoss(PAPER, name="second"),
        loss_layers.RegressionLoss(PAPER, name="third"),
        loss_layers.CrossPhotoRankingLoss(REPAIRED, margin=0.3, name="fourth"),
        loss_layers.LevelConsistencyLoss(PAPER, temperature=20.0, name="fifth"),
        loss_layers.RotationLoss(name="sixth"),
        loss_layers.ContrastiveLoss(0.1, name="seventh"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_loss_layers_survive_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
