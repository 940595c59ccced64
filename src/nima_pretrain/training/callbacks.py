"""Keras callbacks: logs, the best epoch, learning rates, plateaus."""

import csv
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.networks.optimizers import learning_rates, scale_learning_rates

logger = logging.getLogger(__name__)

Logs = dict[str, float]


class LogLearningRates(keras.callbacks.Callback):
    """Adds the learning rates of the epoch to the logs, one entry per name.

    Args:
        names: one per part of the optimizer.
        frozen: names of frozen parts, whose rate is logged as 0, so that all rows of `log.csv`
            have the same columns.
    """

    def __init__(self, names: Sequence[str], frozen: Sequence[str] = ()) -> None:
        super().__init__()
        self._names = names
        self._frozen = frozen

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        rates = learning_rates(self.model.optimizer)
        logs |= {**dict(zip(self._names, rates, strict=True)), **dict.fromkeys(self._frozen, 0.0)}


class FollowSchedule(keras.callbacks.Callback):
    """Sets the learning rate before every step.

    Args:
        rate: from the number of epochs so far, fractions included, to a learning rate.
        steps: steps per epoch.
    """

    def __init__(self, rate: Callable[[float], float], steps: int) -> None:
        super().__init__()
        self._rate = rate
        self._steps = steps

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        optimizer.learning_rate.assign(self._rate(int(optimizer.iterations.numpy()) / self._steps))


@dataclass
class Plateau:
    """A counter of epochs since the last improvement of the validation loss.

    Attributes:
        min_delta: smallest decrease that counts as an improvement.
        best: the lowest loss so far; None before the first epoch.
        epochs_without: epochs since then.
    """

    min_delta: float
    best: float | None = None
    epochs_without: int = 0

    def add(self, loss: float) -> None:
        """Adds the validation loss of an epoch."""
        best = float("inf") if self.best is None else self.best
        if loss < best - self.min_delta:
            self.best = float(loss)
            self.epochs_without = 0
        else:
            self.epochs_without += 1


class ReduceOnPlateau(keras.callbacks.Callback):
    """Multiplies all learning rates when the validation loss has not improved for some epochs.

    Keras' own callback of this kind supports one learning rate only.

    Args:
        factor: factor of the rates.
        patience: epochs without improvement.
        plateau: the counter.
    """

    def __init__(self, factor: float, patience: int, plateau: Plateau) -> None:
        super().__init__()
        self._factor = factor
        self._patience = patience
        self._plateau = plateau

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        self._plateau.add(logs["val_loss"])
        if self._plateau.epochs_without < self._patience:
            return
        self._plateau.epochs_without = 0
        scale_learning_rates(self.model.optimizer, self._factor)
        rates = ", ".join(f"{rate:.2g}" for rate in learning_rates(self.model.optimizer))
        logger.info("no gain for %d epochs: learning rates now %s", self._patience, rates)


class StopOnPlateau(keras.callbacks.Callback):
    """Ends training when the validation loss has not improved for some epochs.

    Args:
        patience: epochs without improvement; None never ends.
        plateau: the counter.
    """

    def __init__(self, patience: int | None, plateau: Plateau) -> None:
        super().__init__()
        self._patience = patience
        self._plateau = plateau

    @property
    def is_over(self) -> bool:
        """True if training has to end; a resumed training may be over at its start."""
        return self._patience is not None and self._plateau.epochs_without >= self._patience

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        self._plateau.add(logs["val_loss"])
        self.model.stop_training = self.is_over


class KeepBest(keras.callbacks.Callback):
    """Saves the model of the epoch with the lowest validation loss, or that of the last epoch.

    Args:
        save: saves the model, given the logs of the epoch.
        epoch: see the attribute.
        logs: see the attribute.
        last: whether every epoch is saved, so that the last one remains.

    Attributes:
        epoch: the saved epoch, from 1; 0 before the first.
        logs: logs of that epoch.
    """

    def __init__(
        self,
        save: Callable[[Logs], None],
        epoch: int = 0,
        logs: Logs | None = None,
        last: bool = False,
    ) -> None:
        super().__init__()
        self._save = save
        self._last = last
        self.epoch = epoch
        self.logs = logs or {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        is_best = logs["val_loss"] < self.logs.get("val_loss", float("inf"))
        if is_best or (self._last and math.isfinite(logs["val_loss"])):
            self.epoch = epoch + 1
            self.logs = {name: float(value) for name, value in logs.items()}
            self._save(self.logs)

    def check(self) -> None:
        """Checks at the end of training that there is a best epoch.

        Raises:
            InputError: no epoch had a finite loss.
        """
        check_finite(self.logs.get("val_loss", math.nan))


def check_finite(loss: float) -> None:
    """Checks the validation loss of the epoch that a training keeps.

    Raises:
        InputError: it is not finite.
    """
    if not math.isfinite(loss):
        raise InputError(
            "Training diverged: expected a finite validation loss, received none. "
            "Lower the learning rates with --set, or start from other weights."
        )


class LogRows(keras.callbacks.Callback):
    """Writes `log.csv`, one row per epoch; the file is replaced after every epoch.

    Rows of an earlier part of a resumed training are kept, except for epochs that are repeated.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        rows: list[dict[str, Any]] = [
            row for row in read_log(self._file) if int(row["epoch"]) < epoch
        ]
        rows.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        with replacing(self._file) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]))
            writer.writeheader()
            writer.writerows(rows)


def read_log(file: Path) -> list[dict[str, str]]:
    """Returns the rows of a `log.csv`; none if the file does not exist."""
    if not file.exists():
        return []
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def log_files(run: Path) -> list[Any]:
    """Returns the callbacks that write `log.csv` and TensorBoard's events."""
    return [
        LogRows(run / "log.csv"),
        keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False, profile_batch=0),
    ]
