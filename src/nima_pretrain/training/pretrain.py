"""Pretext training: photos without labels in, `backbone.h5` out."""

import logging
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from nima_pretrain.config import PretrainConfig
from nima_pretrain.data.split import SplitFiles, list_photos, split_photos
from nima_pretrain.data.views import ViewBatches
from nima_pretrain.distortions import DistortionBank, get_bank
from nima_pretrain.files import write_json
from nima_pretrain.networks.backbone import build_backbone, freeze_batch_norm
from nima_pretrain.networks.pretext import build_pretext_model
from nima_pretrain.networks.weights import SideCar, load_base_weights, load_weights, save_weights
from nima_pretrain.training.callbacks import (
    DecayLearningRate,
    KeepBest,
    LogLearningRates,
    Logs,
    log_files,
)
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.optimizers import pretext_optimizer
from nima_pretrain.training.progress import ShowProgress, counting

logger = logging.getLogger(__name__)


def pretrain(
    photos: Path,
    run: Path,
    config: PretrainConfig,
    base_weights: str = "imagenet",
    lists: SplitFiles | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains a pretext model and returns its results, which `results.json` holds too.

    `pretext.h5` and `backbone.h5` are those of the epoch with the lowest validation loss.

    Args:
        photos: folder of photographs.
        run: the run directory; it exists.
        config: what to train and how.
        base_weights: "imagenet", "none" or a path; see `networks.weights.load_base_weights`.
        lists: files that fix the split; None for a split by the config's seed.
        console: where a progress bar is drawn, or None.

    Raises:
        InputError: photos or weights are not what they should be.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    found = list_photos(photos, lists)
    bank = get_bank(config.bank)
    tasks = tuple(config.tasks.split("+"))
    backbone = build_backbone(config.backbone, config.input_size, config.width)
    load_base_weights(backbone, base_weights, config)
    with counting(console, "checking photos", len(found.names)) as show:
        split, scan = split_photos(found, run / "unreadable.csv", config.split, config.seed, show)
    logger.info(
        "photos: %d for training, %d for validation, %d for test; %d unreadable",
        len(split.training),
        len(split.validation),
        len(split.test),
        len(scan.unreadable),
    )
    if config.batch_norm == "frozen":
        freeze_batch_norm(backbone)
    model = build_pretext_model(
        backbone,
        bank,
        tasks,
        config.dropout,
        config.temperature,
        config.margin,
        config.chunk_size,
        config.seed,
    )
    logger.info(
        "network: %s, width %g, %d px; %s views of %s; %s parameters; started from %s",
        config.backbone,
        config.width,
        config.input_size,
        bank.num_views,
        bank.name,
        f"{model.count_params():,}",
        base_weights,
    )
    training = _feed(split.root, split.training, bank, config, vary=True)
    validation = _feed(split.root, split.validation, bank, config, vary=False)
    side_car = SideCar(
        kind="pretext",
        network=config.network,
        bank=bank.name,
        view_names=bank.view_names,
        tasks=tasks,
        training_data={
            "photos": len(split.training),
            "sha256": scan.digest_of(split.root / name for name in split.training),
            "base_weights": Path(base_weights).name,
        },
    )

    def save(logs: Logs) -> None:
        kept = side_car.model_copy(update={"metrics": logs})
        save_weights(model, run / "pretext.h5", kept)
        of_backbone = {"kind": "backbone", "bank": None, "view_names": None, "tasks": None}
        save_weights(backbone, run / "backbone.h5", kept.model_copy(update=of_backbone))

    best = KeepBest(save)
    shown = ("loss", "val_loss", "ordered_pairs", "val_ordered_pairs")
    with training, validation:
        if config.freeze_backbone_steps:
            _warm_up(model, backbone, training, config)
        model.compile(pretext_optimizer(config))
        model.fit(
            training.dataset,
            steps_per_epoch=training.steps,
            validation_data=validation.dataset,
            validation_steps=validation.steps,
            epochs=config.epochs,
            verbose=0,
            callbacks=[
                LogLearningRates(["learning_rate"]),
                ShowProgress(training, bank.num_views, shown, console),
                *log_files(run),
                best,
                DecayLearningRate(config.learning_rate_decay),
            ],
        )
        results: dict[str, Any] = {
            "stage": "pretrain",
            "photos": {
                "training": len(split.training),
                "validation": len(split.validation),
                "test": len(split.test),
                "unreadable": len(scan.unreadable),
            },
            "best_epoch": best.epoch,
            "epochs": config.epochs,
            "metrics": best.logs,
        }
        if split.test:
            load_weights(model, run / "pretext.h5")
            test = _feed(split.root, split.test, bank, config, vary=False)
            with test:
                results["test"] = model.evaluate(
                    test.dataset, steps=test.steps, verbose=0, return_dict=True
                )
    results["seconds"] = round(time.perf_counter() - started, 1)
    write_json(run / "results.json", results)
    return results


def _feed(
    root: Path, names: tuple[str, ...], bank: DistortionBank, config: PretrainConfig, vary: bool
) -> Feed:
    batches = ViewBatches(
        root,
        names,
        bank,
        config.input_size,
        config.fit,
        config.photos_per_batch,
        config.seed,
        vary,
        config.num_workers,
    )
    shape = (None, bank.num_views, config.input_size, config.input_size, 3)
    return Feed(batches, batches.batches_per_epoch, tf.TensorSpec(shape, tf.uint8))


def _warm_up(model: keras.Model, backbone: keras.Model, feed: Feed, config: PretrainConfig) -> None:
    """Trains the heads alone for some steps, then sets the backbone free."""
    backbone.trainable = False
    model.compile(pretext_optimizer(config))
    model.fit(feed.dataset, steps_per_epoch=config.freeze_backbone_steps, epochs=1, verbose=0)
    backbone.trainable = True
    if config.batch_norm == "frozen":
        freeze_batch_norm(backbone)
    logger.info("backbone set free after %d steps", config.freeze_backbone_steps)
