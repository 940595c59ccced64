"""How well predicted scores agree with human ones; NumPy and SciPy, no network.

Distributions are (N, n), rows sum to 1; scores are (N,). Metrics that are not defined, such as the
correlation with a constant, are NaN.
"""

import numpy as np
from scipy import stats

from nima_pretrain.data.ratings import ScoreScale


def mean_score(distributions: np.ndarray, scale: ScoreScale) -> np.ndarray:
    """Returns the expected score of every photo, (N,) float64."""
    return np.asarray(distributions, np.float64) @ scale.scores


def score_spread(distributions: np.ndarray, scale: ScoreScale) -> np.ndarray:
    """Returns the standard deviation of every photo's scores, (N,) float64."""
    distributions = np.asarray(distributions, np.float64)
    deviations = scale.scores - mean_score(distributions, scale)[:, None]
    return np.sqrt((distributions * deviations**2).sum(axis=1))


def lcc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Pearson's linear correlation coefficient."""
    if _is_constant(true) or _is_constant(predicted):
        return float("nan")
    return float(stats.pearsonr(true, predicted).statistic)


def srcc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Spearman's rank correlation coefficient, ties sharing their mean rank."""
    if _is_constant(true) or _is_constant(predicted):
        return float("nan")
    return float(stats.spearmanr(true, predicted).statistic)


def accuracy(true: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    """Returns the fraction of photos on the right side: good is above the threshold."""
    return float(np.mean((true > threshold) == (predicted > threshold)))


def mean_absolute_error(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the mean distance of the mean scores, in points of the scale."""
    return float(np.mean(np.abs(true - predicted)))


def earth_movers_distance(true: np.ndarray, predicted: np.ndarray, r: float = 2.0) -> float:
    """Returns NIMA's distance between distributions, averaged over photos (Talebi, equation 1)."""
    difference = np.cumsum(np.asarray(true, np.float64) - predicted, axis=1)
    return float(np.mean(np.mean(np.abs(difference) ** r, axis=1) ** (1 / r)))


def agreement(
    true: np.ndarray, predicted: np.ndarray, scale: ScoreScale, threshold: float | None = None
) -> dict[str, float]:
    """Returns all metrics of predicted distributions against true ones, by name.

    Args:
        true: (N, n) floats.
        predicted: (N, n) floats.
        scale: what the bins stand for.
        threshold: of the accuracy; None for the scale's own.
    """
    true_means, predicted_means = mean_score(true, scale), mean_score(predicted, scale)
    limit = scale.threshold if threshold is None else threshold
    return {
        "lcc": lcc(true_means, predicted_means),
        "srcc": srcc(true_means, predicted_means),
        "accuracy": accuracy(true_means, predicted_means, limit),
        "mae": mean_absolute_error(true_means, predicted_means),
        "emd": earth_movers_distance(true, predicted),
    }


def _is_constant(values: np.ndarray) -> bool:
    # The tolerance covers the rounding of one distribution repeated in float32.
    return len(values) < 2 or float(np.ptp(values)) < 1e-6
