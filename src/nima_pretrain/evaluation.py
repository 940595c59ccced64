"""Agreement of a NIMA model with human ratings, beside that of always predicting the mean."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from nima_pretrain.data.ratings import Ratings
from nima_pretrain.errors import InputError
from nima_pretrain.metrics import agreement, mean_score
from nima_pretrain.networks.weights import SideCar
from nima_pretrain.scoring import predictions_table, score_photos


class Evaluation(NamedTuple):
    """Results by name, and one row for each photo."""

    results: dict[str, Any]
    table: pd.DataFrame


def evaluate(
    model: keras.Model, side_car: SideCar, ratings: Ratings, threshold: float | None = None
) -> Evaluation:
    """Returns how well a model predicts ratings.

    `constant` holds the same metrics for always predicting the mean distribution of these very
    ratings: no other constant has a lower EMD, so it is a generous one. Photos that cannot be
    read are counted and left out, here and there.

    Args:
        model: a NIMA model.
        side_car: of its weights.
        ratings: photos and distributions, on the model's scale.
        threshold: mean score above which a photo counts as good; None for the scale's own.

    Raises:
        InputError: model and ratings have different scales, or no photo can be read.
    """
    if side_car.score_scale.scores.tolist() != ratings.scale.scores.tolist():
        raise InputError(
            f"Expected ratings on the model's scale, {_describe(side_car.score_scale.scores)}, "
            f"received {_describe(ratings.scale.scores)}. Use a model trained on that scale."
        )
    scores = list(score_photos(model, side_car.network, ratings.paths))
    table = predictions_table(scores, ratings.scale)
    table.insert(1, "true_mean", ratings.mean_scores)
    read = [score.distribution is not None for score in scores]
    if not any(read):
        raise InputError(f"None of the {len(ratings)} rated photos can be read.")
    true = ratings.distributions[read]
    predicted = np.array([score.distribution for score in scores if score.distribution is not None])
    constant = np.broadcast_to(true.mean(axis=0), true.shape)
    limit = ratings.scale.threshold if threshold is None else threshold
    results = {
        "images": len(true),
        "unreadable": len(ratings) - len(true),
        "threshold": limit,
        "fraction_above_threshold": float(np.mean(mean_score(true, ratings.scale) > limit)),
        "model": _defined(agreement(true, predicted, ratings.scale, limit)),
        "constant": _defined(agreement(true, constant, ratings.scale, limit)),
    }
    return Evaluation(results, table)


def _describe(scores: np.ndarray) -> str:
    return f"{len(scores)} bins from {scores[0]:g} to {scores[-1]:g}"


def _defined(metrics: dict[str, float]) -> dict[str, float | None]:
    """Metrics with None for those that are not defined: JSON has no NaN."""
    return {name: None if np.isnan(value) else value for name, value in metrics.items()}
