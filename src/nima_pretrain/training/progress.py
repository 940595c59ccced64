"""What a person sees while they wait."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from nima_pretrain.training.callbacks import Logs
from nima_pretrain.training.feed import Feed

logger = logging.getLogger(__name__)


@contextmanager
def counting(
    console: Console | None, description: str, total: int | None
) -> Iterator[Callable[[int], None]]:
    """Shows a bar as long as the context lasts; yields what is called with the number done."""
    with _bar(console) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


class ShowProgress(keras.callbacks.Callback):
    """A progress bar with rate, time left and the share of waiting; one line an epoch in the log.

    The share and the rate enter the logs as `waiting` and `images_per_second`.
    """

    def __init__(
        self,
        feed: Feed,
        epochs: int,
        images_per_item: int,
        shown: Sequence[str],
        console: Console | None,
    ) -> None:
        super().__init__()
        self._feed = feed
        self._epochs = epochs
        self._images_per_item = images_per_item
        self._shown = shown
        rate = TextColumn("{task.fields[rate]:.0f} images/s, waiting {task.fields[waiting]:.0%}")
        self._progress = _bar(console, rate)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._progress.start()
        self._task = self._progress.add_task("", total=None, rate=0.0, waiting=0.0)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch_started = time.perf_counter()
        self._waited_before = self._feed.waited_seconds
        self._items_before = self._feed.items
        if self._progress.tasks[self._task].total is None:
            steps = (self._epochs - epoch) * self._feed.steps
            self._progress.update(self._task, total=steps)
        description = f"epoch {epoch + 1}/{self._epochs}"
        self._progress.update(self._task, description=description)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._epoch_started
        items = self._feed.items - self._items_before
        self._rate = self._images_per_item * items / seconds
        self._waiting = (self._feed.waited_seconds - self._waited_before) / seconds
        self._progress.update(self._task, advance=1, rate=self._rate, waiting=self._waiting)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        logs["images_per_second"], logs["waiting"] = self._rate, self._waiting
        figures = ", ".join(f"{name} {logs[name]:.4g}" for name in self._shown if name in logs)
        logger.info(
            "epoch %d/%d: %s; %.0f images/s, waiting %.1f %%",
            epoch + 1,
            self._epochs,
            figures,
            self._rate,
            100 * self._waiting,
        )

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._progress.stop()


def _bar(console: Console | None, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=console is None,
        transient=True,
    )
