"""NIMA fine-tuning: a backbone and human ratings in, `nima.h5` out.

The recipe of Pfister, Kobs and Hotho (2021): the head alone until the validation loss reaches its
first plateau, then everything, with fresh optimisers and a rate for each part. With a fixed number
of epochs for both parts and random crops it is idealo's.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.rated_batches import RatedBatches
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.files import write_json
from nima_pretrain.metrics import quantiles_of
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.nima import build_nima, start_from_mean
from nima_pretrain.networks.optimizers import (
    backbone_and_head_optimizer,
    head_optimizer,
    learning_rates,
)
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import reference_scores
from nima_pretrain.training.callbacks import (
    DecayWithSteps,
    KeepBest,
    LogLearningRates,
    Logs,
    ReduceOnPlateau,
    StopOnPlateau,
    read_log,
)
from nima_pretrain.training.checkpoint import (
    Checkpoint,
    Position,
    load_checkpoint,
)
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.objective import Examples, LabelObjective, Objective
from nima_pretrain.training.ratings_split import (
    Parts,
    check_same_ratings,
    divided,
    readable_parts,
    training_digest,
    write_parts,
)
from nima_pretrain.training.resumable_fit import CHECKPOINT, PartFit
from nima_pretrain.weights.store import (
    ScaleConfig,
    SideCar,
    load_base_weights,
    save_weights,
)

logger = logging.getLogger(__name__)

RATINGS = "ratings.csv"
_BACKBONE_RATE = "backbone_learning_rate"
_HEAD_RATE = "head_learning_rate"
_HEAD, _EVERYTHING = 0, 1


def finetune(
    ratings: Ratings,
    run: Path,
    config: FinetuneConfig,
    validation_ratings: Ratings | None = None,
    backbone_weights: str = "imagenet",
    objective_of: Callable[[Parts], Objective] = LabelObjective,
) -> dict[str, Any]:
    """Trains a NIMA model and returns its results, which `results.json` holds too.

    `nima.h5` is that of the epoch with the lowest validation loss, whichever part was training.

    Args:
        ratings: photos and distributions to learn from.
        run: the run directory; it exists.
        config: what to train and how.
        validation_ratings: what the epoch is chosen by; None for those that the ratings set aside
            for it, or else for a fraction of them.
        backbone_weights: "imagenet", "none" or a path; see `networks.weights.load_base_weights`.
        objective_of: makes of the readable ratings what the model is pulled towards.

    Raises:
        InputError: ratings or weights are not what they should be, or the disk is full.
    """
    parts = readable_parts(*divided(ratings, validation_ratings, config), run)
    write_parts(run / RATINGS, parts)
    objective = objective_of(parts)
    keras.utils.set_random_seed(config.seed)
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    load_base_weights(backbone, backbone_weights, config)
    about = {
        "backbone_weights": backbone_weights,
        "ratings_sha256": training_digest(ratings, config),
        "unreadable": len(parts.scan.unreadable),
    }
    training = _Finetuning(backbone, parts, objective, run, config, about)
    if config.head_start == "mean":
        start_from_mean(training.model, parts.training.distributions.mean(axis=0))
    return training.run_from(Position(_HEAD))


def resume(
    ratings: Ratings,
    run: Path,
    config: FinetuneConfig,
    validation_ratings: Ratings | None = None,
    objective_of: Callable[[Parts], Objective] = LabelObjective,
) -> dict[str, Any]:
    """Goes on with a training that was stopped at any moment, as if it had not been.

    Args:
        ratings: those that the run was begun with.
        run: the run directory.
        config: that of the run.
        validation_ratings: those that the run was begun with.
        objective_of: see `finetune`.

    Raises:
        InputError: there is nothing to resume, or ratings or photos are not those of the run.
    """
    checkpoint = load_checkpoint(run / CHECKPOINT)
    parts = readable_parts(*divided(ratings, validation_ratings, config), run)
    check_same_ratings(run / RATINGS, parts)
    objective = objective_of(parts)
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    position = checkpoint.position
    logger.info("resuming after %d epochs and %d steps", position.epoch, position.step)
    training = _Finetuning(backbone, parts, objective, run, config, checkpoint.about)
    return training.run_from(position, checkpoint)


class _Finetuning:
    """One training, from its beginning or from a checkpoint to its results.

    The two parts count their epochs on: position.epoch is that of the whole.
    """

    def __init__(
        self,
        backbone: keras.Model,
        parts: Parts,
        objective: Objective,
        run: Path,
        config: FinetuneConfig,
        about: dict[str, Any],
    ) -> None:
        self._backbone = backbone
        bins = parts.training.scale.bins
        self.model = build_nima(backbone, bins, config.dropout, config.seed, config.head)
        self._parts = parts
        self._objective = objective
        self._run = run
        self._config = config
        self._about = about

    def run_from(self, start: Position, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
        """Trains what is left to train, and returns the results of the whole."""
        started = time.perf_counter() - start.seconds
        self._introduce()
        best = KeepBest(self._save, start.best_epoch, start.best_logs)
        training = self._feed(self._objective.training, vary=True, start=start)
        validation = self._feed(self._objective.validation)
        with training, validation:
            settings = (self._run, self._config, self._about)
            trained = self._objective.model_of(self.model)
            fit = PartFit(trained, self._objective, training, validation, best, *settings)
            if start.stage == _HEAD:
                start = self._train_head(fit, start, checkpoint)
                checkpoint = None
            end = self._train_everything(fit, start, checkpoint)
        best.check()
        results = {
            "stage": "finetune",
            "photos": {
                "training": len(self._parts.training),
                "validation": len(self._parts.validation),
                "unreadable": self._about["unreadable"],
            },
            "head_epochs": len(self._losses(_HEAD, end.epoch)),
            "epochs": end.epoch,
            "best_epoch": best.epoch,
            "metrics": best.logs,
            "backbone_weights": self._about["backbone_weights"],
            "ratings_sha256": self._about["ratings_sha256"],
            **self._objective.about,
            "seconds": round(time.perf_counter() - started, 1),
        }
        write_json(self._run / "results.json", results)
        (self._run / CHECKPOINT).unlink()
        return results

    def _train_head(self, fit: PartFit, start: Position, checkpoint: Checkpoint | None) -> Position:
        """Trains the head on the frozen backbone, for its epochs or until the first plateau."""
        config = self._config
        self._backbone.trainable = False
        patience = config.plateau_patience if config.head_epochs is None else None
        last = config.epochs if config.head_epochs is None else config.head_epochs
        end = fit.part(
            head_optimizer(config),
            LogLearningRates([_HEAD_RATE], frozen=[_BACKBONE_RATE]),
            StopOnPlateau(patience, config.min_delta, self._losses(_HEAD, start.epoch)),
            start,
            min(last, config.epochs),
            checkpoint,
        )
        return replace(end, stage=_EVERYTHING)

    def _train_everything(
        self, fit: PartFit, start: Position, checkpoint: Checkpoint | None
    ) -> Position:
        """Trains backbone and head until validation stops gaining, or for the epochs left."""
        config = self._config
        self._backbone.trainable = True
        losses = self._losses(_EVERYTHING, start.epoch)
        stop = StopOnPlateau(config.early_stopping_patience, config.min_delta, losses)
        if start.epoch >= config.epochs or stop.is_over:
            return start
        if not checkpoint:
            logger.info("the backbone is set free after %d epochs", start.epoch)
        head = [layer for layer in self.model.layers if layer.name.startswith("head")]
        optimizer = backbone_and_head_optimizer([self._backbone], head, config)
        more: list[keras.callbacks.Callback] = []
        if config.learning_rate_decay:
            more.append(DecayWithSteps(learning_rates(optimizer), config.learning_rate_decay))
        if config.plateau_patience is not None:
            plateau = (config.learning_rate_factor, config.plateau_patience, config.min_delta)
            more.append(ReduceOnPlateau(*plateau, losses))
        rates = LogLearningRates([_BACKBONE_RATE, _HEAD_RATE])
        return fit.part(optimizer, rates, stop, start, config.epochs, checkpoint, *more)

    def _losses(self, stage: int, epochs: int) -> list[float]:
        """Validation losses of one part, as far as it belongs to the first epochs of the whole."""
        is_head = stage == _HEAD
        return [
            float(row["val_loss"])
            for row in read_log(self._run / "log.csv")[:epochs]
            if (float(row[_BACKBONE_RATE]) == 0) == is_head
        ]

    def _introduce(self) -> None:
        training, scale = self._parts.training, self._parts.training.scale
        logger.info(
            "ratings: %d photos for training, %d for validation, %d unreadable; %s",
            len(training),
            len(self._parts.validation),
            self._about["unreadable"],
            scale,
        )
        config = self._config
        logger.info(
            "network: %s, width %g, %d px; %s parameters; started from %s",
            config.backbone,
            config.width,
            config.input_size,
            f"{self.model.count_params():,}",
            self._about["backbone_weights"],
        )

    def _save(self, logs: Logs) -> None:
        training = self._parts.training
        scores = training.scale.scores
        side_car = SideCar(
            kind="nima",
            network=self._config.network,
            head=self._config.head,
            scale=ScaleConfig(bins=len(scores), low=scores[0], high=scores[-1]),
            training_data={
                "photos": len(training),
                "sha256": self._parts.scan.digest_of(training.paths),
                "ratings_sha256": training.digest,
                "backbone_weights": Path(self._about["backbone_weights"]).name,
            },
            training_scores=tuple(quantiles_of(training.mean_scores).round(6).tolist()),
            reference_scores=reference_scores(
                PhotoModel(self.model, self._config.network), training.scale
            ),
            metrics=logs,
        )
        save_weights(self.model, self._run / "nima.h5", side_car)

    def _feed(self, examples: Examples, vary: bool = False, start: Position | None = None) -> Feed:
        config = self._config
        batches = RatedBatches(
            examples.paths,
            examples.targets,
            config.input_size,
            config.fit,
            config.batch_size,
            config.seed,
            config.flip,
            vary,
            config.crop_from,
        )
        if start:
            first = start.epoch * batches.batches_per_epoch + start.step
            batches = replace(batches, first=first)
        size, width = config.input_size, examples.targets.shape[1]
        signature = (
            tf.TensorSpec((None, size, size, 3), tf.uint8),
            tf.TensorSpec((None, width), tf.float32),
        )
        return Feed(batches, batches.batches_per_epoch, signature)
