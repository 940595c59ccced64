"""Metrics against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nima_pretrain import losses, metrics
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.metrics import percentile_of, quantiles_of

RNG = np.random.default_rng(0)
TRUE = RNG.dirichlet(np.ones(7), 50)
PREDICTED = RNG.dirichlet(np.ones(7), 50)
SCORES = ScoreScale(7).scores


def test_mean_and_spread_are_those_of_the_votes():
    votes = np.repeat([1, 2, 7], [3, 5, 2])
    distribution = np.bincount(votes, minlength=8)[1:] / len(votes)
    assert metrics.mean_score(distribution[None], SCORES)[0] == pytest.approx(votes.mean())
    assert metrics.score_spread(distribution[None], SCORES)[0] == pytest.approx(votes.std())


@pytest.mark.parametrize("seed", range(5))
def test_correlations_equal_plain_formulae_and_scipy_with_ties(seed):
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(0, 6, 80), rng.integers(0, 6, 80)

    def pearson(x, y):
        x, y = x - x.mean(), y - y.mean()
        return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())

    def ranks(x):
        return np.array([(x < value).sum() + ((x == value).sum() + 1) / 2 for value in x])

    def tau_b(x, y):
        first, second = np.triu_indices(len(x), 1)
        of_x, of_y = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
        return (of_x * of_y).sum() / np.sqrt((of_x**2).sum() * (of_y**2).sum())

    assert metrics.lcc(true, predicted) == pytest.approx(pearson(true, predicted))
    expected = pearson(ranks(true), ranks(predicted))
    assert metrics.srcc(true, predicted) == pytest.approx(expected)
    assert metrics.srcc(true, predicted) == pytest.approx(stats.spearmanr(true, predicted)[0])
    assert metrics.kendall(true, predicted) == pytest.approx(tau_b(true, predicted))


def test_accuracy_counts_good_as_above_the_threshold():
    true, predicted = np.array([4.0, 5.0, 5.1, 6.0]), np.array([4.9, 5.2, 5.3, 5.0])
    assert metrics.accuracy(true, predicted, 5.0) == 0.5


def test_balanced_accuracy_is_the_mean_of_the_recalls():
    true = np.array([1, 1, 1, 1, 1, 1, 9, 9])
    predicted = np.array([1, 1, 1, 1, 1, 9, 9, 1])
    assert metrics.balanced_accuracy(true, predicted, 5) == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert metrics.balanced_accuracy(true, np.ones(8), 5) == 0.5
    assert np.isnan(metrics.balanced_accuracy(np.ones(8), predicted, 5))


def test_emd_equals_the_loss_that_is_trained_with():
    for r in (1.0, 2.0):
        expected = float(losses.earth_movers_distance(TRUE, PREDICTED, r))
        found = metrics.earth_movers_distances(TRUE, PREDICTED, r).mean()
        assert found == pytest.approx(expected, rel=1e-5)


def test_emd_with_r_1_is_the_wasserstein_distance_of_scipy():
    for true, predicted, found in zip(
        TRUE, PREDICTED, metrics.earth_movers_distances(TRUE, PREDICTED, r=1), strict=True
    ):
        bins = np.arange(7)
        expected = stats.wasserstein_distance(bins, bins, true, predicted)
        assert found == pytest.approx(expected / 7)  # a mean over bins, where it is a sum


def test_agreement_of_a_perfect_and_of_a_constant_prediction():
    perfect = metrics.scored(TRUE, TRUE, SCORES).agreement(4)
    assert perfect == pytest.approx((1, 1, 1, 1, 1, 0, 0, 0))
    constant_distributions = np.broadcast_to(TRUE.mean(axis=0), TRUE.shape)
    constant = metrics.scored(TRUE, constant_distributions, SCORES).agreement(4)
    assert np.isnan([constant.lcc, constant.srcc, constant.kendall]).all()
    means = metrics.mean_score(TRUE, SCORES)
    assert constant.mae == pytest.approx(np.abs(means - means.mean()).mean())
    assert constant.balanced_accuracy == 0.5


def test_rows_may_stand_several_times():
    photos = metrics.scored(TRUE, PREDICTED, SCORES)
    rows = np.array([3, 3, 0, 7])
    again = metrics.scored(TRUE[rows], PREDICTED[rows], SCORES)
    assert photos.rows(rows).agreement(4) == pytest.approx(again.agreement(4))


def test_percentiles_are_those_of_scipy_where_the_scores_are_their_own_quantiles():
    scores = np.linspace(2, 8, 101)
    quantiles = quantiles_of(scores)
    np.testing.assert_allclose(quantiles, scores)
    for score in (1.0, 2.5, 5.0, 7.99, 9.0):
        expected = stats.percentileofscore(scores, score, "mean")
        assert percentile_of(score, quantiles) == pytest.approx(expected, abs=1.1)
    assert percentile_of(5.0, quantiles) == pytest.approx(50)
    assert percentile_of(1.0, quantiles) == 0
    assert percentile_of(9.0, quantiles) == 100


def test_of_equal_scores_half_count_as_lower():
    quantiles = quantiles_of(np.array([3.0] * 50 + [4.0] * 50))
    assert percentile_of(3.0, quantiles) == pytest.approx(25, abs=1)
    assert percentile_of(3.5, quantiles) == pytest.approx(50, abs=1)
    assert percentile_of(4.0, quantiles) == pytest.approx(75, abs=1)
    assert percentile_of(5.0, quantiles_of(np.full(9, 5.0))) == 50


@given(st.lists(st.floats(1, 10), min_size=1, max_size=40), st.floats(0, 11), st.floats(0, 11))
def test_percentiles_never_fall_with_the_score(scores, first, second):
    quantiles = quantiles_of(np.array(scores))
    low, high = sorted((first, second))
    assert 0 <= percentile_of(low, quantiles) <= percentile_of(high, quantiles) <= 100
