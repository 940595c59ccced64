"""Feeds: NumPy batches as datasets for `fit`, with the time that training waits for them."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig, PretextConfig
from nima_pretrain.data.rated_batches import RatedBatches
from nima_pretrain.data.split import PhotoSplit
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import Views
from nima_pretrain.training.checkpoint import Position
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
        items: photos delivered so far.
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
        self.items = 0
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
            self.items += len(batch[0]) if isinstance(batch, tuple) else len(batch)
            yield batch
            del batch  # frees its memory while the next one is made


def feed_views(
    split: PhotoSplit,
    names: tuple[str, ...],
    views: Views,
    config: PretextConfig,
    strategy: tf.distribute.Strategy,
    *,
    vary: bool = False,
    first: int = 0,
) -> Feed:
    """Returns a feed of the views of photos, (B, V, S, S, 3) uint8 RGB, for every replica.

    Args:
        split: provides the folder of the photos.
        names: names of the photos.
        views: the views to render.
        config: size, fit, batch size, seed and number of workers.
        strategy: distribution strategy of the training.
        vary: see `ViewBatches`.
        first: see `ViewBatches`.
    """
    batches = ViewBatches(
        split.root,
        names,
        views,
        size=config.input_size,
        fit=config.fit,
        photos_per_batch=config.photos_per_batch,
        num_workers=config.num_workers,
        seed=config.seed,
        vary=vary,
        first=first,
    )
    shape = (None, views.num_views, config.input_size, config.input_size, 3)
    return Feed(batches, batches.batches_per_epoch, tf.TensorSpec(shape, tf.uint8), strategy)


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
