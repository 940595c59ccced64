"""Loss layers: their losses, metrics and configs."""

import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain import losses
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.pretext import distortion_losses, loss_layers, targets

PAPER, REPAIRED = get_bank("paper"), get_bank("repaired")
PAIRS = targets.ranked_pairs(PAPER)


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
            lambda scores: distortion_losses.cross_photo_ranking(scores, PAIRS, 0.3),
        ),
        (
            loss_layers.LevelConsistencyLoss(PAPER),
            np.random.default_rng(0).random((3, 174), np.float32),
            lambda scores: distortion_losses.level_consistency(
                scores, targets.distorted_views(PAPER)
            ),
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


def test_the_reported_loss_is_that_of_all_photos_however_they_are_batched():
    layer = loss_layers.RankingLoss(PAPER)
    scores = np.random.default_rng(0).random((5, 174), np.float32)
    layer(scores[:4])
    layer(scores[4:])  # the rest of an epoch
    expected = float(distortion_losses.ranking(scores, PAIRS, layer.margin))
    assert float(layer.raw_loss.result()) == pytest.approx(expected, rel=1e-5)


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
    pairs = list(zip(*PAIRS[:2], strict=True))
    scores[0, worse] = 0.4
    layer(scores, differences=np.array([[0.6 if worse in pair else 0.4 for pair in pairs]]))
    differing = [pair for pair in pairs if worse in pair]
    in_order = [pair for pair in differing if pair == (better, worse)] + [
        (b, w) for b, w in differing if w == worse and b != better
    ]
    assert float(layer.ordered_pairs.result()) == pytest.approx(len(in_order) / len(differing))


def test_pair_differences_are_those_of_the_targets():
    views = np.random.default_rng(0).integers(0, 256, (2, 174, 9, 9, 3), np.uint8)
    views[1, 5] = views[1, 0]
    expected = np.stack([targets.pair_differences(photo, PAIRS) for photo in views])
    differences = loss_layers.PairDifferences(PAPER)(views).numpy()
    np.testing.assert_allclose(differences, expected, rtol=1e-5)
    better, worse = 0, 1 + PAPER.view_names[1:].index("jpeg_compression_1")
    wide = views.astype(int)
    index = list(zip(*PAIRS[:2], strict=True)).index((better, worse))
    assert differences[0, index] == pytest.approx(
        np.abs(wide[0, better] - wide[0, worse]).mean(), rel=1e-5
    )


@pytest.mark.parametrize(
    "layer",
    [
        loss_layers.RankingLoss(REPAIRED, temperature=30.0, margin=0.1, name="first"),
        loss_layers.ClassificationLoss(PAPER, name="second"),
        loss_layers.RegressionLoss(PAPER, name="third"),
        loss_layers.CrossPhotoRankingLoss(REPAIRED, margin=0.3, name="fourth"),
        loss_layers.LevelConsistencyLoss(PAPER, temperature=20.0, name="fifth"),
        loss_layers.PairDifferences(REPAIRED, name="sixth"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_loss_layers_survive_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
