"""Targets of the losses on a bank's views, as index arrays.

All are derived from the bank's series. A `pair` index points into `ranked_pairs`: losses can ignore
a term if the two views of its pair hardly differ. A `series` index points into the bank's series:
losses can weight the series, when a batch holds a sample of them.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from nima_pretrain.distortions import Aspect, DistortionBank

_NO_PAIR = -1


class Pairs(NamedTuple):
    """Ordered pairs of views: `better` should score above `worse`; each (P,) int32."""

    better: np.ndarray
    worse: np.ndarray
    series: np.ndarray


class ViewTerms(NamedTuple):
    """The distorted views and their pairs with the reference; each (N,) int32."""

    views: np.ndarray
    pairs: np.ndarray
    series: np.ndarray


class ClassTerms(NamedTuple):
    """The views of one aspect, their classes and pairs with the reference; each (N,) int32."""

    views: np.ndarray
    labels: np.ndarray
    pairs: np.ndarray
    series: np.ndarray


class LevelTerms(NamedTuple):
    """The targets of regression outputs; (N,) float32 for `targets`, (N,) int32 for the others.

    A target is the level over the number of levels on that side, -1 to 1, and 0 for a reference,
    once per distortion that is ranked against it. `pairs` holds each view's pair with its
    reference, -1 for a reference itself. `series`, (N, 2), holds both sides of the distortion for
    a reference, and the series of a view twice.
    """

    views: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray
    pairs: np.ndarray
    series: np.ndarray


@cache
def ranked_pairs(bank: DistortionBank) -> Pairs:
    """Returns all ordered pairs within each series, including its reference."""
    pairs = []
    for index, series in enumerate(bank.series):
        ranking = (series.reference, *series.views)
        pairs += [(b, w, index) for i, b in enumerate(ranking) for w in ranking[i + 1 :]]
    return Pairs(*np.array(pairs, np.int32).T)


@cache
def distorted_views(bank: DistortionBank) -> ViewTerms:
    """Returns the distorted views in the bank's order."""
    pair_of = _pair_indices(bank)
    rows = [
        (view, pair_of[series.reference, view], index)
        for index, series in enumerate(bank.series)
        for view in series.views
    ]
    return ViewTerms(*np.array(sorted(rows), np.int32).T)


@cache
def class_terms(bank: DistortionBank) -> dict[Aspect, ClassTerms]:
    """Returns the distorted views of each aspect with their class within the aspect."""
    pair_of = _pair_indices(bank)
    terms = {}
    for aspect in Aspect:
        classes = bank.of_aspect(aspect)
        rows = [
            (view, classes.index(series.distortion), pair_of[series.reference, view], index)
            for index, series in enumerate(bank.series)
            if series.distortion.aspect is aspect
            for view in series.views
        ]
        terms[aspect] = ClassTerms(*np.array(sorted(rows), np.int32).reshape(-1, 4).T)
    return terms


@cache
def level_terms(bank: DistortionBank) -> LevelTerms:
    """Returns the distorted views and each distortion's reference, with outputs and targets."""
    pair_of = _pair_indices(bank)
    rows: list[tuple[int, int, float, int, tuple[int, int]]] = []
    for output, distortion in enumerate(bank):
        sides = [
            index for index, series in enumerate(bank.series) if series.distortion is distortion
        ]
        reference = bank.series[sides[0]].reference
        rows.append((reference, output, 0.0, _NO_PAIR, (sides[0], sides[-1])))
        for index in sides:
            series = bank.series[index]
            rows += [
                (view, output, target, pair_of[reference, view], (index, index))
                for view, target in zip(series.views, series.targets, strict=True)
            ]
    views, outputs, targets, pairs, both_sides = zip(*rows, strict=True)
    return LevelTerms(
        np.array(views, np.int32),
        np.array(outputs, np.int32),
        np.array(targets, np.float32),
        np.array(pairs, np.int32),
        np.array(both_sides, np.int32),
    )


def pair_differences(views: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Returns the mean absolute difference of the views of every pair, (P,) float64 grey levels.

    Args:
        views: (V, S, S, 3) uint8; all values are averaged, including black bars.
        pairs: from `ranked_pairs`.
    """
    wide = views.astype(np.int16)
    both = zip(pairs.better, pairs.worse, strict=True)
    return np.array([np.abs(wide[better] - wide[worse]).mean() for better, worse in both])


@cache
def _pair_indices(bank: DistortionBank) -> dict[tuple[int, int], int]:
    pairs = ranked_pairs(bank)
    both = zip(pairs.better.tolist(), pairs.worse.tolist(), strict=True)
    return {pair: index for index, pair in enumerate(both)}
