"""The progress bar of a training, and one log line per epoch."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
from rich.progress import TextColumn

from nima_pretrain.progress import bar
from nima_pretrain.training.callbacks import Logs
from nima_pretrain.training.feed import Feed

logger = logging.getLogger(__name__)


class ShowProgress(keras.callbacks.Callback):
    """A progress bar with rate, time left and the share of waiting, and one log line per epoch.

    Share and rate are added to the logs as `waiting`, 0 to 1, and `images_per_second`.
    """

    def __init__(
        self,
        feed: Feed,
        epochs: int,
        shown: Sequence[str],
    ) -> None:
        super().__init__()
        self._feed = feed
        self._epochs = epochs
        self._shown = shown
        rate = TextColumn("{task.fields[rate]:.0f} images/s, waiting {task.fields[waiting]:.0%}")
        self._progress = bar(rate)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._progress.start()
        self._task = self._progress.add_task("", total=None, rate=0.0, waiting=0.0)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch_started = time.perf_counter()
        self._waited_before = self._feed.waited_seconds
        self._images_before = self._feed.images
        if self._progress.tasks[self._task].total is None:
            steps = (self._epochs - epoch) * self._feed.steps
            self._progress.update(self._task, total=steps)
        description = f"epoch {epoch + 1}/{self._epochs}"
        self._progress.update(self._task, description=description)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._epoch_started
        self._rate = (self._feed.images - self._images_before) / seconds
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
        self.stop()

    def stop(self) -> None:
        """Removes the bar and shows the cursor again."""
        self._progress.stop()


@contextmanager
def bars_removed(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Stops the progress bars among callbacks in the end: after an error Keras does not."""
    try:
        yield
    finally:
        for callback in callbacks:
            if isinstance(callback, ShowProgress):
                callback.stop()
