"""What happens beside the training steps: logs, the best epoch, learning rates."""

import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.training.optimizers import learning_rates, scale_learning_rates

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


class DecayLearningRate(keras.callbacks.Callback):
    """Multiplies the learning rates after every epoch."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        scale_learning_rates(self.model.optimizer, self._factor)


class ReduceOnPlateau(keras.callbacks.Callback):
    """Multiplies all learning rates when the validation loss has not gained for some epochs.

    Keras' own callback of this kind knows one learning rate only.
    """

    def __init__(self, factor: float, patience: int, min_delta: float) -> None:
        super().__init__()
        self._factor = factor
        self._patience = patience
        self._min_delta = min_delta
        self._best = float("inf")
        self._epochs_without_gain = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        if logs["val_loss"] < self._best - self._min_delta:
            self._best = logs["val_loss"]
            self._epochs_without_gain = 0
            return
        self._epochs_without_gain += 1
        if self._epochs_without_gain >= self._patience:
            self._epochs_without_gain = 0
            scale_learning_rates(self.model.optimizer, self._factor)
            rates = ", ".join(f"{rate:.2g}" for rate in learning_rates(self.model.optimizer))
            logger.info("no gain for %d epochs: learning rates now %s", self._patience, rates)


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
        rows: list[dict[str, Any]] = []
        if self._file.exists():
            with self._file.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
        rows.append({"epoch": epoch, **{name: float(value) for name, value in logs.items()}})
        with replacing(self._file) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]))
            writer.writeheader()
            writer.writerows(rows)


def log_files(run: Path) -> list[Any]:
    """Returns the callbacks that write `log.csv` and TensorBoard's events."""
    return [
        LogRows(run / "log.csv"),
        keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False, profile_batch=0),
    ]
