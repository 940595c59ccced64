"""Significance: bootstrap intervals over photos, and the paper's signed-rank test."""

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

RESAMPLES = 1000


def bootstrap_interval(
    statistic: Callable[..., np.ndarray],
    count: int,
    resamples: int = RESAMPLES,
    vectorized: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Returns 95 % percentile intervals of several statistics, (statistics, 2) float64.

    For a paired comparison the statistic is a difference on the same photos. Samples in which a
    statistic is undefined (NaN) are left out of its interval.

    Args:
        statistic: from row numbers, (count,) integers with repetitions, to values, (statistics,).
        count: number of photos.
        resamples: number of bootstrap samples.
        vectorized: whether the statistic takes many samples, (resamples, count), and their axis,
            and returns one value each; the interval is (1, 2) then.
        seed: seed of the samples; the same seed draws the same photos.
    """
    # SciPy requires two observations; for one photo all samples are the same.
    rows = np.arange(count) if count > 1 else np.zeros(2, int)
    with warnings.catch_warnings():
        # Statistics that are equal in all samples are expected.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (rows,),
            statistic,
            n_resamples=resamples,
            vectorized=vectorized,
            method="percentile",
            # One sample at a time, or they would take memory by their number.
            batch=None if vectorized else 1,
            rng=np.random.default_rng(seed),
        )
    values = np.atleast_2d(found.bootstrap_distribution).T  # (resamples, statistics)
    undefined = np.isnan(values).all(axis=0)
    values[:, undefined] = 0  # nothing to take a percentile of
    intervals = np.nanpercentile(values, [2.5, 97.5], axis=0).T
    intervals[undefined] = np.nan
    return intervals


def signed_rank_p(errors: np.ndarray, baseline_errors: np.ndarray) -> float:
    """Returns the p-value of the one-sided Wilcoxon test that errors are smaller than a baseline's.

    Pfister, Kobs and Hotho (2021), section 4. Identical errors give 1.

    Args:
        errors: (N,) absolute errors.
        baseline_errors: (N,) absolute errors of the baseline on the same photos.
    """
    if np.array_equal(errors, baseline_errors):
        return 1.0
    return float(stats.wilcoxon(errors, baseline_errors, alternative="less").pvalue)


def bonferroni(p: float, tests: int) -> float:
    """Returns a p-value corrected for a number of tests."""
    return min(1.0, p * tests)
