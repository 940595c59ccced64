"""Agreement of a NIMA model, and of a constant baseline, with human ratings."""

import logging
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.data.rating_files import as_ratings, listed_in
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluation_files import (
    check_evaluation,
    rows_by_category,
    write_evaluation,
)
from nima_pretrain.evaluation.results import EvaluationResults, Metrics
from nima_pretrain.evaluation.significance import RESAMPLES, bootstrap_interval
from nima_pretrain.files import write_json, write_table
from nima_pretrain.metrics import Agreement, ScoredPhotos, mean_score, scored
from nima_pretrain.prediction.engines import Engine, load_engine
from nima_pretrain.prediction.mirrored import MirrorAveraged
from nima_pretrain.prediction.scoring import predictions_table, score_photos
from nima_pretrain.prediction.variation import warning_of_scores
from nima_pretrain.progress import counting
from nima_pretrain.weights.finding import find_model
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

logger = logging.getLogger(__name__)

Part = Literal["all", "training", "validation", "test"]


class Evaluation(NamedTuple):
    """An evaluation of a model.

    Attributes:
        results: metrics with their intervals.
        table: one row per photo: rating, scores, errors.
        name: name of the evaluation.
        folder: its folder in the run.
    """

    results: EvaluationResults
    table: pd.DataFrame
    name: str
    folder: Path


def evaluate(
    weights: Path | str,
    ratings: Path | str | Ratings,
    *,
    images: Path | str | None = None,
    scale: ScoreScale | str | None = None,
    part: Part | None = None,
    test_list: Path | str | None = None,
    name: str | None = None,
    output: Path | str | None = None,
    predictions: Path | str | None = None,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
    engine: str | None = None,
    with_mirrored: bool = False,
) -> Evaluation:
    """Returns a model's agreement with human ratings, which is also saved in its run.

    Args:
        weights: a `nima.h5`, its side-car beside it, in its run; or the name of published weights
            or "bundled", whose results are in `runs/NAME`.
        ratings: a file of ratings in any format, see `data.rating_files`, or `Ratings`.
        images: folder of the rated images, for a file of ratings.
        scale: the score scale, if the ratings do not state it, e.g. "1:5".
        part: part of ratings with a split; None for "test" if there is one, or else for all.
        test_list: file list of the photos to evaluate on, or None for all.
        name: name of the evaluation; None for that of the file, the part, and "mirrored" if there
            are mirror images.
        output: additional JSON file for the results, or None.
        predictions: additional CSV file for the table, or None.
        threshold: mean score above which a photo is good, on the scale of the ratings; None for
            the default of that scale.
        resamples: number of bootstrap samples of the 95 % intervals; 0 for no intervals.
        engine: see `load_scorer`.
        with_mirrored: see `load_scorer`.

    Raises:
        InputError: weights or ratings are invalid, no photo can be read, or an evaluation of the
            same name on other ratings or of other weights exists, or one with scores of the other
            kind; or the name cannot be that of a folder.

    Example:
        >>> found = evaluate("runs/nima/nima.h5", "test.json", images="photos")
        >>> found.results.model["srcc"]
    """
    if part and test_list:
        raise InputError("Expected --part or --test-list, received both.")
    file, run = find_model(weights)
    side_car = read_side_car(file, NimaCard)
    rated = as_ratings(ratings, images, scale)
    if test_list:
        rated = listed_in(rated, test_list)
    stem = "ratings" if isinstance(ratings, Ratings) else Path(ratings).stem
    if part is None and "test" in rated.parts:
        part = "test"
    if part and part != "all":
        if part not in rated.parts:
            raise InputError(f"Expected photos for {part} in {stem}, but its split has none.")
        rated = rated.part(part)
    name = name or "-".join(filter(None, [stem, part, "mirrored" if with_mirrored else None]))
    # Before photos are scored for hours.
    check_evaluation(run, name, file.name, rated.digest, with_mirrored=with_mirrored)
    model = load_engine(file, side_car, engine)
    model = MirrorAveraged(model) if with_mirrored else model
    results, table = agreement_with(model, side_car, rated, threshold, resamples)
    results = results.model_copy(update={"weights": file.name, "weights_sha256": side_car.sha256})
    folder = write_evaluation(results, table, run, name)
    if output:
        write_json(Path(output), results.model_dump(mode="json"))
    if predictions:
        write_table(Path(predictions), table)
    return Evaluation(results, table, name, folder)


