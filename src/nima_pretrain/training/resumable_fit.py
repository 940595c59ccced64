"""Resumable fitting: a resumed training gives the result of an uninterrupted one."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig, PretextConfig
from nima_pretrain.networks.workers import workers
from nima_pretrain.training.agreement import callbacks_of_workers
from nima_pretrain.training.callbacks import KeepBest, Logs, Plateau, StopOnPlateau
from nima_pretrain.training.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    Position,
    Stage,
    save_checkpoint,
)
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.progress_bar import bars_removed

logger = logging.getLogger(__name__)


def resumable_fit(
    model: keras.Model,
    training: Feed,
    checkpoints: "Checkpoints",
    *,
    epochs: int,
    steps: int | None = None,
    validation: Feed | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    stop: StopOnPlateau | None = None,
) -> None:
    """Trains a compiled model from the position of the checkpoints.

    An unfinished epoch is completed first.

    Args:
        model: compiled for the current stage.
        training: infinite batches, from the next one to train on.
        checkpoints: checkpoints of the run, with the current position.
        epochs: largest number of epochs, counted from the beginning of the run.
        steps: steps per epoch; None for those of the feed.
        validation: batches that are evaluated after every epoch, if any.
        callbacks: ordered callbacks; checkpoints are saved after all of them.
        stop: callback that ends training early; called after `callbacks`.
    """
    checkpoints.restore(model)
    steps = steps or training.steps
    start = checkpoints.position
    parts = [(start.epoch, start.epoch + 1, steps - start.step)] if start.step else []
    parts.append((start.epoch + len(parts), epochs, steps))
    watched: dict[str, Any] = {}
    if validation:
        watched = {"validation_data": validation.dataset, "validation_steps": validation.steps}
    for first_epoch, last_epoch, num_steps in parts:
        if first_epoch < last_epoch and not (stop and stop.is_over):
            with checkpoints.on_sigterm(), bars_removed(callbacks):
                model.fit(
                    training.dataset,
                    steps_per_epoch=num_steps,
                    initial_epoch=first_epoch,
                    epochs=last_epoch,
                    verbose=0,
                    callbacks=[
                        *callbacks_of_workers(),
                        *callbacks,
                        *([stop] if stop else []),
                        checkpoints,
                    ],
                    shuffle=False,
                    **watched,
                )


class Checkpoints(keras.callbacks.Callback):
    """A callback that saves checkpoints at intervals within an epoch and at its end.

    One object serves all stages of a run. SIGTERM, which `docker stop` and schedulers send, saves
    a checkpoint after the current step and ends the process, and all other workers with it.

    Args:
        run: the run directory.
        start: the initial position of this training.
        save: saves the model of the best epoch so far, given its logs.
        about: see `Checkpoint`.
        config: provides the interval `checkpoint_seconds`.
        resumed: the checkpoint from which training resumes, if any.

    Attributes:
        position: the current position.
        best: the callback that saves the best epoch; it must be called before this one.
    """

    def __init__(
        self,
        run: Path,
        start: Position,
        save: Callable[[Logs], None],
        *,
        about: dict[str, Any],
        config: FinetuneConfig | PretextConfig,
        resumed: Checkpoint | None = None,
    ) -> None:
        super().__init__()
        self.position = start
        self._path = run / CHECKPOINT
        self._began = time.monotonic() - start.seconds
        is_last = getattr(config, "kept_epoch", "best") == "last"
        self.best = KeepBest(save, start.best_epoch, start.best_logs, is_last)
        self._about = about
        self._every_seconds = config.checkpoint_seconds
        self._resumed = resumed
        self._is_to_end = False
        self._counters: dict[str, Plateau] = {}
        self._saved_counters = (resumed.counters if resumed else None) or {}

    @property
    def seconds(self) -> float:
        """Training time so far in seconds, summed over all parts of a resumed run."""
        return time.monotonic() - self._began

    def plateau(self, name: str, min_delta: float) -> Plateau:
        """Returns a plateau counter that is stored in the checkpoints.

        Args:
            name: name of the counter; a resumed training restores its state from the checkpoint.
            min_delta: smallest decrease of the loss that counts as an improvement.
        """
        state = self._saved_counters.get(name, {})
        self._counters[name] = Plateau(**{**state, "min_delta": min_delta})
        return self._counters[name]

    def enter(self, stage: Stage, *, epoch: int | None = None) -> None:
        """Starts another stage, with a new optimizer and new counters.

        Args:
            stage: the stage.
            epoch: number of its first epoch; None to continue counting.
        """
        epoch = self.position.epoch if epoch is None else epoch
        self.position = replace(self.position, stage=stage, epoch=epoch, stage_start=epoch, step=0)
        self._resumed = None
        self._counters, self._saved_counters = {}, {}

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Answers SIGTERM within a context, also if it ends with an error."""
        # Only the main thread of a program may handle signals.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._end_soon)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def restore(self, model: keras.Model) -> None:
        """Restores the state of a newly compiled model, if training resumes from a checkpoint."""
        if self._resumed:
            self._resumed.restore(model)

    def delete(self) -> None:
        """Removes the file: the run is finished."""
        self._path.unlink()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._resumed is None:
            self._save()
        self._last_saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        # Keras has just reset the metrics, which is wrong for a resumed epoch.
        if self.position.step:
            self.restore(self.model)
        self._resumed = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.position = replace(self.position, step=self.position.step + 1)
        is_last = batch + 1 == self.params["steps"]
        # Not after the last step: an epoch without steps left could not be resumed for validation.
        is_due = time.monotonic() - self._last_saved >= self._every_seconds
        self._is_to_end = workers().any(self._is_to_end)
        if not is_last and (is_due or self._is_to_end):
            self._save()
            self._end_if_asked()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.position = replace(
            self.position,
            epoch=epoch + 1,
            step=0,
            best_epoch=self.best.epoch,
            best_logs=self.best.logs,
        )
        self._is_to_end = workers().any(self._is_to_end)
        self._save()
        self._end_if_asked()

    def _end_soon(self, *_: object) -> None:
        self._is_to_end = True

    def _end_if_asked(self) -> None:
        if self._is_to_end:
            logger.info("stopped by SIGTERM; %s is saved, --resume goes on", self._path)
            raise SystemExit(128 + signal.SIGTERM)

    def _save(self) -> None:
        self.position = replace(self.position, seconds=self.seconds)
        counters = {name: asdict(counter) for name, counter in self._counters.items()}
        save_checkpoint(self._path, self.model, self.position, self._about, counters)
        self._last_saved = time.monotonic()
