"""What happens beside the training steps: logs, the best epoch, learning rates."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.errors import InputError
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

    Raises:
        InputError: at the end, when no epoch had a finite loss.
    """

    def __init__(self, save: Callable[[Logs], None]) -> None:
        super().__init__()
        self._save = save
        self.epoch = 0
        self.logs: Logs = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        if logs["val_loss"] < self.logs.get("val_loss", float("inf")):
            self.epoch = epoch + 1
            self.logs = {name: float(value) for name, value in logs.items()}
            self._save(self.logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.logs:
            raise InputError(
                "Training diverged: no epoch had a finite validation loss. "
                "Lower the learning rates with --set, or start from other weights."
            )


def log_files(run: Path) -> list[Any]:
    """Returns the callbacks that write `log.csv` and TensorBoard's events; they append."""
    return [
        keras.callbacks.CSVLogger(str(run / "log.csv"), append=True),
        keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False, profile_batch=0),
    ]