def agreement_with(
    model: Engine,
    side_car: NimaCard,
    ratings: Ratings,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
) -> tuple[EvaluationResults, pd.DataFrame]:
    """Returns the agreement of a model with ratings, and a table with one row per photo.

    The constant baseline predicts the mean distribution of the test ratings themselves, which
    makes it strong: no other constant has a lower EMD. Unreadable photos are counted and left out
    for both.

    The ratings may have another scale than the model. Then `model` holds the metrics of its
    unchanged scores, as in the paper's comparison of AVA models with TID2013, and `mapped` those
    of its scores mapped linearly to the scale of the ratings. EMD compares bins: it is defined for
    `mapped` only, and only for equal numbers of bins.

    Args:
        model: a NIMA model.
        side_car: the side-car of its weights.
        ratings: photos and distributions.
        threshold: see `evaluate`.
        resamples: see `evaluate`.

    Raises:
        InputError: no photo can be read.
    """
    scale, own_scale = ratings.scale, side_car.score_scale
    scores = []
    with counting("scoring photos", len(ratings)) as show:
        for score in score_photos(model, own_scale, ratings.paths):
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
    shown = variants.get("mapped", variants["model"])
    table = predictions_table(scores, own_scale)
    table.insert(0, "name", ratings.names)
    table.insert(2, "true_mean", ratings.mean_scores)
    categories = None
    if ratings.categories:
        table.insert(2, "category", ratings.categories)
        categories = _by_category(shown, table[read], limit)
    for column, values in (
        ("mapped_mean", shown.predicted),
        ("absolute_error", shown.errors),
        ("emd", shown.emd),
        ("emd_r1", shown.emd_r1),
    ):
        table.loc[read, column] = values
    intervals = None
    if resamples:
        logger.info("intervals from %d bootstrap samples of %d photos", resamples, len(true))
        intervals = {name: _intervals(photos, limit, resamples) for name, photos in of_all.items()}
    results = EvaluationResults(
        images=len(true),
        unreadable=len(ratings) - len(true),
        ratings_sha256=ratings.digest,
        with_mirrored=isinstance(model, MirrorAveraged),
        of_votes=ratings.of_votes,
        scale=str(scale),
        model_scale=str(own_scale),
        threshold=limit,
        fraction_above_threshold=float(np.mean(mean_score(true, scale.scores) > limit)),
        intervals=intervals,
        categories=categories,
        warning=warning_of_scores(mean_score(predicted, own_scale.scores), own_scale),
        **{name: _defined(photos.agreement(limit)) for name, photos in of_all.items()},
    )
    return results, table


def _by_category(
    photos: ScoredPhotos, table: pd.DataFrame, threshold: float
) -> dict[str, dict[str, int | float | None]]:
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
    mapped = own_scale.mapped(raw, scale)
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
) -> dict[str, tuple[float, float] | None]:
    def statistic(rows: np.ndarray) -> np.ndarray:
        return np.array(photos.rows(rows).agreement(threshold))

    found = bootstrap_interval(statistic, len(photos.true), resamples)
    return {
        name: None if np.isnan(interval).any() else tuple(interval.tolist())
        for name, interval in zip(Agreement._fields, found, strict=True)
    }


def _defined(metrics: Agreement) -> Metrics:
    """Returns the metrics with None for undefined ones, since JSON has no NaN."""
    named = metrics._asdict()
    return {name: None if np.isnan(value) else value for name, value in named.items()}
