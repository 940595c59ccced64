"""The batches that pretext training reads: photos in all their views, rendered by processes."""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import DistortionBank, get_bank
from nima_pretrain.distortions.geometry import Fit
from nima_pretrain.distortions.technical import use_one_thread


class Job(NamedTuple):
    """One photo to render: everything that its pixels depend on."""

    path: Path
    bank: str
    size: int
    fit: Fit
    seed: tuple[int, ...]


def render_job(job: Job) -> np.ndarray:
    """Returns all views of one photo, (V, S, S, 3) uint8 RGB.

    Raises:
        PhotoError: the photo cannot be decoded.
    """
    return get_bank(job.bank).render(load_photo(job.path), job.size, job.seed, job.fit)


@dataclass(frozen=True)
class ViewBatches:
    """Batches of photos in all their views, (B, V, S, S, 3) uint8, without end.

    Attributes:
        root: folder that the names are relative to.
        names: the photos. A photo's views depend on its name, the seed and the epoch, and on
            nothing else.
        bank: which views, in which order.
        size: side of a view in pixels.
        fit: "letterbox" or "squash".
        photos_per_batch: B; the last batch of an epoch may be smaller.
        seed: of order and pixels.
        vary: whether order and random distortions change from epoch to epoch, as training wants
            it. Validation does not: its losses are to be compared.
        num_workers: processes that render ahead; None for half the cores, 0 for none.
    """

    root: Path
    names: Sequence[str]
    bank: DistortionBank
    size: int
    fit: Fit
    photos_per_batch: int
    seed: int
    vary: bool = True
    num_workers: int | None = None

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.names) // self.photos_per_batch)

    def __iter__(self) -> Iterator[np.ndarray]:
        workers = self.num_workers
        if workers is None:
            workers = max(1, (os.cpu_count() or 1) // 2)
        executor: Executor = _renderers(workers) if workers else _Inline()
        # One batch being rendered while one is trained on, and no worker ever idle.
        ahead = self.photos_per_batch + workers
        try:
            views = ordered_map(executor, render_job, self._jobs(), ahead)
            while True:
                for start in range(0, len(self.names), self.photos_per_batch):
                    wanted = min(self.photos_per_batch, len(self.names) - start)
                    yield np.stack(list(islice(views, wanted)))  # (B, V, S, S, 3)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _jobs(self) -> Iterator[Job]:
        for epoch in count() if self.vary else iter(lambda: 0, None):
            names = list(self.names)
            if self.vary:
                np.random.default_rng([self.seed, epoch]).shuffle(names)
            for name in names:
                seed = (self.seed, epoch, _number_of(name))
                yield Job(self.root / name, self.bank.name, self.size, self.fit, seed)


def _number_of(name: str) -> int:
    """A number for a photo that stays the same whatever other photos there are."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _renderers(workers: int) -> ProcessPoolExecutor:
    # Forking a process that runs TensorFlow's threads may deadlock; spawned ones import only what
    # rendering needs.
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    # Ctrl-C is for the process that trains; it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()


class _Inline(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
