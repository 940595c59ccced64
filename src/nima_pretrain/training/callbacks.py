"""What happens beside the training steps: logs, the best epoch, learning rates."""

import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.networks.optimizers import (
    learning_rates,
    scale_learning_rates,
    set_learning_rates,
    steps_of,
)

logger = logging.getLogger(__name__)

Logs = dict[str, float]


class LogLearningRates(keras.callbacks.Callback):
    """Puts the learning rates of the epoch into the logs, one entry for each name.

    Args:
        names: one for each part of the optimiser.
        frozen: names of the parts that are not trained now: their rate is 0. So all rows of
            `log.csv` have the same columns.
    """

    def __init__(self, names: Sequence[str], frozen: Sequence[str] = ()) -> None:
        super().__init__()
        self._names = names
        self._frozen = frozen

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        rates = learning_rates(self.model.optimizer)
        logs |= {**dict(zip(self._names, rates, strict=True)), **dict.fromkeys(self._frozen, 0.0)}


class ScheduleLearningRate(keras.callbacks.Callback):
    """Sets the learning rate at the beginning of every epoch.

    Args:
        rate_of: gives the rate of an epoch, counted from 0.
    """

    def __init__(self, rate_of: Callable[[int], float]) -> None:
        super().__init__()
        self._rate_of = rate_of

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        set_learning_rates(self.model.optimizer, [self._rate_of(epoch)])


class DecayWithSteps(keras.callbacks.Callback):
    """Divides the first learning rates by 1 + decay * steps, as Keras 2's old `decay` did.

    Args:
        rates: the first ones, one for each part of the optimiser.
        decay: a step.
    """

    def __init__(self, rates: Sequence[float], decay: float) -> None:
        super().__init__()
        self._rates = rates
        self._decay = decay

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        slower = 1 + self._decay * steps_of(optimizer)
        set_learning_rates(optimizer, [rate / slower for rate in self._rates])


class _Gains:
    """Counts the epochs since the validation loss has last gained.

    Args:
        min_delta: what counts as a gain.
    """

    def __init__(self, min_delta: float) -> None:
        self._min_delta = min_delta
        self._best = float("inf")
        self.epochs_without = 0

    def add(self, loss: float) -> None:
        """Takes the loss of one more epoch."""
        if loss < self._best - self._min_delta:
            self._best = loss
            self.epochs_without = 0
        else:
            self.epochs_without += 1


class ReduceOnPlateau(keras.callbacks.Callback):
    """Multiplies all learning rates when the validation loss has not gained for some epochs.

    Keras' own callback of this kind knows one learning rate only.

    Args:
        factor: of the rates.
        patience: epochs without gain.
        min_delta: least gain.
        losses: of the epochs before, where a training goes on.
    """

    def __init__(
        self, factor: float, patience: int, min_delta: float, losses: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self._factor = factor
        self._patience = patience
        self._gains = _Gains(min_delta)
        for loss in losses:
            self._is_plateau(loss)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        if self._is_plateau(logs["val_loss"]):
            scale_learning_rates(self.model.optimizer, self._factor)
            rates = ", ".join(f"{rate:.2g}" for rate in learning_rates(self.model.optimizer))
            logger.info("no gain for %d epochs: learning rates now %s", self._patience, rates)

    def _is_plateau(self, loss: float) -> bool:
        self._gains.add(loss)
        if self._gains.epochs_without < self._patience:
            return False
        self._gains.epochs_without = 0
        return True


class StopOnPlateau(keras.callbacks.Callback):
    """Ends training when the validation loss has not gained for some epochs.

    Args:
        patience: epochs without gain; None never ends.
        min_delta: least gain.
        losses: of the epochs before, where a training goes on.

    Attributes:
        is_over: whether it is time to end; with the epochs before alone it may be already.
    """

    def __init__(
        self, patience: int | None, min_delta: float, losses: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self._patience = patience
        self._gains = _Gains(min_delta)
        for loss in losses:
            self._gains.add(loss)

    @property
    def is_over(self) -> bool:
        return self._patience is not None and self._gains.epochs_without >= self._patience

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        self._gains.add(logs["val_loss"])
        self.model.stop_training = self.is_over


class KeepBest(keras.callbacks.Callback):
    """Saves the model of the epoch with the lowest validation loss.

    Attributes:
        epoch: of the best so far, from 1; 0 before the first.
        logs: of that epoch.
    """

    def __init__(
        self, save: Callable[[Logs], None], epoch: int = 0, logs: Logs | None = None
    ) -> None:
        super().__init__()
        self._save = save
        self.epoch = epoch
        self.logs = logs or {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        if logs["val_loss"] < self.logs.get("val_loss", float("inf")):
            self.epoch = epoch + 1
            self.logs = {name: float(value) for name, value in logs.items()}
            self._save(self.logs)

    def check(self) -> None:
        """To be called when training is over.

        Raises:
            InputError: no epoch had a finite loss.
        """
        if not self.logs:
            raise InputError(
                "Training diverged: no epoch had a finite validation loss. "
                "Lower the learning rates with --set, or start from other weights."
            )


class LogRows(keras.callbacks.Callback):
    """Writes `log.csv`, a row an epoch, whole after every epoch.

    What an earlier part of the training wrote stays, but for epochs that are trained again.
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
    """Returns the rows of a `log.csv`; none where there is no such file yet."""
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
