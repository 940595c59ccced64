"""What could be chance: bootstrap intervals over photos, and the paper's signed-rank test."""

from collections.abc import Callable

import numpy as np
from scipy import stats

RESAMPLES = 1000


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    count: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Returns 95 % percentile intervals of several statistics, (statistics, 2) float64.

    For a paired comparison the statistic is a difference, taken on the same photos.

    Args:
        statistic: from row numbers, (count,) integers with repetitions, to values, (statistics,).
        count: photos that are drawn from.
        resamples: how often.
        seed: of the draws; the same seed draws the same photos.
    """
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, count, count)) for _ in range(resamples)])
    undefined = np.isnan(values).all(axis=0)
    values[:, undefined] = 0  # nothing to take a percentile of
    intervals = np.nanpercentile(values, [2.5, 97.5], axis=0).T
    intervals[undefined] = np.nan
    return intervals


def signed_rank_p(errors: np.ndarray, baseline_errors: np.ndarray) -> float:
    """Returns the p-value of the one-sided Wilcoxon test that errors are smaller than a baseline's.

    Pfister, Kobs and Hotho (2021), section 4, on the absolute errors of the same photos. Errors
    that are equal everywhere give 1.
    """
    if np.array_equal(errors, baseline_errors):
        return 1.0
    return float(stats.wilcoxon(errors, baseline_errors, alternative="less").pvalue)


def bonferroni(p: float, tests: int) -> float:
    """Returns a p-value corrected for a number of tests."""
    return min(1.0, p * tests)
