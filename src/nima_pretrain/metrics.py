"""Metrics of the agreement of predicted and human scores, with NumPy and SciPy.

SciPy is imported where it is used, so that scoring alone does not load it.

Distributions are (N, n), rows sum to 1; scores are (N,). Undefined metrics, such as the
correlation with a constant, are NaN.
"""

from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """The metrics of a set of predictions.

    Attributes:
        lcc: Pearson correlation of the mean scores, -1 to 1.
        srcc: Spearman rank correlation, -1 to 1.
        kendall: Kendall's tau-b, -1 to 1.
        accuracy: fraction of photos on the right side of the threshold, 0 to 1.
        balanced_accuracy: mean of the accuracies among good and among other photos, 0 to 1.
        mae: mean absolute error of the mean scores, in points.
        emd: NIMA's earth mover's distance of the distributions, r = 2, averaged over the photos.
        emd_r1: the same with r = 1.
    """

    lcc: float
    srcc: float
    kendall: float
    accuracy: float
    balanced_accuracy: float
    mae: float
    emd: float
    emd_r1: float


class ScoredPhotos(NamedTuple):
    """Photos with true and predicted scores, all (N,) float64.

    Attributes:
        true: means of the human scores, in points.
        predicted: predicted means, in points.
        emd: earth mover's distance of the distributions with r = 2; NaN without distributions.
        emd_r1: the same with r = 1.
    """

    true: np.ndarray
    predicted: np.ndarray
    emd: np.ndarray
    emd_r1: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Absolute errors of the mean scores, (N,), in points."""
        return np.abs(self.true - self.predicted)

    def rows(self, rows: np.ndarray | slice) -> "ScoredPhotos":
        """Returns some of the photos; rows may repeat."""
        return ScoredPhotos(*(values[rows] for values in self))

    def agreement(self, threshold: float) -> Agreement:
        """Returns all metrics.

        Args:
            threshold: the mean score above which a photo is good.
        """
        return Agreement(
            lcc(self.true, self.predicted),
            srcc(self.true, self.predicted),
            kendall(self.true, self.predicted),
            accuracy(self.true, self.predicted, threshold),
            balanced_accuracy(self.true, self.predicted, threshold),
            float(self.errors.mean()),
            float(self.emd.mean()),
            float(self.emd_r1.mean()),
        )


def scored(true: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> ScoredPhotos:
    """Returns the mean scores and distances of true and predicted distributions on one scale.

    Args:
        true: (N, n) floats, rows sum to 1.
        predicted: (N, n) floats, rows sum to 1.
        scores: (n,) floats, the score of every bin.
    """
    return ScoredPhotos(
        mean_score(true, scores),
        mean_score(predicted, scores),
        earth_movers_distances(true, predicted),
        earth_movers_distances(true, predicted, r=1),
    )


def mean_score(distributions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the expected score of every photo, (..) float64, in points.

    Args:
        distributions: (.., n) floats, summing to 1.
        scores: (n,) floats, the score of every bin; see `ScoreScale.scores`.
    """
    return np.asarray(distributions, np.float64) @ scores


def score_spread(distributions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of every photo's scores, (..) float64; see `mean_score`."""
    distributions = np.asarray(distributions, np.float64)
    deviations = scores - mean_score(distributions, scores)[..., None]
    return np.sqrt((distributions * deviations**2).sum(axis=-1))


def quantiles_of(scores: np.ndarray) -> np.ndarray:
    """Returns the 0th, 1st, .. 100th percentile of scores, (101,) float64."""
    return np.quantile(scores, np.linspace(0, 1, 101))


def percentile_of(score: float, quantiles: np.ndarray) -> float:
    """Returns the percentile rank of a score, 0 to 100: half of equal scores count as lower.

    Args:
        score: a score.
        quantiles: quantiles of the reference scores, from `quantiles_of`.
    """
    ranks = np.linspace(0, 100, len(quantiles))
    if quantiles[0] < score < quantiles[-1] and score not in quantiles:
        return float(np.interp(score, quantiles, ranks))
    first, last = (np.searchsorted(quantiles, score, side) for side in ("left", "right"))
    if first == last:
        return 0.0 if first == 0 else 100.0
    return float(ranks[first:last].mean())


def lcc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Pearson's linear correlation coefficient."""
    if _is_constant(true) or _is_constant(predicted):
        return float("nan")
    from scipy import stats

    return float(stats.pearsonr(true, predicted).statistic)


def srcc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Spearman's rank correlation coefficient; ties have their mean rank."""
    if _is_constant(true) or _is_constant(predicted):
        return float("nan")
    from scipy import stats

    return float(stats.spearmanr(true, predicted).statistic)


def kendall(true: np.ndarray, predicted: np.ndarray) -> float:
    """Returns Kendall's tau-b: pairs in order minus pairs out of order, corrected for ties."""
    if _is_constant(true) or _is_constant(predicted):
        return float("nan")
    from scipy import stats

    return float(stats.kendalltau(true, predicted).statistic)


def accuracy(true: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    """Returns the fraction of photos classified correctly as above the threshold (good) or not."""
    return float(np.mean((true > threshold) == (predicted > threshold)))


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    """Returns the mean of the accuracies among the good and among the other photos.

    A constant prediction gives 0.5, whatever the fraction of good photos. NaN if all or none are
    good.
    """
    is_right = (true > threshold) == (predicted > threshold)
    is_good = true > threshold
    if is_good.all() or not is_good.any():
        return float("nan")
    return float((is_right[is_good].mean() + is_right[~is_good].mean()) / 2)


def earth_movers_distances(true: np.ndarray, predicted: np.ndarray, r: float = 2.0) -> np.ndarray:
    """Returns the earth mover's distance of every photo's distributions, (N,) float64.

    Talebi and Milanfar (2018), equation 1, averaged over the bins.

    Args:
        true: (N, n) floats, rows sum to 1.
        predicted: (N, n) floats, rows sum to 1.
        r: exponent.
    """
    difference = np.cumsum(np.asarray(true, np.float64) - predicted, axis=1)
    return np.mean(np.abs(difference) ** r, axis=1) ** (1 / r)


def _is_constant(values: np.ndarray) -> bool:
    # The tolerance covers the rounding of one distribution repeated in float32.
    return len(values) < 2 or float(np.ptp(values)) < 1e-6
