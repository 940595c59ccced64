"""Evaluations in the folder of a run: writing, reading and tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from nima_pretrain.data.rating_files import read_named
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.figures import draw_predictions, save_figure
from nima_pretrain.evaluation.results import RESULTS, EvaluationResults
from nima_pretrain.files import write_table
from nima_pretrain.metrics import Agreement, ScoredPhotos
from nima_pretrain.report import Figure, Table, number, write_section

_FOLDER = "evaluation"
_PREDICTIONS = "predictions.csv"
_FEWEST_IN_CATEGORY = 3


def check_evaluation(
    folder: Path, name: str, weights: str | None, ratings_sha256: str, *, with_mirrored: bool
) -> Path:
    """Returns the folder of an evaluation, after checking that it holds no other evaluation.

    Args:
        folder: folder of the run.
        name: name of the evaluation.
        weights: file name of the weights, None if unknown.
        ratings_sha256: hash of the ratings.
        with_mirrored: whether scores are means over a photo and its mirror image.

    Raises:
        InputError: the name is no folder name; or an evaluation of the same name on other ratings
            or of other weights exists, or one of scores with mirror images where these are
            without, or the reverse.
    """
    if Path(name).name != name or name == "..":
        raise InputError(f"Expected a --name that can be that of a folder, received {name!r}.")
    target = folder / _FOLDER / name
    if not (target / RESULTS).is_file():
        return target
    before = EvaluationResults.read(target)
    other = None
    if before.ratings_sha256 != ratings_sha256:
        other = "on other ratings of the same name"
    elif weights and before.weights and before.weights != weights:
        other = f"of the same name of {before.weights}"
    elif before.with_mirrored != with_mirrored:
        other = f"of the same name {'with' if before.with_mirrored else 'without'} mirror images"
    if other:
        raise InputError(
            f"{target} holds an evaluation {other}. Give this one another with --name."
        )
    return target


def write_evaluation(
    results: EvaluationResults, table: pd.DataFrame, folder: Path, name: str
) -> Path:
    """Writes an evaluation to `evaluation/NAME/` of a run and to its report; returns the folder.

    Args:
        results: metrics.
        table: one row per photo.
        folder: folder of the run.
        name: name of the evaluation.

    Raises:
        InputError: see `check_evaluation`.
    """
    target = check_evaluation(
        folder, name, results.weights, results.ratings_sha256, with_mirrored=results.with_mirrored
    )
    write_table(target / _PREDICTIONS, table)
    results.write(target)
    png = target / "predictions.png"
    save_figure(draw_predictions({name: read_predictions(target)}), png)
    text = f"{results.images} photos, scores of {results.scale}."
    text += " Means over photos and their mirror images." if results.with_mirrored else ""
    text += f" {results.warning}" if results.warning else ""
    parts: list[Figure | Table] = [
        Table(metrics_table(results), "Metrics, with 95 % intervals over photos."),
        Figure(png, "Predicted against true means; the line is where both agree."),
    ]
    if results.categories:
        caption = "Metrics by category, for categories of at least three photos."
        parts.append(Table(categories_table(results), caption))
    write_section(folder, f"evaluation-{name}", f"Evaluation on {name}", text, parts)
    return target


def evaluations_of(folder: Path) -> dict[str, Path]:
    """Returns the folders of a run's finished evaluations by name."""
    found = sorted((folder / _FOLDER).glob(f"*/{RESULTS}"))
    return {file.parent.name: file.parent for file in found}


def read_predictions(folder: Path) -> pd.DataFrame:
    """Returns the readable photos of a written evaluation, indexed by name."""
    table = read_named(folder / _PREDICTIONS)
    return table[table["status"] == "ok"].set_index("name")


def scored_of(table: pd.DataFrame) -> ScoredPhotos:
    """Returns the photos of a table of predictions, on the scale of the ratings."""
    columns = ("true_mean", "mapped_mean", "emd", "emd_r1")
    return ScoredPhotos(*(table[column].to_numpy(np.float64) for column in columns))


def metrics_table(results: EvaluationResults) -> pd.DataFrame:
    """Returns the metrics of an evaluation as a table, one row each for model and baseline."""
    labels = {"model": "model", "mapped": "model, mapped to the scale", "constant": "constant"}
    rows = []
    for variant, metrics in results.variants.items():
        row = {"": labels[variant]}
        for metric in Agreement._fields:
            row[metric] = number(metrics[metric], results.interval(variant, metric))
        rows.append(row)
    return pd.DataFrame(rows)


def categories_table(results: EvaluationResults) -> pd.DataFrame:
    """Returns the metrics of an evaluation by category, one row each, the largest first."""
    rows = [
        {
            "category": category,
            "photos": str(metrics["photos"]),
            **{metric: number(metrics[metric]) for metric in Agreement._fields},
        }
        for category, metrics in (results.categories or {}).items()
    ]
    return pd.DataFrame(rows)


def rows_by_category(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns the row numbers of each category of at least three photos, the largest first.

    Args:
        table: predictions; without a column `category` the result is empty.
    """
    if "category" not in table:
        return {}
    known = table["category"].fillna("").astype(str)
    counts = known[known != ""].value_counts()
    names = [str(name) for name, count in counts.items() if count >= _FEWEST_IN_CATEGORY]
    return {name: np.flatnonzero(known == name) for name in names}
