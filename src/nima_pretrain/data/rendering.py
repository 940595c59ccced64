"""Rendering of views by worker processes."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import DistortionBank, Views
from nima_pretrain.distortions.augmentations import NO_AUGMENTATION, Augmentation
from nima_pretrain.distortions.geometry import Fit
from nima_pretrain.distortions.technical import use_one_thread
from nima_pretrain.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

# The function of this process, if it is a worker.
_of_worker: list[Callable[[Any], Any]] = []

# Follows the seed of a photo for its augmentation, where views have their index.
_OF_AUGMENTATION = 2**31


class Job(NamedTuple):
    """One photo to render, with everything that its views depend on.

    Attributes:
        path: the photo.
        views: the views.
        size: side of a view, pixels.
        fit: "letterbox" or "squash".
        seed: seed of augmentation and random distortions.
        augmentation: change of the photo before its views are rendered.
        chosen: indices of the views of a bank to render; None for all views.
    """

    path: Path
    views: Views
    size: int
    fit: Fit
    seed: tuple[int, ...]
    augmentation: Augmentation = NO_AUGMENTATION
    chosen: tuple[int, ...] | None = None


def render_job(job: Job) -> np.ndarray:
    """Returns the views of one photo, (V, S, S, 3) uint8 RGB.

    Raises:
        PhotoError: the photo cannot be decoded.
    """
    rng = np.random.default_rng([*job.seed, _OF_AUGMENTATION])
    photo = job.augmentation(load_photo(job.path), rng)
    if job.chosen is None:
        return job.views.render(photo, job.size, job.seed, job.fit)
    assert isinstance(job.views, DistortionBank)
    return job.views.render(photo, job.size, job.seed, job.fit, job.chosen)


def rendered(
    jobs: Iterable[Job], num_workers: int | None, ahead: int
) -> Generator[np.ndarray, None, None]:
    """Yields the views of every job, in order; see `in_processes`."""
    return in_processes(render_job, jobs, num_workers, ahead)


def in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int | None, ahead: int
) -> Generator[Result, None, None]:
    """Yields function(item) in the order of the items, computed ahead by worker processes.

    Close the iterator, e.g. by `contextlib.closing`, to end the workers.

    Args:
        function: picklable, from a module that does not import TensorFlow. It is sent once to
            every process, so it may hold as much as the ratings of all photos.
        items: may be infinite.
        num_workers: number of processes; None for half the cores, 0 for none.
        ahead: number of items that are computed ahead, besides one per process.

    Raises:
        InputError: a process was killed.
    """
    if num_workers is None:
        num_workers = max(1, (os.cpu_count() or 1) // 2)
    executor = _pool(num_workers, function) if num_workers else _Inline()
    work = _work if num_workers else function
    try:
        yield from ordered_map(executor, work, items, ahead + num_workers)
    except BrokenProcessPool:
        raise InputError(
            "A process that renders views was killed, perhaps because memory was short. "
            "Use fewer of them: --set num_workers=1, or 0. In the ordering stage the setting is "
            "order.num_workers, in train pretrain.num_workers."
        ) from None
    finally:
        # Waits for the workers: Python may exit right after this, and fails if a pool is still
        # being closed.
        executor.shutdown(cancel_futures=True)


def _work(item: Any) -> Any:
    return _of_worker[0](item)


def _pool(workers: int, function: Callable[[Any], Any]) -> Executor:
    # Forking a process with TensorFlow's threads may deadlock; spawned processes import only the
    # modules for rendering.
    return ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=(function,)
    )


def _start_worker(function: Callable[[Any], Any]) -> None:
    _of_worker.append(function)
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
