"""Agreement of a NIMA model with human ratings, beside that of always predicting the mean."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.figures import draw_predictions, save_figure
from nima_pretrain.evaluation.significance import RESAMPLES, bootstrap_interval
from nima_pretrain.files import read_json, replacing, write_json
from nima_pretrain.metrics import Agreement, ScoredPhotos, mean_score, scored
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import predictions_table, score_photos
from nima_pretrain.progress import counting
from nima_pretrain.report import Figure, Table, write_section
from nima_pretrain.weights.store import SideCar

logger = logging.getLogger(__name__)

_FOLDER = "evaluation"
_PREDICTIONS = "predictions.csv"
_RESULTS = "results.json"
_FEWEST_IN_CATEGORY = 3


class Evaluation(NamedTuple):
    """Results by name, and one row for each photo."""

    results: dict[str, Any]
    table: pd.DataFrame


def evaluate(
    model: keras.Model,
    side_car: SideCar,
    ratings: Ratings,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Returns how well a model predicts ratings.

    `constant` holds the same metrics for always predicting the mean distribution of these very
    ratings: no other constant has a lower EMD, so it is a generous one. Photos that cannot be
    read are counted and left out, here and there.

    Ratings may be on another scale than the model's. Then `model` holds the metrics of its scores
    as they are, as the paper compares AVA models with TID2013, and `mapped` those of its scores
    brought linearly to the scale of the ratings. EMD needs as many bins on both sides; it is that
    of the bins, and so one of `mapped`.

    Where the ratings say what photos show, `categories` holds the model's metrics for each category
    of at least three photos, on the scale of the ratings.

    Args:
        model: a NIMA model.
        side_car: of its weights.
        ratings: photos and distributions.
        threshold: mean score above which a photo counts as good, on the scale of the ratings; None
            for that scale's own.
        resamples: of the 95 % bootstrap intervals; 0 for none.

    Raises:
        InputError: no photo can be read.
    """
    scale, own_scale = ratings.scale, side_car.score_scale
    scores = []
    with counting("scoring photos", len(ratings)) as show:
        for score in score_photos(PhotoModel(model, side_car.network), ratings.paths):
            scores.append(score)
            show(len(scores))
    read = [score.distribution is not None for score in scores]
    if not any(read):
        raise InputError(f"None of the {len(ratings)} rated photos can be read.")
    true = ratings.distributions[read]
    predicted = np.array([score.distribution for score in scores if score.distribution is not None])
    limit = scale.threshold if threshold is None else threshold
    variants = _variants(true, predicted, scale, own_scale)
    constant = scored(true, np.broadcast_to(true.mean(axis=0), true.shape), scale.scores)
    of_all = {**variants, "constant": constant}
    results: dict[str, Any] = {
        "images": len(true),
        "unreadable": len(ratings) - len(true),
        "ratings_sha256": ratings.digest,
        "of_votes": ratings.of_votes,
        "scale": str(scale),
        "model_scale": str(own_scale),
        "threshold": limit,
        "fraction_above_threshold": float(np.mean(mean_score(true, scale.scores) > limit)),
        **{name: _defined(photos.agreement(limit)) for name, photos in of_all.items()},
    }
    if resamples:
        logger.info("intervals from %d bootstrap samples of %d photos", resamples, len(true))
        results["intervals"] = {
            name: _intervals(photos, limit, resamples) for name, photos in of_all.items()
        }
    shown = variants.get("mapped", variants["model"])
    table = predictions_table(scores, own_scale)
    table.insert(0, "name", ratings.names)
    table.insert(2, "true_mean", ratings.mean_scores)
    if ratings.categories:
        table.insert(2, "category", ratings.categories)
        results["categories"] = _by_category(shown, table[read], limit)
    for column, values in (
        ("mapped_mean", shown.predicted),
        ("absolute_error", shown.errors),
        ("emd", shown.emd),
        ("emd_r1", shown.emd_r1),
    ):
        table.loc[read, column] = values
    return Evaluation(results, table)


def write_evaluation(evaluation: Evaluation, folder: Path, name: str) -> Path:
    """Writes an evaluation into `evaluation/NAME/` of a folder and into its report.

    Args:
        evaluation: from `evaluate`.
        folder: of the run.
        name: of the ratings.

    Raises:
        InputError: another evaluation, on other ratings, is there already.
    """
    target = folder / _FOLDER / name
    if (target / _RESULTS).is_file():
        before = read_json(target / _RESULTS, "evaluation").get("ratings_sha256")
        if before != evaluation.results["ratings_sha256"]:
            raise InputError(
                f"{target} holds an evaluation on other ratings of the same name. "
                "Give this one another with --name."
            )
    with replacing(target / _PREDICTIONS) as partial:
        evaluation.table.to_csv(partial, index=False)
    write_json(target / _RESULTS, evaluation.results)
    png = target / "predictions.png"
    save_figure(draw_predictions({name: read_predictions(target)}), png)
    text = f"{evaluation.results['images']} photos, scores of {evaluation.results['scale']}."
    parts: list[Figure | Table] = [
        Table(metrics_table(evaluation.results), "Metrics, with 95 % intervals over photos."),
        Figure(png, "Predicted against true means; the line is where both agree."),
    ]
    if evaluation.results.get("categories"):
        caption = "Metrics by what photos show, where there are at least three of it."
        parts.append(Table(categories_table(evaluation.results), caption))
    write_section(folder, f"evaluation-{name}", f"Evaluation on {name}", text, parts)
    return target


