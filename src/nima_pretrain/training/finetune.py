"""NIMA fine-tuning: a backbone and human ratings in, `nima.h5` out.

The recipe of Pfister, Kobs and Hotho (2021): the head alone until the validation loss reaches its
first plateau, then everything, with fresh optimisers and a rate for each part.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.photos import scan_photos, write_unreadable
from nima_pretrain.data.rated import RatedBatches
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.errors import InputError
from nima_pretrain.files import write_json
from nima_pretrain.losses import earth_movers_distance
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima
from nima_pretrain.networks.weights import (
    ScaleConfig,
    SideCar,
    load_base_weights,
    save_weights,
)
from nima_pretrain.training.callbacks import (
    KeepBest,
    LogLearningRates,
    Logs,
    ReduceOnPlateau,
    log_files,
)
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.optimizers import backbone_and_head_optimizer, head_optimizer
from nima_pretrain.training.progress import ShowProgress, counting

logger = logging.getLogger(__name__)

_BACKBONE_RATE = "backbone_learning_rate"
_HEAD_RATE = "head_learning_rate"


def finetune(
    ratings: Ratings,
    run: Path,
    config: FinetuneConfig,
    validation_ratings: Ratings | None = None,
    backbone_weights: str = "imagenet",
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains a NIMA model and returns its results, which `results.json` holds too.

    `nima.h5` is that of the epoch with the lowest validation loss, whichever part was training.

    Args:
        ratings: photos and distributions to learn from.
        run: the run directory; it exists.
        config: what to train and how.
        validation_ratings: what the epoch is chosen by; None holds out a fraction of `ratings`.
        backbone_weights: "imagenet", "none" or a path; see `networks.weights.load_base_weights`.
        console: where a progress bar is drawn, or None.

    Raises:
        InputError: ratings or weights are not what they should be.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    load_base_weights(backbone, backbone_weights, config)
    if validation_ratings is None:
        ratings, validation_ratings = ratings.split(config.validation_fraction, config.seed)
    if validation_ratings.scale != ratings.scale:
        raise InputError(
            f"Expected {ratings.scale.bins} bins in the validation ratings as in the training "
            f"ratings, received {validation_ratings.scale.bins}."
        )
    ratings, validation_ratings, digests = _readable(ratings, validation_ratings, run, console)
    model = build_nima(backbone, ratings.scale.bins, config.dropout)
    logger.info(
        "ratings: %d photos for training, %d for validation, %d bins; started from %s",
        len(ratings),
        len(validation_ratings),
        ratings.scale.bins,
        backbone_weights,
    )
    training = _feed(ratings, config, vary=True)
    validation = _feed(validation_ratings, config, vary=False)
    scores = ratings.scale.scores
    side_car = SideCar(
        kind="nima",
        network=config.network,
        scale=ScaleConfig(bins=len(scores), low=scores[0], high=scores[-1]),
        training_data={
            "photos": len(ratings),
            "sha256": digests,
            "backbone_weights": Path(backbone_weights).name,
        },
    )

    def save(logs: Logs) -> None:
        save_weights(model, run / "nima.h5", side_car.model_copy(update={"metrics": logs}))

    best = KeepBest(save)
    with training, validation:
        fit = _Fit(model, training, validation, run, config, best, console)
        head_epochs = fit.head(backbone)
        epochs = fit.everything(backbone, head_epochs)
    best.check()
    results = {
        "stage": "finetune",
        "photos": {"training": len(ratings), "validation": len(validation_ratings)},
        "head_epochs": head_epochs,
        "epochs": epochs,
        "best_epoch": best.epoch,
        "metrics": best.logs,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(run / "results.json", results)
    return results


@dataclass(frozen=True)
class _Fit:
    """The two parts of training one model; the second goes on where the first one ended."""

    model: keras.Model
    training: Feed
    validation: Feed
    run: Path
    config: FinetuneConfig
    best: KeepBest
    console: Console | None

    def head(self, backbone: keras.Model) -> int:
        """Trains the head on the frozen backbone until the first plateau; returns its epochs."""
        backbone.trainable = False
        return self._fit(
            head_optimizer(self.config),
            LogLearningRates([_HEAD_RATE], frozen=[_BACKBONE_RATE]),
            self.config.plateau_patience,
            first_epoch=0,
        )

    def everything(self, backbone: keras.Model, first_epoch: int) -> int:
        """Trains backbone and head until validation stops gaining; returns all epochs so far."""
        if first_epoch >= self.config.epochs:
            return first_epoch
        backbone.trainable = True
        logger.info("plateau after %d epochs: the backbone is set free", first_epoch)
        head = [layer for layer in self.model.layers if layer.name.startswith("head")]
        config = self.config
        return self._fit(
            backbone_and_head_optimizer([backbone], head, config),
            LogLearningRates([_BACKBONE_RATE, _HEAD_RATE]),
            config.early_stopping_patience,
            first_epoch,
            ReduceOnPlateau(config.learning_rate_factor, config.plateau_patience, config.min_delta),
        )

    def _fit(
        self,
        optimizer: keras.optimizers.Optimizer,
        rates: LogLearningRates,
        patience: int,
        first_epoch: int,
        *more: keras.callbacks.Callback,
    ) -> int:
        # Compiling makes a new train function: one traced while the backbone was frozen would
        # keep it frozen, without a message.
        self.model.compile(optimizer, loss=earth_movers_distance)
        history = self.model.fit(
            self.training.dataset,
            steps_per_epoch=self.training.steps,
            validation_data=self.validation.dataset,
            validation_steps=self.validation.steps,
            initial_epoch=first_epoch,
            epochs=self.config.epochs,
            verbose=0,
            callbacks=[
                rates,
                ShowProgress(
                    self.training, self.config.epochs, 1, ("loss", "val_loss"), self.console
                ),
                *log_files(self.run),
                self.best,
                *more,
                keras.callbacks.EarlyStopping(
                    patience=patience, min_delta=self.config.min_delta, verbose=0
                ),
            ],
        )
        return first_epoch + len(history.epoch)


def _readable(
    training: Ratings, validation: Ratings, run: Path, console: Console | None
) -> tuple[Ratings, Ratings, str]:
    """Leaves out the photos that cannot be read, and writes which these are."""
    rated = [*training.paths, *validation.paths]
    with counting(console, "checking photos", len(rated)) as show:
        scan = scan_photos(rated, show)
    write_unreadable(run / "unreadable.csv", scan.unreadable)
    paths = set(scan.readable)
    kept = training.of(paths)
    kept_validation = validation.of(paths)
    if not len(kept) or not len(kept_validation):
        raise InputError(
            "Expected rated photos for training and for validation, but of "
            f"{len(training)} and {len(validation)} only {len(kept)} and {len(kept_validation)} "
            f"can be read; {run / 'unreadable.csv'} says why."
        )
    return kept, kept_validation, scan.digest_of(kept.paths)


def _feed(ratings: Ratings, config: FinetuneConfig, vary: bool) -> Feed:
    batches = RatedBatches(
        ratings, config.input_size, config.fit, config.batch_size, config.seed, config.flip, vary
    )
    size, bins = config.input_size, ratings.scale.bins
    signature = (
        tf.TensorSpec((None, size, size, 3), tf.uint8),
        tf.TensorSpec((None, bins), tf.float32),
    )
    return Feed(batches, batches.batches_per_epoch, signature)
