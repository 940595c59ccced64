"""Metrics against their definitions."""

import numpy as np
import pytest

from nima_pretrain import losses, metrics
from nima_pretrain.data.ratings import ScoreScale

RNG = np.random.default_rng(0)
TRUE = RNG.dirichlet(np.ones(7), 50)
PREDICTED = RNG.dirichlet(np.ones(7), 50)
SCALE = ScoreScale(7)


def test_mean_and_spread_are_those_of_the_votes():
    votes = np.repeat([1, 2, 7], [3, 5, 2])
    distribution = np.bincount(votes, minlength=8)[1:] / len(votes)
    assert metrics.mean_score(distribution[None], SCALE)[0] == pytest.approx(votes.mean())
    assert metrics.score_spread(distribution[None], SCALE)[0] == pytest.approx(votes.std())


def test_correlations_equal_plain_formulae_with_ties():
    true, predicted = RNG.integers(0, 6, 80), RNG.integers(0, 6, 80)

    def pearson(x, y):
        x, y = x - x.mean(), y - y.mean()
        return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())

    def ranks(x):
        return np.array([(x < value).sum() + ((x == value).sum() + 1) / 2 for value in x])

    assert metrics.lcc(true, predicted) == pytest.approx(pearson(true, predicted))
    expected = pearson(ranks(true), ranks(predicted))
    assert metrics.srcc(true, predicted) == pytest.approx(expected)


def test_accuracy_counts_good_as_above_the_threshold():
    true, predicted = np.array([4.0, 5.0, 5.1, 6.0]), np.array([4.9, 5.2, 5.3, 5.0])
    assert metrics.accuracy(true, predicted, 5.0) == 0.5


def test_emd_equals_the_loss_that_is_trained_with():
    for r in (1.0, 2.0):
        expected = float(losses.earth_movers_distance(TRUE, PREDICTED, r))
        assert metrics.earth_movers_distance(TRUE, PREDICTED, r) == pytest.approx(
            expected, rel=1e-5
        )


def test_agreement_of_a_perfect_and_of_a_constant_prediction():
    perfect = metrics.agreement(TRUE, TRUE, SCALE)
    assert perfect == pytest.approx({"lcc": 1, "srcc": 1, "accuracy": 1, "mae": 0, "emd": 0})
    constant = metrics.agreement(TRUE, np.broadcast_to(TRUE.mean(axis=0), TRUE.shape), SCALE)
    assert np.isnan([constant["lcc"], constant["srcc"]]).all()
    means = metrics.mean_score(TRUE, SCALE)
    assert constant["mae"] == pytest.approx(np.abs(means - means.mean()).mean())
