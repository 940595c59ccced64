"""Maximum-entropy distributions: exact moments, at the ends too, and no other has more entropy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from nima_pretrain.data.maximum_entropy import infeasible, maximum_entropy

SCORES = np.arange(1, 11.0)


def moments(distributions, scores=SCORES):
    means = distributions @ scores
    return means, np.sqrt((distributions * (scores - means[:, None]) ** 2).sum(axis=1))


def entropy(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


@pytest.mark.parametrize("concentration", [0.05, 0.5, 5])
def test_means_and_spreads_of_any_votes_are_met(concentration):
    votes = np.random.default_rng(0).dirichlet(np.full(10, concentration), 500)
    means, spreads = moments(votes)
    assert not infeasible(means, spreads, SCORES).any()
    of_means = maximum_entropy(means, None, SCORES)
    np.testing.assert_allclose(moments(of_means)[0], means, atol=2e-7)
    both = maximum_entropy(means, spreads, SCORES)
    np.testing.assert_allclose(moments(both)[0], means, atol=2e-7)
    np.testing.assert_allclose(moments(both)[1] ** 2, spreads**2, atol=2e-7)
    for distributions in (of_means, both):
        assert (distributions >= 0).all()
        np.testing.assert_allclose(distributions.sum(axis=1), 1, atol=1e-12)


def test_no_other_distribution_with_these_moments_has_more_entropy():
    votes = np.random.default_rng(1).dirichlet(np.ones(6), 4)
    scores = np.linspace(0, 100, 6)
    means, spreads = moments(votes, scores)
    ours = maximum_entropy(means, spreads, scores)
    for p, mean, spread in zip(ours, means, spreads, strict=True):
        found = optimize.minimize(
            lambda q: -entropy(np.maximum(q, 1e-300)),
            np.full(6, 1 / 6),
            bounds=[(0, 1)] * 6,
            constraints=[
                {"type": "eq", "fun": lambda q: q.sum() - 1},
                {"type": "eq", "fun": lambda q, mean=mean: (q @ scores - mean) / 100},
                {
                    "type": "eq",
                    "fun": lambda q, mean=mean, spread=spread: (
                        (q @ scores**2 - mean**2 - spread**2) / 1e4
                    ),
                },
            ],
            options={"ftol": 1e-12, "maxiter": 500},
        )
        np.testing.assert_allclose(p, found.x, atol=1e-4)


def test_the_ends_of_the_range_are_one_bin():
    expected = np.zeros((2, 10))
    expected[0, 0] = expected[1, 9] = 1
    np.testing.assert_array_equal(maximum_entropy(np.array([1.0, 10]), None, SCORES), expected)
    at_ends = maximum_entropy(np.array([1.0, 10]), np.zeros(2), SCORES)
    np.testing.assert_array_equal(at_ends, expected)


def test_the_least_and_the_greatest_spread_leave_two_bins():
    least, greatest = maximum_entropy(
        np.array([4.25, 4.25]), np.sqrt([0.25 * 0.75, 3.25 * 5.75]), SCORES
    )
    np.testing.assert_allclose(least[[3, 4]], [0.75, 0.25], atol=1e-9)
    np.testing.assert_allclose(greatest[[0, 9]], [5.75 / 9, 3.25 / 9], atol=1e-9)


@given(st.floats(1, 10), st.floats(0, 1))
def test_everything_between_the_limits_can_be_met(mean, place):
    part = (mean - 1) % 1
    low, high = part * (1 - part), (mean - 1) * (10 - mean)
    spread = np.sqrt(max(low + place * (high - low), 0))
    means, spreads = np.array([mean]), np.array([spread])
    assert not infeasible(means, spreads, SCORES)[0]
    found = moments(maximum_entropy(means, spreads, SCORES))
    assert found[0][0] == pytest.approx(mean, abs=1e-6)
    assert found[1][0] ** 2 == pytest.approx(spread**2, abs=1e-6)


def test_what_no_distribution_can_have_is_said():
    means = np.array([0.99, 10.01, np.nan, 5.5, 5.5, 5.5, 1.0, 5.0])
    spreads = np.array([1.0, 1.0, 1.0, 4.6, 0.4, np.nan, 0.1, -1.0])
    assert infeasible(means, spreads, SCORES).all()
    assert infeasible(means, None, SCORES).tolist() == [True] * 3 + [False] * 5
