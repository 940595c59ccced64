"""Pretraining: from photos without labels to `backbone.h5`."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.config import PretextConfig
from nima_pretrain.data.file_lists import lists_of
from nima_pretrain.data.split import (
    PARTS,
    PHOTOS,
    PhotoSplit,
    find_again,
    list_photos,
    photo_list,
    split_photos,
    write_photo_list,
)
from nima_pretrain.networks.backbone import freeze_batch_norm
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.variation import warn_of_features
from nima_pretrain.pretext.method import Method
from nima_pretrain.pretext.methods import method_of
from nima_pretrain.pretext.model import PretextModel
from nima_pretrain.training.agreement import check_division, check_same_start
from nima_pretrain.training.callbacks import FollowSchedule, LogLearningRates, log_files
from nima_pretrain.training.checkpoint import CHECKPOINT, Position, Stage, load_checkpoint
from nima_pretrain.training.devices import choose_strategy
from nima_pretrain.training.feed import Feed, feed_training, feed_views
from nima_pretrain.training.pretext_config import config_of
from nima_pretrain.training.pretext_files import draw_views, save_pretext
from nima_pretrain.training.progress_bar import ShowProgress
from nima_pretrain.training.results import PretrainResults
from nima_pretrain.training.resumable_fit import Checkpoints, resumable_fit
from nima_pretrain.training.run_directory import check_run, goes_on, holding_run, open_run
from nima_pretrain.training.several_workers import on_all_workers
from nima_pretrain.weights.finding import sha256_of_start, start_from
from nima_pretrain.weights.litert_writing import try_litert
from nima_pretrain.weights.store import check_base_weights, load_base_weights, load_weights

logger = logging.getLogger(__name__)


@on_all_workers
@holding_run
def pretrain(
    photos: Path | str,
    run: Path | str,
    *,
    method: str | None = None,
    config: PretextConfig | None = None,
    base_weights: str = "imagenet",
    training_list: Path | str | None = None,
    validation_list: Path | str | None = None,
    test_list: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> PretrainResults:
    """Trains a pretext model on photos without labels, and returns its results.

    `pretext.h5` and `backbone.h5` in the run directory have the weights of the best or the last
    epoch, as `kept_epoch` says; `results.json` contains the results.

    Args:
        photos: folder of photographs, searched recursively.
        run: the run directory, which is created.
        method: a name of `pretext.methods.METHODS`, with its default settings; None for that of
            the config.
        config: settings; None for the method's defaults, or for the config of a resumed run.
        base_weights: initialization of the backbone: "imagenet" (downloaded by Keras), "bundled"
            (the same, of some widths), "none", a path or a name; see
            `weights.store.load_base_weights`.
        training_list: file list of the training photos; None for a split by the config.
        validation_list: file list of the validation photos; give both or neither.
        test_list: file list of the test photos, or None.
        overwrite: whether an existing run is deleted.
        resume: whether a stopped run is resumed; the result equals that of an uninterrupted run.

    Raises:
        InputError: photos, lists or weights are invalid, the run exists, there is nothing to
            resume, photos of the resumed run have changed, or the disk is full.

    Example:
        >>> from nima_pretrain.config import PretrainConfig
        >>> pretrain("my_photos", "runs/pretrain", config=PretrainConfig(epochs=5))
    """
    photos, run = Path(photos), Path(run)
    config, resume = config_of(method, config, run, resume), goes_on(run, resume)
    lists = lists_of(training_list, validation_list, test_list)
    # Before an existing run is replaced.
    found = None if resume else list_photos(photos, lists)
    base_weights, config = start_from(base_weights, config, "imagenet")
    check_base_weights(base_weights)
    trained = method_of(config)
    per_photo = 2 * (trained.series_per_photo or 0) or trained.views.num_views  # images, at least
    check_division(
        "photos_per_batch",
        config.photos_per_batch,
        config.photos_per_batch * per_photo,
        config.chunk_size,
    )
    strategy = choose_strategy(config.mirrored)
    check_run(run, config, overwrite=overwrite, resume=resume)

    # Load: the model and its initialization, photos and their split.
    model = _initialized(trained, strategy, None if resume else base_weights)
    open_run(run, config, overwrite=overwrite, resume=resume)
    checkpoint = load_checkpoint(run / CHECKPOINT) if resume else None
    if checkpoint:
        split, scan = find_again(run / PHOTOS, photos)
        about, start = checkpoint.about, checkpoint.position
        logger.info("resuming after %d epochs and %d steps", start.epoch, start.step)
    else:
        assert found is not None
        split, scan = split_photos(found, run / "unreadable.csv", config.split, config.seed)
        write_photo_list(run / PHOTOS, split, scan)
        draw_views(run, split, trained)
        about = {
            "base_weights": Path(base_weights).name,
            "base_weights_sha256": sha256_of_start(base_weights),
            "unreadable": len(scan.unreadable),
        }
        start = Position(Stage.HEADS if config.freeze_backbone_steps else Stage.EVERYTHING)
    check_same_start(config, photo_list(split, scan), start)
    _introduce(trained, model, split, about)

    # Fit: optionally the heads alone for some steps, then everything.
    save = partial(save_pretext, model, run, trained, split, scan, about)
    checkpoints = Checkpoints(run, start, save, about=about, config=config, resumed=checkpoint)
    best = checkpoints.best
    training = feed_training(split, trained, strategy, start)
    validation = feed_views(split, split.validation, trained, strategy)
    with training, validation:
        if start.stage is Stage.HEADS:
            _warm_up(model, trained, strategy, training, checkpoints)
        _compile(model, trained, strategy)
        figures = ("loss", "val_loss", trained.progress.metric, f"val_{trained.progress.metric}")
        callbacks = [
            LogLearningRates(["learning_rate"]),
            ShowProgress(training, config.epochs, figures),
            *log_files(run),
            best,
            FollowSchedule(trained.learning_rate, training.steps),
        ]
        resumable_fit(
            model,
            training,
            checkpoints,
            epochs=config.epochs,
            validation=validation,
            callbacks=callbacks,
        )
    best.check()
    warn_of_features(PhotoModel(model.backbone, config.network), scan.readable)
    if "regression" in getattr(config, "tasks", ""):
        try_litert(run / "pretext.h5")

    # Save: the results, including the metrics of the best epoch's weights on the test photos.
    numbers = {part: len(getattr(split, part)) for part in PARTS}
    results = PretrainResults(
        method=trained.name,
        base_weights=about["base_weights"],
        base_weights_sha256=about.get("base_weights_sha256"),
        photos=numbers | {"unreadable": about["unreadable"]},
        best_epoch=best.epoch,
        epochs=config.epochs,
        metrics=best.logs,
        test=_test(model, run, feed_views(split, split.test, trained, strategy))
        if split.test
        else None,
        seconds=round(checkpoints.seconds, 1),
    )
    results.write(run)
    checkpoints.delete()
    return results


def _warm_up(
    model: PretextModel,
    method: Method[Any],
    strategy: tf.distribute.Strategy,
    training: Feed,
    checkpoints: Checkpoints,
) -> None:
    """Trains the heads on the frozen backbone for some steps, then unfreezes it."""
    steps = method.config.freeze_backbone_steps
    model.backbone.trainable = False
    _compile(model, method, strategy)
    resumable_fit(model, training, checkpoints, epochs=1, steps=steps)
    model.backbone.trainable = True
    if method.config.batch_norm == "frozen":
        freeze_batch_norm(model.backbone)
    checkpoints.enter(Stage.EVERYTHING, epoch=0)
    logger.info("backbone unfrozen after %d steps", steps)


def _test(model: PretextModel, run: Path, test: Feed) -> dict[str, float]:
    """Returns the metrics of the saved weights on the test photos."""
    load_weights(model, run / "pretext.h5")
    with test:
        return model.evaluate(test.dataset, steps=test.steps, verbose=0, return_dict=True)


def _initialized(
    method: Method[Any], strategy: tf.distribute.Strategy, weights: str | None
) -> PretextModel:
    """Returns the model; without weights it is random, as for a resumed run."""
    keras.utils.set_random_seed(method.config.seed)
    with strategy.scope():
        model = method.build()
    if weights is not None:
        load_base_weights(model.backbone, weights, method.config)
    return model


def _compile(model: PretextModel, method: Method[Any], strategy: tf.distribute.Strategy) -> None:
    # Needed after freezing and unfreezing: a train function keeps the variables of its tracing.
    with strategy.scope():
        model.compile(method.optimizer())


def _introduce(
    method: Method[Any], model: PretextModel, split: PhotoSplit, about: dict[str, Any]
) -> None:
    logger.info(
        "photos: %d for training, %d for validation, %d for test; %d unreadable",
        *(len(getattr(split, part)) for part in PARTS),
        about["unreadable"],
    )
    config = method.config
    logger.info(
        "network: %s, width %g, %d px; %d views a photo (%s); %s parameters; started from %s",
        config.backbone,
        config.width,
        config.input_size,
        method.views.num_views,
        method.views.name,
        f"{model.count_params():,}",
        about["base_weights"],
    )
