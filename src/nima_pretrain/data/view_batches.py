"""The batches of pretext training: all views of photos, rendered by worker processes."""

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import Views
from nima_pretrain.distortions.geometry import Fit
from nima_pretrain.distortions.technical import use_one_thread
from nima_pretrain.errors import InputError

# The alignment with which TensorFlow uses an array without copying it.
_ALIGNMENT_BYTES = 64


class Job(NamedTuple):
    """One photo to render, with everything that its views depend on."""

    path: Path
    views: Views
    size: int
    fit: Fit
    seed: tuple[int, ...]


def render_job(job: Job) -> np.ndarray:
    """Returns all views of one photo, (V, S, S, 3) uint8 RGB.

    Raises:
        PhotoError: the photo cannot be decoded.
    """
    return job.views.render(load_photo(job.path), job.size, job.seed, job.fit)


@dataclass(frozen=True)
class ViewBatches:
    """An infinite iterable of batches of all views, (B, V, S, S, 3) uint8 RGB, 0 to 255.

    Attributes:
        root: folder that the names are relative to.
        names: the photos. The randomness of a photo's views depends only on its name, the seed
            and the epoch.
        views: the views and their order.
        size: side of a view, pixels.
        fit: "letterbox" or "squash".
        photos_per_batch: B; the last batch of an epoch may be smaller.
        seed: seed of order and random distortions.
        vary: whether order and random distortions change every epoch: True for training; False
            for validation, whose losses must be comparable.
        num_workers: processes that render ahead; None for half the cores, 0 for none.
        first: number of batches to skip at the beginning, when training resumes.
    """

    root: Path
    names: Sequence[str]
    views: Views
    size: int
    fit: Fit
    photos_per_batch: int
    seed: int
    vary: bool = True
    num_workers: int | None = None
    first: int = 0

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.names) // self.photos_per_batch)

    def __iter__(self) -> Iterator[np.ndarray]:
        workers = self.num_workers
        if workers is None:
            workers = max(1, (os.cpu_count() or 1) // 2)
        executor: Executor = _renderers(workers) if workers else _Inline()
        # The next batch is rendered during a training step, and no worker is ever idle.
        ahead = self.photos_per_batch + workers
        try:
            views = ordered_map(executor, render_job, self._jobs(), ahead)
            for batch in count(self.first):
                yield self._gather(views, len(self._names_of(batch)))
        except BrokenProcessPool:
            raise InputError(
                "A process that renders views was killed, perhaps for want of memory. "
                "Use fewer of them: --set num_workers=1, or 0."
            ) from None
        finally:
            # Waits for the workers: Python may exit right after this, and fails if a pool is still
            # being closed.
            executor.shutdown(cancel_futures=True)

    def _jobs(self) -> Iterator[Job]:
        for batch in count(self.first):
            epoch = batch // self.batches_per_epoch if self.vary else 0
            for name in self._names_of(batch):
                seed = (self.seed, epoch, _number_of(name))
                yield Job(self.root / name, self.views, self.size, self.fit, seed)

    def _names_of(self, batch: int) -> list[str]:
        """Returns the photos of a batch, counted from the beginning of training."""
        epoch, place = divmod(batch, self.batches_per_epoch)
        start = place * self.photos_per_batch
        indices: Sequence[int] | np.ndarray = range(len(self.names))
        if self.vary:
            indices = np.random.default_rng([self.seed, epoch]).permutation(len(self.names))
        return [self.names[index] for index in indices[start : start + self.photos_per_batch]]

    def _gather(self, views: Iterator[np.ndarray], num_photos: int) -> np.ndarray:
        """Returns one array of a batch, filled photo by photo, so that memory is not doubled."""
        shape = (num_photos, self.views.num_views, self.size, self.size, 3)
        batch = _empty_aligned(shape)
        for row in range(num_photos):
            batch[row] = next(views)
        return batch


def _number_of(name: str) -> int:
    """Returns a number for a photo that is independent of all other photos."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _empty_aligned(shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    memory = np.empty(size + _ALIGNMENT_BYTES, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[start : start + size].reshape(shape)


def _renderers(workers: int) -> ProcessPoolExecutor:
    # Forking a process with TensorFlow's threads may deadlock; spawned processes import only the
    # modules for rendering.
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    # The training process handles Ctrl-C and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()


def _end_with_parent() -> None:
    """Ends this worker when its parent has ended: a killed parent cannot do so itself."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _Inline(Executor):
    """An executor that runs every call at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
