"""Intervals and tests against plain computations."""

import numpy as np
import pytest
from scipy import stats

from nima_pretrain.evaluation.significance import bonferroni, bootstrap_interval, signed_rank_p


def test_intervals_of_a_mean_are_those_of_scipy():
    values = np.random.default_rng(0).exponential(size=200)
    (found,) = bootstrap_interval(lambda rows: values[rows].mean(keepdims=True), 200, 4000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_intervals_repeat_and_leave_out_what_is_not_defined():
    values = np.random.default_rng(0).normal(size=50)

    def statistic(rows):
        return np.array([values[rows].mean(), np.nan])

    first, second = (bootstrap_interval(statistic, 50, 100, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first[0]).all()
    assert np.isnan(first[1]).all()


def test_intervals_are_those_of_rows_drawn_with_the_seed():
    values = np.random.default_rng(0).exponential(size=30)
    rng = np.random.default_rng(5)
    means = [values[rng.integers(0, 30, 30)].mean() for _ in range(400)]
    (found,) = bootstrap_interval(lambda rows: values[rows].mean(keepdims=True), 30, 400, seed=5)
    np.testing.assert_allclose(found, np.percentile(means, [2.5, 97.5]), rtol=1e-12)


def test_a_statistic_of_many_samples_at_once_has_the_same_interval():
    values = np.random.default_rng(0).exponential(size=30)

    def of_many(rows, axis):
        return values[rows].mean(axis=axis)

    one_by_one = bootstrap_interval(lambda rows: values[rows].mean(keepdims=True), 30, 400)
    at_once = bootstrap_interval(of_many, 30, 400, vectorized=True)
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-12)


def test_the_interval_of_a_single_photo_is_its_value():
    found = bootstrap_interval(lambda rows: np.array([rows.sum() + 2.5]), 1, 50)
    np.testing.assert_array_equal(found, [[2.5, 2.5]])


def test_the_signed_rank_test_is_one_sided_for_smaller_errors():
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0.5, 1.5, 12)
    better = baseline - rng.uniform(-0.1, 0.4, 12)
    differences = better - baseline
    ranks = stats.rankdata(np.abs(differences))
    observed = ranks[differences > 0].sum()
    # All 2^12 signs that chance could have given these ranks.
    signs = np.array(np.meshgrid(*[[0, 1]] * 12)).reshape(12, -1)
    expected = np.mean(ranks @ signs <= observed + 1e-9)
    assert signed_rank_p(better, baseline) == pytest.approx(expected, rel=1e-6)
    assert signed_rank_p(baseline, better) > 0.9
    assert signed_rank_p(baseline, baseline) == 1


def test_corrected_p_values_stay_probabilities():
    assert bonferroni(0.004, 5) == pytest.approx(0.02)
    assert bonferroni(0.4, 5) == 1
