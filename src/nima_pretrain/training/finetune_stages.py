"""The stages of fine-tuning on ratings: the head alone, then the full network."""

import logging
from functools import partial
from typing import Any, NamedTuple

import keras

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.networks.backbone import with_fixed_statistics
from nima_pretrain.networks.nima import head_of
from nima_pretrain.networks.optimizers import backbone_and_head_optimizer, head_optimizer
from nima_pretrain.training.callbacks import LogLearningRates, ReduceOnPlateau, StopOnPlateau
from nima_pretrain.training.checkpoint import Stage
from nima_pretrain.training.chunked_model import chunked
from nima_pretrain.training.feed import Feed, feed_rated
from nima_pretrain.training.objective import Objective
from nima_pretrain.training.progress_bar import ShowProgress
from nima_pretrain.training.resumable_fit import Checkpoints, resumable_fit

logger = logging.getLogger(__name__)

_BACKBONE_RATE = "backbone_learning_rate"
_HEAD_RATE = "head_learning_rate"


class Recipe(NamedTuple):
    """The settings of a stage.

    Attributes:
        optimizer: a new one.
        epochs: largest number of epochs, counted from the beginning of the run.
        all_epochs: epochs of all stages, for the progress bar.
        rates: callback that logs the learning rates.
        stop: callback that ends the stage early.
        more: other callbacks.
    """

    optimizer: keras.optimizers.Optimizer
    epochs: int
    all_epochs: int
    rates: LogLearningRates
    stop: StopOnPlateau
    more: tuple[keras.callbacks.Callback, ...] = ()


def fit_ratings(
    model: keras.Model,
    backbone: keras.Model,
    objective: Objective,
    config: FinetuneConfig,
    checkpoints: Checkpoints,
    log_files: list[Any],
) -> None:
    """Trains a NIMA model on ratings in both stages, from the position of the checkpoints.

    Args:
        model: from `build_nima`.
        backbone: its backbone.
        objective: examples and loss.
        config: settings of fine-tuning.
        checkpoints: checkpoints of the run.
        log_files: callbacks that write logs.

    Raises:
        InputError: no epoch had a finite validation loss.
    """
    start = checkpoints.position
    training = feed_rated(*objective.training, config, vary=True, start=start)
    validation = feed_rated(*objective.validation, config)
    trained = objective.model_of(model)
    if config.chunk_size:
        trained = chunked(trained, backbone, config)
    elif config.batch_norm == "fixed":
        trained = with_fixed_statistics(trained, backbone)
    fit = partial(
        fit_stage,
        model=trained,
        loss=objective.loss,
        training=training,
        validation=validation,
        checkpoints=checkpoints,
        callbacks=[*log_files, checkpoints.best],
    )
    with training, validation:
        if start.stage is Stage.HEADS:
            backbone.trainable = False
            fit(head_recipe(config, checkpoints))
            checkpoints.enter(Stage.EVERYTHING)
        if checkpoints.position.epoch < config.epochs:
            if start.stage is Stage.HEADS:
                logger.info("backbone unfrozen after %d epochs", checkpoints.position.epoch)
            backbone.trainable = True
            fit(full_recipe(config, checkpoints, backbone, model))
    checkpoints.best.check()


def head_recipe(config: FinetuneConfig, checkpoints: Checkpoints) -> Recipe:
    """Returns the recipe of the head alone, for fixed epochs or until the first plateau."""
    patience = config.plateau_patience if config.head_epochs is None else None
    last = config.epochs if config.head_epochs is None else config.head_epochs
    return Recipe(
        head_optimizer(config),
        min(last, config.epochs),
        config.epochs,
        LogLearningRates([_HEAD_RATE], frozen=[_BACKBONE_RATE]),
        StopOnPlateau(patience, checkpoints.plateau("stop", config.min_delta)),
    )


def full_recipe(
    config: FinetuneConfig, checkpoints: Checkpoints, backbone: keras.Model, model: keras.Model
) -> Recipe:
    """Returns the recipe of backbone and head, until the validation loss stops falling."""
    more: tuple[keras.callbacks.Callback, ...] = ()
    if config.plateau_patience is not None:
        plateau = checkpoints.plateau("reduce", config.min_delta)
        more = (ReduceOnPlateau(config.learning_rate_factor, config.plateau_patience, plateau),)
    stop = StopOnPlateau(
        config.early_stopping_patience, checkpoints.plateau("stop", config.min_delta)
    )
    return Recipe(
        backbone_and_head_optimizer([backbone], head_of(model), config),
        config.epochs,
        config.epochs,
        LogLearningRates([_BACKBONE_RATE, _HEAD_RATE]),
        stop,
        more,
    )


def fit_stage(
    recipe: Recipe,
    *,
    model: keras.Model,
    loss: Any,
    training: Feed,
    validation: Feed,
    checkpoints: Checkpoints,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Compiles and trains a model for one stage.

    Args:
        recipe: settings of the stage.
        model: the model of the objective; its layers' `trainable` is set.
        loss: loss of the objective.
        training: see `resumable_fit`.
        validation: see `resumable_fit`.
        checkpoints: see `resumable_fit`.
        callbacks: callbacks of all stages.
    """
    # Compiling makes a new train function. One traced while the backbone was frozen would silently
    # keep it frozen.
    model.compile(recipe.optimizer, loss=loss)
    progress = ShowProgress(training, recipe.all_epochs, ("loss", "val_loss"))
    resumable_fit(
        model,
        training,
        checkpoints,
        epochs=recipe.epochs,
        validation=validation,
        callbacks=[recipe.rates, progress, *callbacks, *recipe.more],
        stop=recipe.stop,
    )
