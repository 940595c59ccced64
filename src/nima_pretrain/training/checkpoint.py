"""Where a training stands, in one file: enough to go on as if it had never stopped.

One file, written beside and renamed: a process that is killed while writing leaves the one before.
"""

import io
import json
import logging
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.networks.optimizers import state_of
from nima_pretrain.training.callbacks import KeepBest, Logs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """How far a training has come.

    Attributes:
        stage: 0 while the heads warm up on a frozen backbone, then 1.
        epoch: finished epochs of this stage.
        step: finished steps of the epoch after these.
        best_epoch: the best so far, from 1; 0 before the first.
        best_logs: of that epoch.
        seconds: that training has taken so far.
    """

    stage: int = 1
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_logs: Logs = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        position: how far the training had come.
        about: what was saved with it, as JSON knows it.
        variables: values of all variables of the training, in their order.
    """

    position: Position
    about: dict[str, Any]
    variables: tuple[np.ndarray, ...]

    def restore(self, model: keras.Model) -> None:
        """Gives a compiled model its weights, optimiser state and running metrics back.

        Raises:
            InputError: the model is another one than was saved.
        """
        variables = _variables(model)
        expected = [tuple(variable.shape) for variable in variables]
        if expected != [value.shape for value in self.variables]:
            raise InputError(
                "The checkpoint does not fit the model: it was saved by another version of "
                "this package. Begin a new run."
            )
        for variable, value in zip(variables, self.variables, strict=True):
            variable.assign(value)


def save_checkpoint(
    path: Path, model: keras.Model, position: Position, about: dict[str, Any]
) -> None:
    """Writes all that the rest of a training depends on: `.npz`, uncompressed.

    Args:
        path: of the file; one that is there is replaced.
        model: compiled.
        position: how far the training has come.
        about: anything that JSON knows; kept as it is.
    """
    values = {f"v{i}": variable.numpy() for i, variable in enumerate(_variables(model))}
    head = json.dumps({"position": asdict(position), "about": about})
    # Through memory: what NumPy leaves open when a write fails complains later, on its own.
    content = io.BytesIO()
    np.savez(content, head=np.array(head), **values)
    with replacing(path) as partial:
        partial.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Returns what `save_checkpoint` wrote.

    Raises:
        InputError: there is no such file, or it is something else.
    """
    if not path.is_file():
        raise InputError(
            f"Nothing to resume: {path} does not exist. Either the run has finished, or it ended "
            "before its first step; then start it without --resume."
        )
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            values = tuple(file[f"v{i}"] for i in range(len(file.files) - 1))
            return Checkpoint(Position(**head["position"]), head["about"], values)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a checkpoint of this package: {error}") from None


def fit_what_is_left(
    start: Position, epochs: int, steps: int, fit: Callable[[int, int, int], None]
) -> None:
    """Calls fit(first epoch, last epoch, steps of an epoch): first for an epoch that had begun.

    Args:
        start: where training goes on.
        epochs: of the whole.
        steps: of a whole epoch.
        fit: trains from an epoch up to another one.
    """
    first = start.epoch
    if start.step:
        fit(first, first + 1, steps - start.step)
        first += 1
    fit(first, epochs, steps)


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves where training stands, now and then within an epoch, and at its end.

    It has to be the last callback, so that what the others do at the end of an epoch is included.
    SIGTERM, with which `docker stop` and schedulers announce the end, saves after the step that is
    under way and ends the process.

    Args:
        path: of the file.
        start: where this training begins; running metrics of an epoch begun are restored there.
        about: see `save_checkpoint`.
        every_seconds: how often within an epoch.
        best: the best epoch, which is remembered too.
        restored: the checkpoint that this training goes on from, if any.

    Attributes:
        position: where training stands now.
    """

    def __init__(
        self,
        path: Path,
        start: Position,
        about: dict[str, Any],
        every_seconds: float,
        best: KeepBest,
        restored: Checkpoint | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self.position = start
        self._began = time.monotonic() - start.seconds
        self._about = about
        self._every_seconds = every_seconds
        self._best = best
        self._restored = restored

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._restored is None:
            self._save()
        self._last_saved = time.monotonic()
        self._is_to_end = False
        # Only the first thread of a program may answer signals.
        if threading.current_thread() is threading.main_thread():
            self._answer_before = signal.signal(signal.SIGTERM, self._end_soon)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._answer_before)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        # Keras has just set the metrics to zero: right, unless the epoch had begun.
        if self._restored and self.position.step:
            self._restored.restore(self.model)
        self._restored = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.position = replace(self.position, step=self.position.step + 1)
        is_last = batch + 1 == self.params["steps"]
        # After the last step comes validation; an epoch without steps left could not be begun.
        is_due = time.monotonic() - self._last_saved >= self._every_seconds
        if not is_last and (is_due or self._is_to_end):
            self._save()
            self._end_if_asked()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.position = replace(
            self.position,
            epoch=epoch + 1,
            step=0,
            best_epoch=self._best.epoch,
            best_logs=self._best.logs,
        )
        self._save()
        self._end_if_asked()

    def _end_soon(self, *_: object) -> None:
        self._is_to_end = True

    def _end_if_asked(self) -> None:
        if self._is_to_end:
            logger.info("stopped by SIGTERM; %s is saved, --resume goes on", self._path)
            raise SystemExit(128 + signal.SIGTERM)

    def _save(self) -> None:
        self.position = replace(self.position, seconds=time.monotonic() - self._began)
        save_checkpoint(self._path, self.model, self.position, self._about)
        self._last_saved = time.monotonic()


def _variables(model: keras.Model) -> list[Any]:
    """All variables that the rest of a training depends on, in an order that does not change."""
    if not model.metrics:
        # Keras 2 makes the running loss when it sees the first batch; Keras 3 has it by now.
        model.compiled_loss.build(model.output)
    state = state_of(model.optimizer, model.trainable_variables)
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [*model.weights, *state, *metrics]
