"""The files of pretraining: a picture of the views, and weights."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.scanning import Scan
from nima_pretrain.data.split import PhotoSplit
from nima_pretrain.files import replacing
from nima_pretrain.prediction.scoring import Outputs, outputs_of_photos
from nima_pretrain.pretext.levels import levels_model, usual_levels
from nima_pretrain.pretext.method import PHOTOS_SHOWN, Method
from nima_pretrain.pretext.model import PretextModel
from nima_pretrain.training.callbacks import Logs
from nima_pretrain.weights.side_car import BackboneCard, PretextCard
from nima_pretrain.weights.store import save_weights

_PHOTOS_FOR_USUAL_LEVELS = 64


def draw_views(run: Path, split: PhotoSplit, method: Method[Any]) -> None:
    """Writes a picture of some photos' views to `views.png` and TensorBoard."""
    names = split.training[:PHOTOS_SHOWN]
    picture = method.draw([load_photo(split.root / name) for name in names])
    with replacing(run / "views.png") as partial:
        picture.save(partial)
    with tf.summary.create_file_writer(str(run / "tensorboard" / "train")).as_default():
        tf.summary.image("views", np.asarray(picture)[None], step=0)


def save_pretext(
    model: PretextModel,
    run: Path,
    method: Method[Any],
    split: PhotoSplit,
    scan: Scan,
    about: dict[str, Any],
    logs: Logs,
) -> None:
    """Saves the weights of an epoch: `pretext.h5` of the full model and `backbone.h5`.

    Args:
        model: the model.
        run: the run directory.
        method: its pretext method.
        split: the photos.
        scan: the check of their files.
        about: facts of the run, including `base_weights`.
        logs: logs of the epoch.
    """
    common: dict[str, Any] = {
        "network": method.config.network,
        "training_data": {
            "photos": len(split.training),
            "sha256": scan.digest_of(split.root / name for name in split.training),
            "base_weights": about["base_weights"],
        },
        "metrics": logs,
    }
    fields = method.card_fields()
    has_levels = "regression" in fields.get("tasks", ())
    levels = _levels_of_undistorted(model, split, method) if has_levels else None
    save_weights(model, run / "pretext.h5", PretextCard(**common, **fields, usual_levels=levels))
    save_weights(model.backbone, run / "backbone.h5", BackboneCard(**common))


def _levels_of_undistorted(
    model: PretextModel, split: PhotoSplit, method: Method[Any]
) -> tuple[tuple[float, float], ...]:
    names = (split.validation or split.training)[:_PHOTOS_FOR_USUAL_LEVELS]
    seen = outputs_of_photos(
        [levels_model(model, method.config.network)], [split.root / name for name in names]
    )
    return usual_levels(
        np.stack([outputs.by_model[0] for _, outputs in seen if isinstance(outputs, Outputs)])
    )
