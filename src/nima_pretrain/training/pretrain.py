"""Pretext training: photos without labels in, `backbone.h5` out."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config import AnyPretextConfig
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.scanning import Scan
from nima_pretrain.data.split import (
    PARTS,
    PhotoSplit,
    SplitFiles,
    find_again,
    list_photos,
    split_photos,
    write_photo_list,
)
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.backbone import freeze_batch_norm
from nima_pretrain.prediction.explaining import levels_model, usual_levels
from nima_pretrain.pretext.methods import PHOTOS_SHOWN, Pretext, pretext_of
from nima_pretrain.pretext.model import PretextModel
from nima_pretrain.progress import counting
from nima_pretrain.training.callbacks import (
    KeepBest,
    LogLearningRates,
    Logs,
    ScheduleLearningRate,
    log_files,
)
from nima_pretrain.training.checkpoint import (
    Checkpoint,
    Position,
    SaveCheckpoints,
    fit_what_is_left,
    load_checkpoint,
)
from nima_pretrain.training.devices import choose_strategy, give_to_all_replicas
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.show_progress import ShowProgress
from nima_pretrain.weights.store import SideCar, load_base_weights, load_weights, save_weights

logger = logging.getLogger(__name__)

_CHECKPOINT = "checkpoint.npz"
_PHOTOS = "photos.csv"
_WARMING_UP, _TRAINING = 0, 1
_PHOTOS_FOR_USUAL_LEVELS = 64


def pretrain(
    photos: Path,
    run: Path,
    config: AnyPretextConfig,
    base_weights: str = "imagenet",
    lists: SplitFiles | None = None,
) -> dict[str, Any]:
    """Trains a pretext model and returns its results, which `results.json` holds too.

    `pretext.h5` and `backbone.h5` are those of the epoch with the lowest validation loss.

    Args:
        photos: folder of photographs.
        run: the run directory; it exists.
        config: what to train and how.
        base_weights: "imagenet", "none" or a path; see `networks.weights.load_base_weights`.
        lists: files that fix the split; None for a split by the config's seed.

    Raises:
        InputError: photos or weights are not what they should be, or the disk is full.
    """
    keras.utils.set_random_seed(config.seed)
    pretext = pretext_of(config)
    found = list_photos(photos, lists)
    strategy = choose_strategy(config.mirrored)
    with strategy.scope():
        model = pretext.build()
    load_base_weights(model.backbone, base_weights, config)
    with counting("checking photos", len(found.names)) as show:
        split, scan = split_photos(found, run / "unreadable.csv", config.split, config.seed, show)
    write_photo_list(run / _PHOTOS, split, scan)
    _show_views(run, split, pretext)
    about = {"base_weights": Path(base_weights).name, "unreadable": len(scan.unreadable)}
    start = Position(_WARMING_UP if config.freeze_backbone_steps else _TRAINING)
    training = _Pretraining(model, strategy, split, scan, run, pretext, about)
    return training.run_from(start)


def resume(photos: Path, run: Path, config: AnyPretextConfig) -> dict[str, Any]:
    """Goes on with a training that was stopped at any moment, as if it had not been.

    Args:
        photos: folder of photographs, with all that the run has used so far.
        run: the run directory.
        config: that of the run.

    Raises:
        InputError: there is nothing to resume, or the photos are not those of the run.
    """
    checkpoint = load_checkpoint(run / _CHECKPOINT)
    pretext = pretext_of(config)
    strategy = choose_strategy(config.mirrored)
    with strategy.scope():
        model = pretext.build()
    with counting("checking photos", None) as show:
        split, scan = find_again(run / _PHOTOS, photos, show)
    position = checkpoint.position
    logger.info("resuming after %d epochs and %d steps", position.epoch, position.step)
    about = checkpoint.about
    training = _Pretraining(model, strategy, split, scan, run, pretext, about)
    return training.run_from(position, checkpoint)


@dataclass(frozen=True)
class _Pretraining:
    """One training, from its beginning or from a checkpoint to its results."""

    model: PretextModel
    strategy: tf.distribute.Strategy
    split: PhotoSplit
    scan: Scan
    run: Path
    pretext: Pretext[Any]
    about: dict[str, Any]

    @property
    def config(self) -> AnyPretextConfig:
        return self.pretext.config

    def run_from(self, start: Position, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
        """Trains what is left to train, and returns the results of the whole."""
        started = time.perf_counter() - start.seconds
        self._introduce()
        best = KeepBest(self._save, start.best_epoch, start.best_logs)
        training = self._feed(self.split.training, vary=True, first=self._batches_before(start))
        validation = self._feed(self.split.validation)
        with training, validation:
            if start.stage == _WARMING_UP:
                start = self._warm_up(start, training, best, checkpoint)
                checkpoint = None
            self._train(start, training, validation, best, checkpoint)
        best.check()
        results: dict[str, Any] = {
            "stage": "pretrain",
            "photos": {part: len(getattr(self.split, part)) for part in PARTS}
            | {"unreadable": self.about["unreadable"]},
            "best_epoch": best.epoch,
            "epochs": self.config.epochs,
            "metrics": best.logs,
        }
        if self.split.test:
            load_weights(self.model, self.run / "pretext.h5")
            with self._feed(self.split.test) as test:
                results["test"] = self.model.evaluate(
                    self._dataset(test), steps=test.steps, verbose=0, return_dict=True
                )
        results["seconds"] = round(time.perf_counter() - started, 1)
        write_json(self.run / "results.json", results)
        (self.run / _CHECKPOINT).unlink()
        return results

    def _introduce(self) -> None:
        parts = [len(getattr(self.split, part)) for part in PARTS]
        logger.info(
            "photos: %d for training, %d for validation, %d for test; %d unreadable",
            *parts,
            self.about["unreadable"],
        )
        config, views = self.config, self.pretext.views
        logger.info(
            "network: %s, width %g, %d px; %d views a photo (%s); %s parameters; started from %s",
            config.backbone,
            config.width,
            config.input_size,
            views.num_views,
            views.name,
            f"{self.model.count_params():,}",
            self.about["base_weights"],
        )

    def _warm_up(
        self, start: Position, training: Feed, best: KeepBest, checkpoint: Checkpoint | None
    ) -> Position:
        """Trains the heads alone for some steps, then sets the backbone free."""
        steps = self.config.freeze_backbone_steps
        self.model.backbone.trainable = False
        self._compile(checkpoint)
        if not start.epoch:
            save = self._save_checkpoints(start, best, checkpoint)
            remaining = steps - start.step
            self.model.fit(
                training.dataset,
                steps_per_epoch=remaining,
                verbose=0,
                callbacks=[save],
                shuffle=False,
            )
            start = save.position
        self.model.backbone.trainable = True
        if self.config.batch_norm == "frozen":
            freeze_batch_norm(self.model.backbone)
        logger.info("backbone set free after %d steps", steps)
        return replace(start, stage=_TRAINING, epoch=0)

    def _train(
        self,
        start: Position,
        training: Feed,
        validation: Feed,
        best: KeepBest,
        checkpoint: Checkpoint | None,
    ) -> None:
        config = self.config
        self._compile(checkpoint)
        accuracy = self.pretext.accuracy
        shown = ("loss", "val_loss", accuracy, f"val_{accuracy}")
        num_views = self.pretext.views.num_views
        callbacks = [
            LogLearningRates(["learning_rate"]),
            ShowProgress(training, config.epochs, num_views, shown),
            *log_files(self.run),
            best,
            ScheduleLearningRate(self.pretext.rate_of),
            self._save_checkpoints(start, best, checkpoint),
        ]

        def fit(epoch: int, epochs: int, steps: int) -> None:
            self.model.fit(
                self._dataset(training),
                steps_per_epoch=steps,
                validation_data=self._dataset(validation),
                validation_steps=validation.steps,
                initial_epoch=epoch,
                epochs=epochs,
                verbose=0,
                callbacks=callbacks,
                shuffle=False,
            )

        fit_what_is_left(start, config.epochs, training.steps, fit)

    def _compile(self, checkpoint: Checkpoint | None) -> None:
        # Anew whenever something is frozen or set free: a train function keeps what it was
        # traced with.
        with self.strategy.scope():
            self.model.compile(self.pretext.optimizer())
            if checkpoint:
                checkpoint.restore(self.model)

    def _dataset(self, feed: Feed) -> tf.data.Dataset:
        return give_to_all_replicas(feed.dataset, self.strategy)

    def _save_checkpoints(
        self, start: Position, best: KeepBest, checkpoint: Checkpoint | None
    ) -> SaveCheckpoints:
        path, every = self.run / _CHECKPOINT, self.config.checkpoint_seconds
        return SaveCheckpoints(path, start, self.about, every, best, checkpoint)

    def _batches_before(self, start: Position) -> int:
        """How many batches training has taken before a position."""
        if start.stage == _WARMING_UP:
            return start.epoch * self.config.freeze_backbone_steps + start.step
        per_epoch = -(-len(self.split.training) // self.config.photos_per_batch)
        return self.config.freeze_backbone_steps + start.epoch * per_epoch + start.step

    def _feed(self, names: tuple[str, ...], vary: bool = False, first: int = 0) -> Feed:
        config = self.config
        batches = ViewBatches(
            self.split.root,
            names,
            self.pretext.views,
            config.input_size,
            config.fit,
            config.photos_per_batch,
            config.seed,
            vary,
            config.num_workers,
            first,
        )
        shape = (None, batches.views.num_views, config.input_size, config.input_size, 3)
        return Feed(batches, batches.batches_per_epoch, tf.TensorSpec(shape, tf.uint8))

    def _save(self, logs: Logs) -> None:
        training = self.split.training
        pretext = SideCar(
            kind="pretext",
            network=self.config.network,
            tasks=self.pretext.tasks,
            **self.pretext.about_views(),
            training_data={
                "photos": len(training),
                "sha256": self.scan.digest_of(self.split.root / name for name in training),
                "base_weights": self.about["base_weights"],
            },
            usual_levels=self._usual_levels(),
            metrics=logs,
        )
        save_weights(self.model, self.run / "pretext.h5", pretext)
        of_pretext = ("bank", "view_names", "tasks", "usual_levels")
        backbone = pretext.model_copy(update={"kind": "backbone", **dict.fromkeys(of_pretext)})
        save_weights(self.model.backbone, self.run / "backbone.h5", backbone)

    def _usual_levels(self) -> tuple[tuple[float, float], ...] | None:
        if "regression" not in self.pretext.tasks:
            return None
        names = (self.split.validation or self.split.training)[:_PHOTOS_FOR_USUAL_LEVELS]
        model = levels_model(self.model, self.config.network)
        return usual_levels(model, (self.split.root / name for name in names))


def _show_views(run: Path, split: PhotoSplit, pretext: Pretext[Any]) -> None:
    """Draws what the network is going to see of some photos, once."""
    names = split.training[:PHOTOS_SHOWN]
    picture = pretext.draw([load_photo(split.root / name) for name in names])
    with replacing(run / "views.png") as partial:
        picture.save(partial)
    with tf.summary.create_file_writer(str(run / "tensorboard" / "train")).as_default():
        tf.summary.image("views", np.asarray(picture)[None], step=0)