def evaluations_of(folder: Path) -> dict[str, Path]:
    """Returns the folders of the evaluations that a run has, by the name of the ratings."""
    found = sorted((folder / _FOLDER).glob(f"*/{_PREDICTIONS}"))
    return {file.parent.name: file.parent for file in found}


def read_predictions(folder: Path) -> pd.DataFrame:
    """Returns the readable photos of a written evaluation, indexed by name."""
    table = pd.read_csv(folder / _PREDICTIONS, dtype={"name": str, "path": str})
    return table[table["status"] == "ok"].set_index("name")


def scored_of(table: pd.DataFrame) -> ScoredPhotos:
    """Returns the photos of a table of predictions, on the scale of the ratings."""
    columns = ("true_mean", "mapped_mean", "emd", "emd_r1")
    return ScoredPhotos(*(table[column].to_numpy(np.float64) for column in columns))


def metrics_table(results: dict[str, Any]) -> pd.DataFrame:
    """Returns the metrics of an evaluation as a table, one row each for model and constant."""
    labels = {"model": "model", "mapped": "model, mapped to the scale", "constant": "constant"}
    rows = []
    for name, label in labels.items():
        if name not in results:
            continue
        row = {"": label}
        for metric in Agreement._fields:
            row[metric] = _number(results[name][metric])
            interval = results.get("intervals", {}).get(name, {}).get(metric)
            if interval:
                row[metric] += f" [{_number(interval[0])}, {_number(interval[1])}]"
        rows.append(row)
    return pd.DataFrame(rows)


def categories_table(results: dict[str, Any]) -> pd.DataFrame:
    """Returns the metrics of an evaluation by category, a row each, the largest first."""
    rows = [
        {
            "category": category,
            "photos": metrics["photos"],
            **{metric: _number(metrics[metric]) for metric in Agreement._fields},
        }
        for category, metrics in results.get("categories", {}).items()
    ]
    return pd.DataFrame(rows)


def rows_by_category(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns the rows of each category of at least three photos, the largest category first.

    Args:
        table: of predictions; without a column `category` there are none.
    """
    if "category" not in table:
        return {}
    known = table["category"].fillna("").astype(str)
    counts = known[known != ""].value_counts()
    names = [str(name) for name, count in counts.items() if count >= _FEWEST_IN_CATEGORY]
    return {name: np.flatnonzero(known == name) for name in names}


def _by_category(
    photos: ScoredPhotos, table: pd.DataFrame, threshold: float
) -> dict[str, dict[str, float | None]]:
    return {
        category: {"photos": len(rows), **_defined(photos.rows(rows).agreement(threshold))}
        for category, rows in rows_by_category(table).items()
    }


def _variants(
    true: np.ndarray, predicted: np.ndarray, scale: ScoreScale, own_scale: ScoreScale
) -> dict[str, ScoredPhotos]:
    if scale.is_same(own_scale):
        return {"model": scored(true, predicted, scale.scores)}
    raw = mean_score(predicted, own_scale.scores)
    low, high = own_scale.scores[0], own_scale.scores[-1]
    place = (raw - low) / (high - low)
    mapped = scale.scores[0] + place * (scale.scores[-1] - scale.scores[0])
    none = np.full(len(true), np.nan)
    emd, emd_r1 = none, none
    if scale.bins == own_scale.bins:
        _, _, emd, emd_r1 = scored(true, predicted, scale.scores)
    means = mean_score(true, scale.scores)
    return {
        "model": ScoredPhotos(means, raw, none, none),
        "mapped": ScoredPhotos(means, mapped, emd, emd_r1),
    }


def _intervals(
    photos: ScoredPhotos, threshold: float, resamples: int
) -> dict[str, list[float] | None]:
    def statistic(rows: np.ndarray) -> np.ndarray:
        return np.array(photos.rows(rows).agreement(threshold))

    found = bootstrap_interval(statistic, len(photos.true), resamples)
    return {
        name: None if np.isnan(interval).any() else interval.tolist()
        for name, interval in zip(Agreement._fields, found, strict=True)
    }


def _defined(metrics: Agreement) -> dict[str, float | None]:
    """Metrics with None for those that are not defined: JSON has no NaN."""
    named = metrics._asdict()
    return {name: None if np.isnan(value) else value for name, value in named.items()}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
