"""NIMA fine-tuning: from a backbone and human ratings to `nima.h5`.

The recipe of Pfister, Kobs and Hotho (2021) trains the head alone until the first plateau of the
validation loss, then the full network, with new optimizers and separate learning rates. Fixed
numbers of epochs and random crops give idealo's recipe. With photos beside the ratings, a third
stage teaches the model to score distorted views lower, see `order_stage`.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig, load_config
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima, start_from_mean
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.networks.workers import workers
from nima_pretrain.prediction.variation import warn_of_features
from nima_pretrain.training.agreement import check_division, check_same_start
from nima_pretrain.training.callbacks import log_files
from nima_pretrain.training.checkpoint import CHECKPOINT, Position, Stage, load_checkpoint
from nima_pretrain.training.finetune_stages import fit_ratings
from nima_pretrain.training.nima_files import complete_nima, save_nima
from nima_pretrain.training.objective import LabelObjective, Objective
from nima_pretrain.training.order_stage import learn_order
from nima_pretrain.training.ratings_split import (
    RatingsSplit,
    check_same_ratings,
    ratings_of,
    readable_split,
    split_ratings,
    training_digest,
    write_split,
)
from nima_pretrain.training.results import FinetuneResults
from nima_pretrain.training.resumable_fit import Checkpoints
from nima_pretrain.training.run_directory import (
    check_run,
    config_of_run,
    goes_on,
    holding_run,
    open_run,
)
from nima_pretrain.training.several_workers import on_all_workers
from nima_pretrain.training.version_0_1 import with_counters
from nima_pretrain.weights.finding import sha256_of_start, start_from
from nima_pretrain.weights.store import check_base_weights, load_base_weights

logger = logging.getLogger(__name__)


@on_all_workers
@holding_run
def finetune(
    ratings: Path | str | Ratings,
    run: Path | str,
    *,
    images: Path | str | None = None,
    photos: Path | str | None = None,
    config: FinetuneConfig | None = None,
    backbone: str = "imagenet",
    validation_ratings: Path | str | Ratings | None = None,
    scale: ScoreScale | str | None = None,
    share: float | None = None,
    training_list: Path | str | None = None,
    validation_list: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    objective_of: Callable[[RatingsSplit], Objective] = LabelObjective,
) -> FinetuneResults:
    """Trains a NIMA model on human ratings, and returns its results.

    `nima.h5` in the run directory, and `nima.tflite` for scoring without TensorFlow, have the
    weights of the epoch with the lowest validation loss in both stages, or after an ordering stage
    those of its end; then `ratings_alone.h5` has those before. `results.json` contains the
    results.

    Args:
        ratings: a file of ratings in any format, see `data.rating_files`, or `Ratings`.
        run: the run directory, which is created.
        images: folder of the rated images, for a file of ratings.
        photos: folder of good photographs without ratings, for the ordering stage; None for no
            such stage.
        config: settings; None for the paper's recipe, or for the config of a resumed run.
        backbone: initialization of the backbone: "imagenet", "none", a `backbone.h5`, the name of
            published weights, or "bundled" for the one that comes with the package.
        validation_ratings: ratings that choose the best epoch; None for the validation part of
            `ratings`, or else for a held-out fraction of them.
        scale: the score scale, if the ratings do not state it, e.g. "1:5".
        share: fraction of the training ratings to use, above 0, at most 1; None for that of the
            config.
        training_list: file list of the training photos, or None.
        validation_list: file list of the validation photos, beside a training list, or None.
        overwrite: whether an existing run is deleted.
        resume: whether a stopped run is resumed; the result equals that of an uninterrupted run.
            One that was stopped before its first checkpoint begins anew.
        objective_of: makes the training objective from the readable ratings.

    Raises:
        InputError: ratings or weights are invalid, the run exists, there is nothing to resume,
            ratings or photos differ from those of the resumed run, or the disk is full.

    Example:
        >>> finetune("ratings.json", "runs/nima", images="photos", backbone="backbone.h5")
    """
    run = Path(run)
    config, resume = _config_of(config, share, run, resume), goes_on(run, resume)
    rated, held_out = ratings_of(
        ratings, validation_ratings, images, scale, training_list, validation_list
    )
    weights, config = start_from(backbone, config)
    check_base_weights(weights)
    _check_work(config, photos)
    check_run(run, config, overwrite=overwrite, resume=resume)
    parts = split_ratings(rated, held_out, config)

    # Load: the model and its initialization, ratings and their split.
    base, model = _initialized(config, rated.scale.bins, None if resume else weights)
    open_run(run, config, overwrite=overwrite, resume=resume)
    checkpoint = load_checkpoint(run / CHECKPOINT) if resume else None
    split = readable_split(*parts, run)
    if checkpoint:
        check_same_ratings(run, split)
    else:
        write_split(run, split)
        warn_of_features(PhotoModel(base, config.network), split.training.paths)
    objective = objective_of(split)
    if checkpoint:
        checkpoint = with_counters(checkpoint, run, config)
        about, start = checkpoint.about, checkpoint.position
        if about.get("with_photos", False) != (photos is not None):
            raise InputError(
                f"{run} was begun {'with' if photos is None else 'without'} photos for the "
                "ordering stage. Resume it with the same arguments."
            )
        logger.info("resuming after %d epochs and %d steps", start.epoch, start.step)
    else:
        if config.head_start == "mean":
            start_from_mean(model, split.training.distributions.mean(axis=0))
        about = {
            "backbone_weights": weights,
            "backbone_sha256": sha256_of_start(weights),
            "ratings_sha256": training_digest(rated, config),
            "unreadable": len(split.scan.unreadable),
            "with_photos": photos is not None,
        }
        start = Position(Stage.HEADS)
    check_same_start(config, split.table().drop(columns="path"), start)
    _introduce(model, split, config, about)

    # Fit: the head until its first plateau, then everything until early stopping, then order.
    save = partial(save_nima, model, run, config, split, about)
    checkpoints = Checkpoints(run, start, save, about=about, config=config, resumed=checkpoint)
    if start.stage is not Stage.ORDER:
        fit_ratings(model, base, objective, config, checkpoints, log_files(run))
        end = checkpoints.position
        about |= {"head_epochs": end.stage_start, "epochs": end.epoch}
    ordered = None
    if photos is not None:
        ordered = learn_order(model, base, run, Path(photos), config, split, checkpoints)
        about["ordering"] = ordered.training_data
        save_nima(model, run, config, split, about, ordered.metrics)

    # Save: the results.
    numbers = {"training": len(split.training), "validation": len(split.validation)}
    results = FinetuneResults(
        photos=numbers | {"unreadable": about["unreadable"]},
        head_epochs=about["head_epochs"],
        epochs=about["epochs"],
        best_epoch=checkpoints.best.epoch,
        metrics=checkpoints.best.logs,
        ordered=ordered.metrics if ordered else None,
        backbone_weights=about["backbone_weights"],
        backbone_sha256=about.get("backbone_sha256"),
        ratings_sha256=about["ratings_sha256"],
        seconds=round(checkpoints.seconds, 1),
        **objective.about,
    )
    complete_nima(run)
    results.write(run)
    checkpoints.delete()
    return results


def _config_of(
    config: FinetuneConfig | None, share: float | None, run: Path, resume: bool
) -> FinetuneConfig:
    if config is None:
        config = config_of_run(run, FinetuneConfig) if resume else FinetuneConfig()
    if share is None:
        return config
    return load_config(type(config), overrides=[f"share={share}"], base=config)


def _check_work(config: FinetuneConfig, photos: Path | str | None) -> None:
    """Checks what would fail only after hours of training on ratings."""
    check_division("batch_size", config.batch_size, config.batch_size, config.chunk_size)
    if photos is None:
        return
    if workers().count > 1:
        raise InputError(
            "Expected one worker for the ordering stage, received TF_CONFIG of "
            f"{workers().count}. Fine-tune without --photos, or on one machine."
        )
    find_photos(Path(photos))


def _initialized(
    config: FinetuneConfig, num_bins: int, weights: str | None
) -> tuple[keras.Model, keras.Model]:
    """Returns the backbone and the model; without weights both are random, as for a resumed run."""
    keras.utils.set_random_seed(config.seed)
    base = build_backbone(config.backbone, config.input_size, config.width)
    if weights is not None:
        load_base_weights(base, weights, config)
    return base, build_nima(base, num_bins, config.dropout, config.seed, config.head)


def _introduce(
    model: keras.Model, split: RatingsSplit, config: FinetuneConfig, about: dict[str, Any]
) -> None:
    logger.info(
        "ratings: %d photos for training, %d for validation, %d unreadable; %s",
        len(split.training),
        len(split.validation),
        about["unreadable"],
        split.training.scale,
    )
    logger.info(
        "network: %s, width %g, %d px; %s parameters; started from %s",
        config.backbone,
        config.width,
        config.input_size,
        f"{model.count_params():,}",
        about["backbone_weights"],
    )
