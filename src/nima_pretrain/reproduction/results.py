"""Results of a grid: tables, figures and a report."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nima_pretrain.config.whole import TEST
from nima_pretrain.evaluation.comparison import (
    ALPHA,
    LABELS,
    Comparison,
    Contender,
    compare,
    compare_by_category,
    metrics_and_gains,
    readable,
)
from nima_pretrain.evaluation.evaluation_files import rows_by_category
from nima_pretrain.evaluation.figures import (
    draw_by_share,
    draw_differences,
    draw_learning_curves,
    draw_predictions,
)
from nima_pretrain.files import write_json
from nima_pretrain.reproduction.finished import Grid
from nima_pretrain.reproduction.grid import load, pretrainings_of
from nima_pretrain.reproduction.pages import Pages, records
from nima_pretrain.training.results import FinetuneResults, PretrainResults

_DRAWN = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae", "emd")}
_BY_SHARE = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae")}


def write_comparison(
    pages: Pages, compared: Comparison, epochs: Sequence[float], baseline: str, about: str
) -> dict[str, Any]:
    """Adds the tables of a comparison to pages, and returns them as JSON values.

    Args:
        pages: the output.
        compared: the comparison.
        epochs: epochs until early stopping, of its first entries.
        baseline: name of its baseline.
        about: description of the entries, for the caption.
    """
    metrics = compared.metrics.copy()
    metrics.insert(1, "epochs", pd.Series(epochs, dtype=float).reindex(metrics.index))
    pages.table(
        "metrics", metrics, f"{about} Epochs until early stopping; 95 % bootstrap intervals."
    )
    tests = int(compared.differences["p"].notna().sum())
    pages.table(
        "differences",
        compared.differences,
        f"Differences to {baseline} with 95 % intervals by paired bootstrap; p of the one-sided "
        f"Wilcoxon test that absolute errors are smaller, corrected for {tests} tests "
        f"(Bonferroni), significant below {ALPHA:g}.",
    )
    tested = compared.differences[compared.differences["p"].notna()]
    if len(tested):
        figure = draw_differences(tested, _DRAWN, baseline)
        pages.figure("differences", figure, f"Differences to {baseline}.")
    return {"metrics": records(metrics), "differences": records(compared.differences)}


def write_categories(
    pages: Pages,
    entries: Sequence[Contender],
    baseline: str,
    threshold: float,
    predictions: pd.DataFrame,
) -> None:
    """Adds the comparison by category to pages, if the ratings have categories.

    Args:
        pages: the output.
        entries: the entries of the comparison.
        baseline: name of one of the entries.
        threshold: mean score above which a photo is good.
        predictions: predictions of any entry; its rows are the photos of all entries.
    """
    rows_of = rows_by_category(predictions)
    if rows_of:
        table = compare_by_category(entries, baseline, threshold, rows_of)
        pages.table(
            "categories",
            table,
            f"By category, for categories of at least three photos; gain: difference to "
            f"{baseline}. 95 % bootstrap intervals, no tests.",
            _category_text,
        )


def write_results(grid: Grid) -> dict[str, Any]:
    """Writes all tables and figures of a finished grid, and returns its main results.

    `results.md` and `report.html` contain all of them; `results/` has the tables as CSV and the
    figures as PNG, `seconds.json` the time of the trainings.

    Args:
        grid: a finished grid.
    """
    pages = Pages(grid.run)
    entries = [grid.contender(start, grid.whole) for start in grid.starts]
    probes = [grid.probe(start) for start in grid.starts] if grid.config.probe else []
    besides = [*probes, grid.constant()]
    compared = compare(entries, grid.config.baseline, grid.threshold, besides)
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
    first = grid.config.seeds[0]
    tables = {start: grid.predictions(start, grid.whole, first, TEST) for start in grid.starts}
    write_categories(
        pages, entries, grid.config.baseline, grid.threshold, next(iter(tables.values()))
    )
    shares = _by_share(grid)
    if shares["share"].nunique() > 1:
        about = f"By the share of the training ratings; gain: difference to {grid.config.baseline}."
        pages.table("shares", shares, about, _share_text)
        pages.figure("shares", draw_by_share(shares, _BY_SHARE), "Metrics by share (figure 3).")
        epochs_by_share = draw_by_share(shares, {"epochs": "epochs until early stopping"})
        pages.figure("epochs", epochs_by_share, "Epochs until early stopping by share (figure 5).")
    pages.figure("learning_curves", _learning_curves(grid), "Validation loss by epoch, each fold.")
    pages.figure("predictions", draw_predictions(tables), "Predicted against true means.")
    # In a file of its own, so that equal trainings have equal results.
    write_json(grid.run / "seconds.json", _seconds(grid))
    more = {"photos": count, "ratings_sha256": grid.ratings.digest}
    return pages.finish("Results", results | more)


def _write_probes(
    grid: Grid, entries: list[Contender], probes: list[Contender], pages: Pages
) -> None:
    rows = []
    for entry, probe in zip(entries, probes, strict=True):
        compared = compare([probe, entry], probe.name, grid.threshold)
        rows.append(compared.differences.assign(name=f"{entry.name}, fine-tuned"))
    pages.table(
        "probes",
        pd.concat(rows, ignore_index=True),
        "Fine-tuning minus the ridge probe on the frozen features of the same start; tests are "
        "not corrected for their number.",
    )


def _by_share(grid: Grid) -> pd.DataFrame:
    """Returns metrics by start and share, and the gains over the baseline on the same share."""
    order, baseline = list(grid.config.starts), grid.config.baseline
    tables = []
    for share in sorted({cell.share for cell in grid.cells}):
        starts = [start for start in order if grid.cells_of(start, share)]
        reference = baseline if baseline in starts else starts[0]
        entries = [grid.contender(start, share) for start in starts]
        compared = compare(entries, reference, grid.threshold)
        table = metrics_and_gains(compared) if reference == baseline else compared.metrics
        places = [{"start": start, "share": share, **grid.epochs(start, share)} for start in starts]
        tables.append(pd.DataFrame(places).join(table.drop(columns="name")))
    return pd.concat(tables).sort_values(
        "start", key=lambda names: names.map(order.index), kind="stable", ignore_index=True
    )


def _share_text(table: pd.DataFrame) -> pd.DataFrame:
    names = [
        f"{start}, {100 * share:g} %"
        for start, share in zip(table["start"], table["share"], strict=True)
    ]
    columns = "epochs|lcc|srcc|srcc_gain|accuracy|mae|mae_gain|emd"
    shown = table.filter(regex=f"^({columns})(_low|_high)?$")
    return readable(shown.assign(name=names)[["name", *shown.columns]])


def _category_text(table: pd.DataFrame) -> pd.DataFrame:
    names = table["category"] + ", " + table["name"]
    shown = table.filter(regex="^(photos$|srcc|mae)")
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
    pretrained = [PretrainResults.read(run) for run in pretrainings_of(grid.run, grid.config)]
    finetuned = [FinetuneResults.read(cell.folder(grid.run)) for cell in grid.cells]
    return {
        "pretraining": sum(results.seconds for results in pretrained),
        "fine-tuning": sum(results.seconds for results in finetuned),
    }
