"""Feeds: NumPy batches as datasets for `fit`, with the time that training waits for them.

Of several workers, each feeds its share of every batch.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig, PretextConfig
from nima_pretrain.data.graded_batches import GradedBatches
from nima_pretrain.data.rated_batches import RatedBatches
from nima_pretrain.data.series_batches import SeriesBatches
from nima_pretrain.data.split import PhotoSplit
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import DistortionBank
from nima_pretrain.distortions.augmentations import NO_AUGMENTATION
from nima_pretrain.networks.workers import workers
from nima_pretrain.pretext.method import Method
from nima_pretrain.training.checkpoint import Position, Stage
from nima_pretrain.training.devices import give_to_all_replicas


class Feed:
    """A dataset of infinite batches, and a context that ends their workers.

    The dataset does not prefetch, since the batches have their own workers. So the time spent in
    `next` is the time that training waits, and a second pass over the dataset continues where the
    first one ended.

    Within the context, an error of the batches is raised itself instead of TensorFlow's report.

    Attributes:
        dataset: the dataset for `fit`.
        steps: batches per epoch.
        images: images delivered so far.
        waited_seconds: time that training has waited so far.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        steps: int,
        signature: Any,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.steps = steps
        self.images = 0
        self.waited_seconds = 0.0
        self._batches = iter(batches)
        self._error: Exception | None = None
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        # Autotuning has no use here. Ending an iterator waits for the tuner's sleep, which doubles
        # every time: many seconds per epoch.
        options.autotune.enabled = False
        dataset = tf.data.Dataset.from_generator(self._timed, output_signature=signature)
        self.dataset = dataset.with_options(options)
        if strategy:
            self.dataset = give_to_all_replicas(self.dataset, strategy)

    def __enter__(self) -> "Feed":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close = getattr(self._batches, "close", None)
        if close:
            close()
        if isinstance(error, tf.errors.OpError) and self._error:
            raise self._error from None

    def _timed(self) -> Iterator[Any]:
        while True:
            start = time.perf_counter()
            try:
                batch = next(self._batches)
            except Exception as error:
                self._error = error
                raise
            finally:
                self.waited_seconds += time.perf_counter() - start
            self.images += _num_images(batch)
            yield batch
            del batch  # frees its memory while the next one is made


def feed_training(
    split: PhotoSplit,
    method: Method[Any],
    strategy: tf.distribute.Strategy,
    start: Position,
) -> Feed:
    """Returns a feed of the training photos, in all views or in samples of their series.

    Args:
        split: the photos.
        method: provides views, augmentation and config.
        strategy: distribution strategy of the training.
        start: the position from which training begins or resumes.
    """
    config, views = method.config, method.views
    if method.series_per_photo is None:
        batches = _view_batches(split.root, split.training, method, vary=True)
        first = _batches_before(start, batches.batches_per_epoch, config)
        return _view_feed(replace(batches, first=first), strategy)
    assert isinstance(views, DistortionBank)
    samples = SeriesBatches(
        split.root,
        split.training,
        views,
        size=config.input_size,
        fit=config.fit,
        photos_per_batch=config.photos_per_batch,
        series_per_photo=method.series_per_photo,
        augmentation=method.augmentation,
        num_workers=config.num_workers,
        seed=config.seed,
        share=workers().share,
    )
    first = _batches_before(start, samples.batches_per_epoch, config)
    size = config.input_size
    signature = {
        "images": tf.TensorSpec((None, size, size, 3), tf.uint8),
        "places": tf.TensorSpec((None, 2), tf.int32),
        "series_weights": tf.TensorSpec((None, len(views.series)), tf.float32),
    }
    return Feed(replace(samples, first=first), samples.batches_per_epoch, signature, strategy)


def feed_views(
    split: PhotoSplit,
    names: tuple[str, ...],
    method: Method[Any],
    strategy: tf.distribute.Strategy,
) -> Feed:
    """Returns a feed of all views of photos, (B, V, S, S, 3) uint8 RGB, the same every epoch.

    Args:
        split: provides the folder of the photos.
        names: names of the photos.
        method: provides views and config.
        strategy: distribution strategy of the training.
    """
    return _view_feed(_view_batches(split.root, names, method, vary=False), strategy)


def feed_graded(batches: GradedBatches, steps: int) -> Feed:
    """Returns a feed of graded images (N, S, S, 3) uint8 RGB and targets (N, n + 3) float32.

    Args:
        batches: the batches, from the next one to train on.
        steps: number of batches of what counts as an epoch.
    """
    signature = (
        tf.TensorSpec((None, batches.size, batches.size, 3), tf.uint8),
        tf.TensorSpec((None, batches.scale.bins + 3), tf.float32),
    )
    return Feed(batches, steps, signature)


def _view_batches(
    root: Path, names: tuple[str, ...], method: Method[Any], vary: bool
) -> ViewBatches:
    config = method.config
    return ViewBatches(
        root,
        names,
        method.views,
        size=config.input_size,
        fit=config.fit,
        photos_per_batch=config.photos_per_batch,
        num_workers=config.num_workers,
        seed=config.seed,
        vary=vary,
        augmentation=method.augmentation if vary else NO_AUGMENTATION,
        share=workers().share,
    )


def _view_feed(batches: ViewBatches, strategy: tf.distribute.Strategy) -> Feed:
    shape = (None, batches.views.num_views, batches.size, batches.size, 3)
    return Feed(batches, batches.batches_per_epoch, tf.TensorSpec(shape, tf.uint8), strategy)


def _batches_before(start: Position, per_epoch: int, config: PretextConfig) -> int:
    """Returns the number of training batches before a position."""
    if start.stage is Stage.HEADS:
        return start.epoch * config.freeze_backbone_steps + start.step
    return config.freeze_backbone_steps + start.epoch * per_epoch + start.step


def _num_images(batch: Any) -> int:
    """Returns the number of images of a batch: views, photos with targets, or a sample."""
    if isinstance(batch, dict):
        return len(batch["images"])
    if isinstance(batch, tuple):
        return len(batch[0])
    return batch.shape[0] * batch.shape[1]


def feed_rated(
    paths: Sequence[Path],
    targets: np.ndarray,
    config: FinetuneConfig,
    *,
    vary: bool = False,
    start: Position | None = None,
) -> Feed:
    """Returns a feed of photos (B, S, S, 3) uint8 RGB and targets (B, T) float32.

    Args:
        paths: N photos.
        targets: (N, T) float32.
        config: size, fit, batch size, seed, flips and crops.
        vary: see `RatedBatches`.
        start: the position from which training resumes; None for the beginning.
    """
    batches = RatedBatches(
        paths,
        targets,
        size=config.input_size,
        fit=config.fit,
        vary=vary,
        flip=config.flip,
        crop_from=config.crop_from,
        batch_size=config.batch_size,
        seed=config.seed,
        share=workers().share,
    )
    per_epoch = batches.batches_per_epoch
    if start:
        batches = replace(batches, first=start.epoch * per_epoch + start.step)
    size = config.input_size
    signature = (
        tf.TensorSpec((None, size, size, 3), tf.uint8),
        tf.TensorSpec((None, targets.shape[1]), tf.float32),
    )
    return Feed(batches, per_epoch, signature)
