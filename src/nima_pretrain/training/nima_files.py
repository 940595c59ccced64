"""The weights file of fine-tuning."""

from pathlib import Path
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.metrics import quantiles_of
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import reference_scores
from nima_pretrain.prediction.variation import warning_of_scores
from nima_pretrain.training.callbacks import Logs
from nima_pretrain.training.ratings_split import RatingsSplit
from nima_pretrain.weights.litert_writing import try_litert
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights


def save_nima(
    model: keras.Model,
    run: Path,
    config: FinetuneConfig,
    split: RatingsSplit,
    about: dict[str, Any],
    logs: Logs,
) -> None:
    """Saves the weights of an epoch as `nima.h5`.

    Args:
        model: from `build_nima`.
        run: the run directory.
        config: config of the training.
        split: the ratings.
        about: facts of the run, including `backbone_weights`, and `ordering` after that stage.
        logs: logs of the epoch.
    """
    training = split.training
    scores = training.scale.scores
    side_car = NimaCard(
        network=config.network,
        head=config.head,
        scale=ScaleConfig(bins=len(scores), low=scores[0], high=scores[-1]),
        training_data={
            "photos": len(training),
            "sha256": split.scan.digest_of(training.paths),
            "ratings_sha256": training.digest,
            "backbone_weights": Path(about["backbone_weights"]).name,
            **({"ordering": about["ordering"]} if "ordering" in about else {}),
        },
        training_scores=tuple(quantiles_of(training.mean_scores).round(6).tolist()),
        reference_scores=reference_scores(PhotoModel(model, config.network), training.scale),
        metrics=logs,
    )
    save_weights(model, run / "nima.h5", side_car)


def complete_nima(run: Path) -> None:
    """Writes `nima.tflite` beside the final `nima.h5`, and warns if its scores hardly differ."""
    card = read_side_car(run / "nima.h5", NimaCard)
    means = [score.mean for score in card.reference_scores.values()]
    warning_of_scores(means, card.score_scale)
    try_litert(run / "nima.h5")
