"""What a grid has shown: tables in CSV and Markdown, figures, a report."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from nima_pretrain.comparison import ALPHA, LABELS, Comparison, Entry, compare, readable
from nima_pretrain.config import ReproduceConfig
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.evaluation import evaluations_of, read_predictions, scored_of
from nima_pretrain.figures import (
    draw_by_share,
    draw_differences,
    draw_learning_curves,
    draw_predictions,
)
from nima_pretrain.metrics import ScoredPhotos, mean_score
from nima_pretrain.probe import frozen_features, probe_predictions
from nima_pretrain.reproduction.grid import (
    TEST,
    Cell,
    Fold,
    cells_of,
    load,
    results_of,
    weights_of,
)
from nima_pretrain.reproduction.pages import Pages, records

logger = logging.getLogger(__name__)

_DRAWN = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae", "emd")}
_BY_SHARE = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae")}


def write_comparison(
    pages: Pages, compared: Comparison, epochs: Sequence[float], baseline: str, about: str
) -> dict[str, Any]:
    """Adds the tables of a comparison to pages, and returns them as JSON knows them.

    Args:
        pages: where they go.
        compared: the comparison.
        epochs: until early stopping, of its first entries.
        baseline: its baseline.
        about: what is compared.
    """
    metrics = compared.metrics.copy()
    metrics.insert(1, "epochs", pd.Series(epochs, dtype=float).reindex(metrics.index))
    pages.table(
        "metrics", metrics, f"{about} Epochs until early stopping; 95 % bootstrap intervals."
    )
    pages.table(
        "differences",
        compared.differences,
        f"Differences to {baseline} with 95 % intervals by paired bootstrap; p of the one-sided "
        "Wilcoxon test that absolute errors are smaller, corrected for "
        f"{len(compared.differences)} tests (Bonferroni), significant below {ALPHA:g}.",
    )
    figure = draw_differences(compared.differences, _DRAWN, baseline)
    pages.figure("differences", figure, f"Differences to {baseline}.")
    return {"metrics": records(metrics), "differences": records(compared.differences)}


class Grid:
    """A finished grid, ready to be looked at.

    Args:
        run: its directory.
        config: its config.
        ratings: all of them.
        folds: how they were divided.
    """

    def __init__(
        self, run: Path, config: ReproduceConfig, ratings: Ratings, folds: list[Fold]
    ) -> None:
        self.run = run
        self.config = config
        self.ratings = ratings
        self.folds = folds
        self.cells = cells_of(config, folds)
        self.threshold = ratings.scale.threshold
        self.whole = max(cell.share for cell in self.cells)

    def cells_of(self, start: str, share: float) -> list[Cell]:
        """The cells of a start on a share, all seeds and folds."""
        return [cell for cell in self.cells if (cell.start, cell.share) == (start, share)]

    def predictions(self, start: str, share: float, seed: int, name: str) -> pd.DataFrame:
        """The test photos of all folds with the predictions of the models that were not shown them.

        Sorted by name, so that the tables of two starts have the same rows.
        """
        cells = [cell for cell in self.cells_of(start, share) if cell.seed == seed]
        folders = [evaluations_of(cell.folder(self.run))[name] for cell in cells]
        return pd.concat([read_predictions(folder) for folder in folders]).sort_index()

    def entry(self, start: str, share: float) -> Entry:
        """The predictions of a start on a share: one set for each seed."""
        tables = [self.predictions(start, share, seed, TEST) for seed in self.config.seeds]
        return Entry(start, tuple(scored_of(table) for table in tables))

    def transferred(self, start: str, name: str) -> Entry:
        """The predictions for other ratings: one set for each model of the whole share."""
        folders = [
            evaluations_of(cell.folder(self.run))[name] for cell in self.cells_of(start, self.whole)
        ]
        tables = [read_predictions(folder).sort_index() for folder in folders]
        return Entry(start, tuple(scored_of(table) for table in tables))

    def epochs(self, start: str, share: float) -> dict[str, float]:
        """Means over the cells: epochs until early stopping, of the head alone, of the best."""
        results = [results_of(cell.folder(self.run)) for cell in self.cells_of(start, share)]
        names = ("epochs", "head_epochs", "best_epoch")
        return {name: float(np.mean([result[name] for result in results])) for name in names}

    @property
    def starts(self) -> list[str]:
        """Names of the starts that were trained on the whole share."""
        return [name for name in self.config.starts if self.cells_of(name, self.whole)]

    def probe(self, start: str, console: Console | None = None) -> Entry:
        """A ridge probe on the frozen features of a start.

        It has no epoch to choose, so it is fitted on the photos for validation too: on all that
        fine-tuning has had.
        """
        paths, names = self.ratings.paths, self.ratings.names
        weights = weights_of(self.run, self.config, start)
        features = frozen_features(weights, self.config.finetune.network, paths, console)
        row_of = {name: row for row, name in enumerate(names)}
        predicted: dict[str, float] = {}
        for fold in self.folds:
            fitted = (*fold.training.names, *fold.validation.names)
            training = [row_of[name] for name in fitted]
            testing = [row_of[name] for name in fold.test.names]
            values = probe_predictions(features, self.ratings, training, testing)
            predicted.update(zip(fold.test.names, values, strict=True))
        return self._of_means(f"ridge probe, {start}", predicted)

    def constant(self) -> Entry:
        """Always the mean distribution of each fold's training photos."""
        scale = self.ratings.scale
        predicted: dict[str, float] = {}
        for fold in self.folds:
            mean = mean_score(fold.training.distributions.mean(axis=0)[None], scale)[0]
            predicted.update(dict.fromkeys(fold.test.names, float(mean)))
        return self._of_means("mean of the training ratings", predicted)

    def _of_means(self, name: str, predicted: dict[str, float]) -> Entry:
        """An entry of means alone, for the photos that the models could read too."""
        table = self.predictions(self.starts[0], self.whole, self.config.seeds[0], TEST)
        values = np.array([predicted[photo] for photo in table.index])
        none = np.full(len(table), np.nan)
        return Entry(name, (ScoredPhotos(table["true_mean"].to_numpy(), values, none, none),))


