"""Comparison of models on the same photos, with intervals and significance tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.evaluation.significance import (
    RESAMPLES,
    bonferroni,
    bootstrap_interval,
    signed_rank_p,
)
from nima_pretrain.metrics import Agreement, ScoredPhotos
from nima_pretrain.report import number

ALPHA = 0.01  # of the paper's tests

LABELS = {
    "lcc": "LCC",
    "srcc": "SRCC",
    "kendall": "Kendall",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "mae": "MAE",
    "emd": "EMD",
    "emd_r1": "EMD (r = 1)",
}


@dataclass(frozen=True)
class Contender:
    """Predictions of one entry of a comparison, one set per seed, for the same ordered photos.

    Metrics, and the errors of every photo, are averaged over the seeds.
    """

    name: str
    runs: tuple[ScoredPhotos, ...]

    @cached_property
    def errors(self) -> np.ndarray:
        """Absolute errors of the mean scores, (N,), in points."""
        return np.mean([photos.errors for photos in self.runs], axis=0)

    def of(self, rows: np.ndarray) -> "Contender":
        """Returns the predictions for some of the photos."""
        return Contender(self.name, tuple(photos.rows(rows) for photos in self.runs))

    def metrics(
        self,
        threshold: float,
        rows: np.ndarray | slice = slice(None),
        seeds: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Returns the metrics on some photos, in the order of `Agreement`, averaged over seeds.

        Args:
            threshold: see `compare`.
            rows: row numbers of the photos, maybe with repetitions.
            seeds: indices of seeds, maybe with repetitions; None for all.
        """
        runs = self.runs if seeds is None else [self.runs[seed] for seed in seeds]
        return np.mean([photos.rows(rows).agreement(threshold) for photos in runs], axis=0)


class Comparison(NamedTuple):
    """Tables with the columns NAME, NAME_low, NAME_high for every metric.

    Attributes:
        metrics: one row per entry.
        differences: one row per entry but the baseline: its metrics minus the baseline's, and
            p, p_corrected, is_significant of the test that its absolute errors are smaller; p is
            NaN for entries that are not tested.
    """

    metrics: pd.DataFrame
    differences: pd.DataFrame


def compare(
    entries: Sequence[Contender],
    baseline: str,
    threshold: float,
    besides: Sequence[Contender] = (),
    resamples: int = RESAMPLES,
) -> Comparison:
    """Returns a comparison by paired bootstrap and one-sided Wilcoxon signed-rank tests.

    The 95 % intervals are over photos and seeds together: a sample draws photos, the same for all
    entries, and for each entry seeds, both with replacement (the pigeonhole bootstrap of Owen,
    2007). With one seed they are over photos alone.

    The tests are corrected for their number (Bonferroni), and significant at 1 %, as in the paper.

    Args:
        entries: at least one.
        baseline: name of one of the entries.
        threshold: mean score above which a photo is good.
        besides: entries that are shown but not tested, such as probes.
        resamples: number of bootstrap samples of the 95 % intervals.
    """
    reference = [entry.name for entry in entries].index(baseline)
    shown = [*entries, *besides]

    rng = np.random.default_rng(0)

    def values(rows: np.ndarray | slice, is_sample: bool) -> np.ndarray:
        found = np.array(
            [
                entry.metrics(threshold, rows, _drawn(rng, len(entry.runs)) if is_sample else None)
                for entry in shown
            ]
        )
        return np.stack([found, found - found[reference]])  # (2, entries, metrics)

    count = len(entries[0].errors)
    whole = values(slice(None), is_sample=False)
    intervals = bootstrap_interval(lambda rows: values(rows, True).ravel(), count, resamples)
    metrics, differences = (
        _table(shown, found, interval)
        for found, interval in zip(whole, intervals.reshape(*whole.shape, 2), strict=True)
    )
    others = [entry for entry in entries if entry.name != baseline]
    p_values = [signed_rank_p(entry.errors, entries[reference].errors) for entry in others]
    differences = differences[differences["name"] != baseline].reset_index(drop=True)
    untested = [np.nan] * len(besides)
    differences["p"] = [*p_values, *untested]
    corrected = [bonferroni(p, len(others)) for p in p_values]
    differences["p_corrected"] = [*corrected, *untested]
    differences["is_significant"] = differences["p_corrected"] < ALPHA
    return Comparison(metrics, differences)


def compare_by_category(
    entries: Sequence[Contender],
    baseline: str,
    threshold: float,
    rows_of: Mapping[str, np.ndarray],
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Returns a separate comparison for each category of photos, as in Hou et al. (2022).

    Args:
        entries: at least one.
        baseline: name of one of the entries.
        threshold: mean score above which a photo is good.
        rows_of: row numbers of the photos of each category.
        resamples: number of bootstrap samples of the 95 % intervals.

    Returns:
        One row per category and entry: category, photos, and the columns of `metrics_and_gains`.
        There are no tests, since some of so many would be significant by chance.
    """
    tables = []
    for category, rows in rows_of.items():
        within = [entry.of(rows) for entry in entries]
        table = metrics_and_gains(compare(within, baseline, threshold, resamples=resamples))
        table.insert(0, "category", category)
        table.insert(1, "photos", len(rows))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def metrics_and_gains(compared: Comparison) -> pd.DataFrame:
    """Returns the metrics of a comparison, and beside them the differences to its baseline.

    These are METRIC_gain, METRIC_gain_low, METRIC_gain_high, NaN for the baseline.
    """
    metrics, differences = compared
    gains = differences.set_index("name")[metrics.columns[1:]]
    gains.columns = gains.columns.str.replace("(_low|_high)?$", r"_gain\1", n=1, regex=True)
    return metrics.join(gains, on="name")


def _drawn(rng: np.random.Generator, num_seeds: int) -> Sequence[int] | None:
    """Returns indices of seeds, drawn with replacement; None for a single one."""
    return rng.integers(num_seeds, size=num_seeds).tolist() if num_seeds > 1 else None


def _table(entries: Sequence[Contender], values: np.ndarray, intervals: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"name": [entry.name for entry in entries]})
    for column, name in enumerate(Agreement._fields):
        table[name] = values[:, column]
        table[f"{name}_low"] = intervals[:, column, 0]
        table[f"{name}_high"] = intervals[:, column, 1]
    return table


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table of numbers with intervals as a table of formatted text."""
    result = pd.DataFrame({"": table["name"]})
    for column in table.columns[1:]:
        if column.endswith(("_low", "_high")):
            continue
        low, high = f"{column}_low", f"{column}_high"
        if low in table:
            columns = (table[column], table[low], table[high])
            result[_label(column)] = [
                number(value, (below, above)) for value, below, above in zip(*columns, strict=True)
            ]
        else:
            result[_label(column)] = table[column].map(_text)
    return result


def _label(column: str) -> str:
    metric, gain, _ = column.partition("_gain")
    return f"{LABELS.get(metric, metric)}{' gain' if gain else ''}"


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    return f"{value:g}" if value.is_integer() else number(value)
