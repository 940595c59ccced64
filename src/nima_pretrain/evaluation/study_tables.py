"""What the outputs say, as tables: one row a fact, with an interval where photos scatter.

Photos are independent of each other, views of one photo are not. So every interval comes from
resampling photos: a 95 % bootstrap interval of the mean over photos.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nima_pretrain.distortions import VOID_GREY_LEVELS, Aspect, Distortion
from nima_pretrain.evaluation.view_outputs import Outputs

_RESAMPLES = 2000


def ordered_pairs(outputs: Outputs) -> pd.DataFrame:
    """Returns the share of pairs that the scores put in order.

    Columns: group ("all", "aspect", "distortion"), name, aspect, kind ("reference": the pairs of an
    undistorted with a distorted view; "inner": those of two distorted ones; "all"), pairs (a
    photo), share, low, high. Pairs that the bank's losses leave out are left out here.
    """
    bank = outputs.bank
    is_ordered = outputs.scores[:, bank.pairs.better] > outputs.scores[:, bank.pairs.worse]
    counts = np.ones_like(is_ordered)
    if bank.drops_void_terms:
        counts = outputs.differences >= VOID_GREY_LEVELS
    is_reference = np.isin(bank.pairs.better, [series.reference for series in bank.series])
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


def classification_accuracy(outputs: Outputs) -> pd.DataFrame:
    """Returns how often the distortion is named rightly, by aspect.

    Columns: aspect, classes, views (a photo), accuracy, low, high, guessing.
    """
    assert outputs.logits is not None
    rows = []
    for aspect in Aspect:
        terms = outputs.bank.class_terms[aspect]
        named = outputs.logits[aspect][:, terms.views].argmax(axis=-1)
        right = (named == terms.labels).sum(axis=1)
        total = np.full(len(right), len(terms.labels))
        classes = len(outputs.bank.of_aspect(aspect))
        rows.append((aspect.value, classes, len(terms.labels), *_share(right, total), 1 / classes))
    columns = ["aspect", "classes", "views", "accuracy", "low", "high", "guessing"]
    return pd.DataFrame(rows, columns=columns)


def confusion(outputs: Outputs, aspect: Aspect) -> pd.DataFrame:
    """Returns how many views of each distortion (rows) were named as which one (columns)."""
    assert outputs.logits is not None
    names = [distortion.name for distortion in outputs.bank.of_aspect(aspect)]
    terms = outputs.bank.class_terms[aspect]
    named = outputs.logits[aspect][:, terms.views].argmax(axis=-1)
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (np.broadcast_to(terms.labels, named.shape), named), 1)
    return pd.DataFrame(counts, pd.Index(names, name="true"), names)


def predicted_levels(outputs: Outputs) -> pd.DataFrame:
    """Returns how each distortion's own output answers to its level.

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


def level_agreement(outputs: Outputs) -> pd.DataFrame:
    """Returns for each distortion how its output follows its level.

    Columns: distortion, aspect, lcc (Pearson, over all its views of all photos), mae, mae_of_zero
    (that of always answering 0).
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


def score_curves(outputs: Outputs) -> pd.DataFrame:
    """Returns how the score changes as each distortion grows.

    Columns: distortion, aspect, level (signed; 0 is the view that it is ranked against), view,
    change (mean over photos of score minus the undistorted view's), low, high, and outscores (the
    share of photos whose distorted view scores higher than the undistorted one).
    """
    rows = []
    for distortion in outputs.bank:
        levels = _views_of(outputs, distortion)
        (reference,) = (view for view, level, _ in levels if level == 0)
        for view, level, _ in levels:
            change = outputs.scores[:, view] - outputs.scores[:, reference]
            low, high = _interval(change)
            row = (distortion.name, distortion.aspect.value, level, outputs.bank.view_names[view])
            rows.append((*row, change.mean(), low, high, (change > 0).mean()))
    columns = ["distortion", "aspect", "level", "view", "change", "low", "high", "outscores"]
    return pd.DataFrame(rows, columns=columns)


def strongest_levels(curves: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of `score_curves` at both ends of every distortion, worst first.

    These answer the question that users ask: does a spoilt copy outscore its original?
    """
    by_distortion = curves.groupby("distortion")["level"]
    is_end = curves["level"].isin([0]).eq(False) & (
        (curves["level"] == by_distortion.transform("min"))
        | (curves["level"] == by_distortion.transform("max"))
    )
    return curves[is_end].sort_values("outscores", ascending=False, kind="stable")


def _views_of(outputs: Outputs, distortion: Distortion) -> list[tuple[int, int, float]]:
    """View, signed level and target of a distortion's views, from the lowest level up."""
    rows = []
    for series in outputs.bank.series:
        if series.distortion is distortion:
            rows.append((series.reference, 0, 0.0))
            for k, view in enumerate(series.views, start=1):
                rows.append((view, series.sign * k, series.sign * k / len(series.views)))
    return sorted(set(rows), key=lambda row: row[1])


def _distortion_of_pairs(outputs: Outputs) -> np.ndarray:
    """Index of the distortion of every pair, (P,)."""
    names = [distortion.name for distortion in outputs.bank]
    of_view = {
        view: names.index(series.distortion.name)
        for series in outputs.bank.series
        for view in series.views
    }
    # The worse view of a pair is always a distorted one.
    return np.array([of_view[int(view)] for view in outputs.bank.pairs.worse])


def _groups(
    outputs: Outputs, of_distortion: np.ndarray
) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Group, name, aspect, and which pairs belong to it."""
    distortions = list(outputs.bank)
    yield "all", "all", "all", np.ones(len(of_distortion), bool)
    for aspect in Aspect:
        indices = [i for i, distortion in enumerate(distortions) if distortion.aspect is aspect]
        yield "aspect", aspect.value, aspect.value, np.isin(of_distortion, indices)
    for index, distortion in enumerate(distortions):
        yield "distortion", distortion.name, distortion.aspect.value, of_distortion == index


def _share(hits: np.ndarray, total: np.ndarray) -> tuple[float, float, float]:
    """Share of hits over all photos, with its interval; both (N,) counts."""
    if not total.sum():
        return float("nan"), float("nan"), float("nan")
    chosen = _resampled(len(hits))
    with np.errstate(invalid="ignore"):
        shares = hits[chosen].sum(axis=1) / total[chosen].sum(axis=1)
    low, high = np.nanpercentile(shares, [2.5, 97.5])
    return float(hits.sum() / total.sum()), float(low), float(high)


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values[_resampled(len(values))].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _resampled(count: int) -> np.ndarray:
    """Indices of photos drawn with replacement, (resamples, photos); the same at every call."""
    return np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