def write_results(grid: Grid, console: Console | None = None) -> dict[str, Any]:
    """Writes all tables and figures of a finished grid, and returns its main results.

    `results.md` and `report.html` hold everything, `results/` each table as CSV and each figure
    as PNG.

    Args:
        grid: finished.
        console: where a progress bar is drawn, or None.
    """
    pages = Pages(grid.run)
    entries = [grid.entry(start, grid.whole) for start in grid.starts]
    probes = [grid.probe(start, console) for start in grid.starts] if grid.config.probe else []
    compared = compare([*entries, *probes, grid.constant()], grid.config.baseline, grid.threshold)
    epochs = [grid.epochs(start, grid.whole)["epochs"] for start in grid.starts]
    count = len(entries[0].errors)
    results = write_comparison(
        pages,
        compared,
        epochs,
        grid.config.baseline,
        f"Starts on {100 * grid.whole:g} % of the ratings, {count} photos, each predicted by a "
        "model that was not trained on it.",
    )
    if probes:
        _write_probes(grid, entries, probes, pages)
    for name in grid.config.transfer:
        entries_of_transfer = [grid.transferred(start, name) for start in grid.starts]
        threshold = load(grid.config.transfer[name]).scale.threshold
        of_transfer = compare(entries_of_transfer, grid.config.baseline, threshold)
        pages.table(f"transfer-{name}", of_transfer.metrics, f"The same models on {name}.")
    shares = _by_share(grid)
    if shares["share"].nunique() > 1:
        pages.table("shares", shares, "By the share of the training ratings.", _share_text)
        pages.figure("shares", draw_by_share(shares, _BY_SHARE), "Metrics by share (figure 3).")
        epochs_by_share = draw_by_share(shares, {"epochs": "epochs until early stopping"})
        pages.figure("epochs", epochs_by_share, "Epochs until early stopping by share (figure 5).")
    pages.figure("learning_curves", _learning_curves(grid), "Validation loss by epoch, each fold.")
    first = grid.config.seeds[0]
    tables = {start: grid.predictions(start, grid.whole, first, TEST) for start in grid.starts}
    pages.figure("predictions", draw_predictions(tables), "Predicted against true means.")
    more = {
        "photos": count,
        "ratings_sha256": grid.ratings.digest,
        "seconds": _seconds(grid),
    }
    return pages.finish("Results", results | more)


def _write_probes(grid: Grid, entries: list[Entry], probes: list[Entry], pages: Pages) -> None:
    rows = []
    for entry, probe in zip(entries, probes, strict=True):
        compared = compare([probe, entry], probe.name, grid.threshold)
        rows.append(compared.differences.assign(name=f"{entry.name}, fine-tuned"))
    pages.table(
        "probes",
        pd.concat(rows, ignore_index=True),
        "Fine-tuning minus the ridge probe on the frozen features of the same start; each test by "
        "itself.",
    )


def _by_share(grid: Grid) -> pd.DataFrame:
    rows = []
    for start in grid.config.starts:
        for share in sorted({cell.share for cell in grid.cells if cell.start == start}):
            table = compare([grid.entry(start, share)], start, grid.threshold).metrics
            place = {"start": start, "share": share, **grid.epochs(start, share)}
            rows.append(pd.DataFrame([place]).join(table.drop(columns="name")))
    return pd.concat(rows, ignore_index=True)


def _share_text(table: pd.DataFrame) -> pd.DataFrame:
    names = [
        f"{start}, {100 * share:g} %"
        for start, share in zip(table["start"], table["share"], strict=True)
    ]
    shown = table.drop(columns=["start", "share", "head_epochs", "best_epoch"])
    return readable(shown.assign(name=names)[["name", *shown.columns]])


def _learning_curves(grid: Grid) -> Any:
    return draw_learning_curves(
        {
            start: [
                pd.read_csv(cell.folder(grid.run) / "log.csv")
                for cell in grid.cells_of(start, grid.whole)
            ]
            for start in grid.starts
        }
    )


def _seconds(grid: Grid) -> dict[str, float]:
    starts = [name for name, start in grid.config.starts.items() if start.tasks]
    return {
        "pretraining": sum(results_of(grid.run / "starts" / x)["seconds"] for x in starts),
        "fine-tuning": sum(results_of(cell.folder(grid.run))["seconds"] for cell in grid.cells),
    }
