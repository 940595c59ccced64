"""Tables of a study, with intervals over photos.

Photos are independent of each other, views of one photo are not. So every interval is a 95 %
bootstrap interval that resamples photos.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from nima_pretrain.distortions import Aspect, Distortion
from nima_pretrain.distortions.bank import VOID_GREY_LEVELS
from nima_pretrain.evaluation.significance import bootstrap_interval
from nima_pretrain.evaluation.view_outputs import ViewOutputs
from nima_pretrain.pretext.targets import class_terms, ranked_pairs

_RESAMPLES = 2000


def ordered_pairs(outputs: ViewOutputs) -> pd.DataFrame:
    """Returns the share of pairs in the right order by the scores.

    Columns: group ("all", "aspect", "distortion"), name, aspect, kind ("reference": pairs of an
    undistorted and a distorted view; "inner": pairs of two distorted ones; "all"), pairs (per
    photo), share, low, high. Pairs that the bank's losses ignore are left out.
    """
    bank = outputs.bank
    pairs = ranked_pairs(bank)
    is_ordered = outputs.scores[:, pairs.better] > outputs.scores[:, pairs.worse]
    counts = np.ones_like(is_ordered)
    if bank.drops_void_terms:
        counts = outputs.differences >= VOID_GREY_LEVELS
    is_reference = np.isin(pairs.better, [series.reference for series in bank.series])
    of_distortion = _distortion_of_pairs(outputs)
    rows = []
    for group, name, aspect, in_group in _groups(outputs, of_distortion):
        for kind, of_kind in (
            ("all", np.ones_like(is_reference)),
            ("reference", is_reference),
            ("inner", ~is_reference),
        ):
            chosen = in_group & of_kind
            if not chosen.any():
                continue
            ordered = (is_ordered & counts)[:, chosen].sum(axis=1)
            total = counts[:, chosen].sum(axis=1)
            rows.append((group, name, aspect, kind, int(chosen.sum()), *_share(ordered, total)))
    columns = ["group", "name", "aspect", "kind", "pairs", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def classification_accuracy(outputs: ViewOutputs) -> pd.DataFrame:
    """Returns the accuracy of classifying the distortion, by aspect.

    Columns: aspect, classes, views (per photo), accuracy, low, high, guessing (chance level).
    """
    assert outputs.logits is not None
    rows = []
    for aspect in Aspect:
        terms = class_terms(outputs.bank)[aspect]
        named = outputs.logits[aspect][:, terms.views].argmax(axis=-1)
        right = (named == terms.labels).sum(axis=1)
        total = np.full(len(right), len(terms.labels))
        classes = len(outputs.bank.of_aspect(aspect))
        rows.append((aspect.value, classes, len(terms.labels), *_share(right, total), 1 / classes))
    columns = ["aspect", "classes", "views", "accuracy", "low", "high", "guessing"]
    return pd.DataFrame(rows, columns=columns)


def confusion(outputs: ViewOutputs, aspect: Aspect) -> pd.DataFrame:
    """Returns the confusion matrix of an aspect: counts by true (rows) and predicted distortion."""
    assert outputs.logits is not None
    names = [distortion.name for distortion in outputs.bank.of_aspect(aspect)]
    terms = class_terms(outputs.bank)[aspect]
    named = outputs.logits[aspect][:, terms.views].argmax(axis=-1)
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (np.broadcast_to(terms.labels, named.shape), named), 1)
    return pd.DataFrame(counts, pd.Index(names, name="true"), names)


def predicted_levels(outputs: ViewOutputs) -> pd.DataFrame:
    """Returns each distortion's own output by its level.

    Columns: distortion, aspect, level (signed), target (-1 to 1), and over the photos mean, p5,
    median, p95 of the output, and the mean absolute error.
    """
    assert outputs.levels is not None
    bank = outputs.bank
    rows = []
    for index, distortion in enumerate(bank):
        for view, level, target in _views_of(outputs, distortion):
            values = outputs.levels[:, view, index]
            low, median, high = np.percentile(values, [5, 50, 95])
            error = np.abs(values - target).mean()
            row = (distortion.name, distortion.aspect.value, level, target)
            rows.append((*row, values.mean(), low, median, high, error))
    columns = ["distortion", "aspect", "level", "target", "mean", "p5", "median", "p95", "mae"]
    return pd.DataFrame(rows, columns=columns)


def level_agreement(outputs: ViewOutputs) -> pd.DataFrame:
    """Returns the agreement of each distortion's output with its level.

    Columns: distortion, aspect, lcc (Pearson, over all its views of all photos), mae, mae_of_zero
    (the constant baseline 0).
    """
    assert outputs.levels is not None
    rows = []
    for index, distortion in enumerate(outputs.bank):
        views, _, targets = zip(*_views_of(outputs, distortion), strict=True)
        values = outputs.levels[:, list(views), index]
        true = np.broadcast_to(targets, values.shape)
        lcc = np.corrcoef(true.ravel(), values.ravel())[0, 1]
        errors = np.abs(values - true).mean(), np.abs(true).mean()
        rows.append((distortion.name, distortion.aspect.value, lcc, *errors))
    return pd.DataFrame(rows, columns=["distortion", "aspect", "lcc", "mae", "mae_of_zero"])


def score_curves(outputs: ViewOutputs) -> pd.DataFrame:
    """Returns the change of the score by distortion level.

    Columns: distortion, aspect, level (signed; 0 is the reference), view, change (mean over photos
    of the score minus that of the reference), low, high, and outscores (share of photos whose
    distorted view scores above the reference).
    """
    rows = []
    for distortion in outputs.bank:
        levels = _views_of(outputs, distortion)
        (reference,) = (view for view, level, _ in levels if level == 0)
        for view, level, _ in levels:
            change = outputs.scores[:, view] - outputs.scores[:, reference]
            low, high = _interval(_mean_of(change), len(change))
            row = (distortion.name, distortion.aspect.value, level, outputs.bank.view_names[view])
            rows.append((*row, change.mean(), low, high, (change > 0).mean()))
    columns = ["distortion", "aspect", "level", "view", "change", "low", "high", "outscores"]
    return pd.DataFrame(rows, columns=columns)


def strongest_levels(curves: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of `score_curves` at both ends of every distortion, worst first.

    They show how often a strongly distorted copy scores above its original.
    """
    by_distortion = curves.groupby("distortion")["level"]
    is_end = (curves["level"] != 0) & (
        (curves["level"] == by_distortion.transform("min"))
        | (curves["level"] == by_distortion.transform("max"))
    )
    return curves[is_end].sort_values("outscores", ascending=False, kind="stable")


