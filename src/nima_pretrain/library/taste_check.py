"""Cross-validation of a person's head: is it better than the general model on other photos?

The general model is adapted to the person's use of stars, too, by offset and spread, on the same
photos: the taste alone is compared. Nothing is chosen by the person's stars, so one loop of folds
is enough. Near-duplicates are never on both sides.
"""

from typing import NamedTuple

import numpy as np

from nima_pretrain.library.taste_head import TASTE_DEVIATION, Design, fit_tilt

FOLDS = 5
INTERVAL = 90  # %: of people without a taste of their own, one in twenty is believed to have one
# Folds are drawn again until so many predictions are made, or so often.
_PREDICTIONS = 400
_MOST_REPEATS = 10
_RESAMPLES = 2000
# Cosine of centred features, of the bundled scorers. It joins 98 % of 60 photos of OASIS with
# copies cut by an eighth, 5 % of the pairs of one theme at most, and below 0.1 % of other pairs.
# Lower than in `predict --group`: to join too many does no harm here.
_NEAR = 0.8


class Gain(NamedTuple):
    """A metric of both models on photos that neither was fitted to.

    Attributes:
        general: of the general model, adapted to the person's use of stars.
        personal: of the person's model.
        gain: by how much the person's is better.
        low: lower end of the bootstrap interval of the gain, see `INTERVAL`.
        high: its upper end.
    """

    general: float
    personal: float
    gain: float
    low: float
    high: float


class TasteCheck(NamedTuple):
    """The result of the cross-validation.

    Attributes:
        pairs: share of the pairs of photos with different stars that are in the person's order.
        errors: mean absolute error, in stars.
        means: (N,) float64, mean scores of the person's model for photos that it was not fitted
            to, in stars.
    """

    pairs: Gain
    errors: Gain
    means: np.ndarray

    @property
    def is_better(self) -> bool:
        """True if the person's model puts more pairs in order, by the whole interval."""
        return self.pairs.low > 0


def cross_validate(
    design: Design, given: np.ndarray, groups: np.ndarray, seed: int = 0
) -> TasteCheck:
    """Returns the comparison of a person's model with the general one, by repeated 5-fold.

    Pairs are compared within a held-out fold, since every fold has fits of its own. The bootstrap
    draws groups.

    Args:
        design: of N photos.
        given: (N,) floats, the stars that the person gave, not all the same.
        groups: (N,) integers from 0, equal for near-duplicates; at least five different ones.
        seed: seed of folds and bootstrap samples.
    """
    rng = np.random.default_rng(seed)
    repeats = min(_MOST_REPEATS, -(-_PREDICTIONS // len(given)))
    differs = np.sign(given[:, None] - given)
    compared = np.zeros_like(differs)
    in_order = np.zeros((2, *differs.shape))  # by the general and by the person's model
    held_out = np.zeros((2, len(given)))
    errors = np.zeros((2, len(given)))
    for _ in range(repeats):
        folds = folds_of(groups, rng)
        means = _held_out(design, given, folds)
        together = (folds[:, None] == folds) & (differs != 0)
        compared += together
        for which, of_model in enumerate(means):
            agrees = np.sign(of_model[:, None] - of_model) * differs
            in_order[which] += together * (1 + agrees) / 2
        held_out += means / repeats
        errors += np.abs(means - given) / repeats
    num_groups = groups.max() + 1
    draws = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), _RESAMPLES)
    weights = np.vstack([np.ones(len(given)), draws[:, groups]])  # the first row: all photos
    num_pairs = _of_pairs(weights, compared)
    # A sample may have no pair to compare.
    num_pairs[num_pairs == 0] = np.nan
    shares = [_of_pairs(weights, of_model) / num_pairs for of_model in in_order]
    mean_errors = [weights @ of_model / weights.sum(axis=1) for of_model in errors]
    return TasteCheck(
        _gain(shares[0], shares[1], shares[1] - shares[0]),
        _gain(mean_errors[0], mean_errors[1], mean_errors[0] - mean_errors[1]),
        held_out[1],
    )


def near_duplicates(features: np.ndarray) -> np.ndarray:
    """Returns a group of each photo, (N,) integers from 0: photos that look alike share one.

    Args:
        features: (N, F) floats.
    """
    from scipy.sparse import csgraph

    directions = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    groups: np.ndarray = csgraph.connected_components(
        directions @ directions.T > _NEAR, directed=False
    )[1]
    return groups


def folds_of(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a fold of each photo, (N,) integers: groups are whole, folds about equal in size.

    Args:
        groups: (N,) integers from 0.
        rng: draws the order in which groups of one size are assigned.
    """
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of_group = np.empty(len(sizes), int)
    filled = np.zeros(FOLDS)
    for group in order:
        fold_of_group[group] = np.argmin(filled)
        filled[fold_of_group[group]] += sizes[group]
    return fold_of_group[groups]


def _held_out(design: Design, given: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Returns mean scores of photos by fits without their fold, (2, N): general, personal."""
    is_used = np.arange(FOLDS)[:, None] != folds  # (FOLDS, N)
    rows = np.arange(len(given))
    return np.stack(
        [
            design.means(fit_tilt(design, given, deviation, is_used))[folds, rows]
            for deviation in (0.0, TASTE_DEVIATION)
        ]
    )


def _of_pairs(weights: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Returns sums over pairs, (samples,), weighted by both photos of a pair."""
    return np.einsum("sn,sn->s", weights @ pairs, weights)


def _gain(general: np.ndarray, personal: np.ndarray, gains: np.ndarray) -> Gain:
    """Returns the gain of all photos, which come first, with its interval by the samples."""
    outside = (100 - INTERVAL) / 2
    low, high = np.nanpercentile(gains[1:], [outside, 100 - outside])
    return Gain(*map(float, (general[0], personal[0], gains[0], low, high)))
