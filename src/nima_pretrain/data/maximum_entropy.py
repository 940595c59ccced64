"""Maximum-entropy score distributions from means, or from means and standard deviations.

Of all distributions on the bins with the given moments, the one of maximum entropy assumes least
(Jaynes 1957): p_k is proportional to exp(a x_k), or to exp(a x_k + b x_k^2). Its parameters
minimize the convex dual log(sum_k exp(a x_k + b x_k^2)) - a m_1 - b m_2, here for all photos at
once by Newton's method. At the limits of feasible moments the parameters are infinite, and the
distribution has only one or two bins.
"""

import numpy as np

# Moments this close to the limits, in bins, are treated as equal to them.
_AT_THE_LIMIT = 1e-7
_STEPS = 200
_TOLERANCE = 1e-12


def infeasible(means: np.ndarray, spreads: np.ndarray | None, scores: np.ndarray) -> np.ndarray:
    """Returns True for every row whose moments no distribution on the scores has, (N,) bool.

    Args:
        means: (N,) floats, in points of the scale.
        spreads: (N,) standard deviations in points of the scale, or None.
        scores: (n,) floats, evenly spaced, rising.
    """
    x, means, variances = _in_bins(means, spreads, scores)
    wrong = ~((means >= -_AT_THE_LIMIT) & (means <= x[-1] + _AT_THE_LIMIT))
    if variances is None:
        return wrong
    low, high = _limits(means, x)
    slack = _AT_THE_LIMIT
    return wrong | ~((variances >= low - slack) & (variances <= high + slack))


def maximum_entropy(
    means: np.ndarray, spreads: np.ndarray | None, scores: np.ndarray
) -> np.ndarray:
    """Returns the distributions of maximum entropy with given moments, (N, n) float64.

    Args:
        means: (N,) floats, in points of the scale; none `infeasible`.
        spreads: (N,) standard deviations in points of the scale, or None if they are unknown.
        scores: (n,) floats, evenly spaced, rising.
    """
    x, means, variances = _in_bins(means, spreads, scores)
    means = np.clip(means, 0, x[-1])
    result = np.empty((len(means), len(x)))
    if variances is None:
        inner = np.minimum(means, x[-1] - means) > _AT_THE_LIMIT
        result[~inner] = np.eye(len(x))[np.rint(means[~inner]).astype(int)]
        powers = x[:, None]
        moments = means[:, None]
    else:
        low, high = _limits(means, x)
        at_low, at_high = variances - low <= _AT_THE_LIMIT, high - variances <= _AT_THE_LIMIT
        inner = ~at_low & ~at_high
        result[at_low] = _on_neighbours(means[at_low], x)
        result[at_high & ~at_low] = _on_ends(means[at_high & ~at_low], x)
        powers = np.stack([x, x**2], axis=1)
        moments = np.stack([means, variances + means**2], axis=1)
    result[inner] = _solve(moments[inner], powers)
    return result


def _in_bins(
    means: np.ndarray, spreads: np.ndarray | None, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns the bins 0 .. n - 1, and means and variances in units of bins."""
    step = (scores[-1] - scores[0]) / (len(scores) - 1)
    with np.errstate(over="ignore"):  # an infinite variance is infeasible
        variances = (
            None if spreads is None else np.where(spreads < 0, np.nan, (spreads / step) ** 2)
        )
    return np.arange(len(scores), dtype=np.float64), (means - scores[0]) / step, variances


def _limits(means: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least variance (two bins beside the mean) and the greatest (first, last bin)."""
    with np.errstate(invalid="ignore", over="ignore"):
        part = means - np.floor(means)
        return part * (1 - part), means * (x[-1] - means)


def _on_neighbours(means: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1 - np.abs(x - means[:, None]))


def _on_ends(means: np.ndarray, x: np.ndarray) -> np.ndarray:
    result = np.zeros((len(means), len(x)))
    result[:, -1] = means / x[-1]
    result[:, 0] = 1 - result[:, -1]
    return result


def _solve(moments: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Returns the distributions, (N, n), by Newton's method on the dual with step halving.

    Moments are (N, M), powers (n, M).
    """
    # Centred and scaled powers keep the two parameters apart.
    centre, size = powers.mean(axis=0), np.ptp(powers, axis=0) / 2
    powers, moments = (powers - centre) / size, (moments - centre) / size
    parameters = np.zeros_like(moments)
    result = np.empty((len(moments), len(powers)))
    open_ = np.arange(len(moments))  # rows that are not solved yet
    for _ in range(_STEPS):
        p, dual = _dual(parameters[open_], moments[open_], powers)
        result[open_] = p
        gradient = p @ powers - moments[open_]  # (N, M)
        unsolved = np.abs(gradient).max(axis=1) > _TOLERANCE
        open_, p, dual, gradient = (a[unsolved] for a in (open_, p, dual, gradient))
        if not len(open_):
            break
        deviations = powers[None] - (p @ powers)[:, None]  # (N, n, M)
        hessian = np.einsum("ki,kia,kib->kab", p, deviations, deviations)
        step = -np.einsum("kab,kb->ka", np.linalg.pinv(hessian, hermitian=True), gradient)
        slope = (gradient * step).sum(axis=1)
        size_of_step = np.ones(len(open_))
        for _ in range(40):
            tried = parameters[open_] + size_of_step[:, None] * step
            _, reached = _dual(tried, moments[open_], powers)
            too_far = reached > dual + 1e-4 * size_of_step * slope + 1e-15
            if not too_far.any():
                break
            size_of_step[too_far] /= 2
        parameters[open_] += size_of_step[:, None] * step
    return result


def _dual(
    parameters: np.ndarray, moments: np.ndarray, powers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distributions, (N, n), and the value of the dual, (N,)."""
    exponents = parameters @ powers.T  # (N, n)
    top = exponents.max(axis=1, keepdims=True)
    weights = np.exp(exponents - top)
    total = weights.sum(axis=1, keepdims=True)
    value = np.log(total[:, 0]) + top[:, 0] - (parameters * moments).sum(axis=1)
    return weights / total, value