def _views_of(outputs: ViewOutputs, distortion: Distortion) -> list[tuple[int, int, float]]:
    """Returns index, signed level and target of a distortion's views, from the lowest level up."""
    rows = []
    for series in outputs.bank.series:
        if series.distortion is distortion:
            rows.append((series.reference, 0, 0.0))
            levels = range(1, len(series.views) + 1)
            rows += [
                (view, series.sign * level, target)
                for view, level, target in zip(series.views, levels, series.targets, strict=True)
            ]
    return sorted(set(rows), key=lambda row: row[1])


def _distortion_of_pairs(outputs: ViewOutputs) -> np.ndarray:
    """Returns the index of the distortion of every pair, (P,)."""
    distortions = list(outputs.bank)
    of_series = np.array([distortions.index(series.distortion) for series in outputs.bank.series])
    return of_series[ranked_pairs(outputs.bank).series]


def _groups(
    outputs: ViewOutputs, of_distortion: np.ndarray
) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Yields group, name, aspect, and the mask of its pairs, (P,) bool."""
    distortions = list(outputs.bank)
    yield "all", "all", "all", np.ones(len(of_distortion), bool)
    for aspect in Aspect:
        indices = [i for i, distortion in enumerate(distortions) if distortion.aspect is aspect]
        yield "aspect", aspect.value, aspect.value, np.isin(of_distortion, indices)
    for index, distortion in enumerate(distortions):
        yield "distortion", distortion.name, distortion.aspect.value, of_distortion == index


def _share(hits: np.ndarray, total: np.ndarray) -> tuple[float, float, float]:
    """Returns the share of hits over all photos and its interval; arguments are (N,) counts."""
    if not total.sum():
        return float("nan"), float("nan"), float("nan")

    def share(rows: np.ndarray, axis: int) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return hits[rows].sum(axis=axis) / total[rows].sum(axis=axis)

    return float(hits.sum() / total.sum()), *_interval(share, len(hits))


def _interval(statistic: Callable[..., np.ndarray], count: int) -> tuple[float, float]:
    ((low, high),) = bootstrap_interval(statistic, count, _RESAMPLES, vectorized=True)
    return float(low), float(high)


def _mean_of(values: np.ndarray) -> Callable[..., np.ndarray]:
    return lambda rows, axis: values[rows].mean(axis=axis)
