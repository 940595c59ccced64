"""One part of a fine-tuning, the head alone or everything: compiled, fitted, and kept resumable."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.training.callbacks import KeepBest, LogLearningRates, StopOnPlateau, log_files
from nima_pretrain.training.checkpoint import (
    Checkpoint,
    Position,
    SaveCheckpoints,
    fit_what_is_left,
)
from nima_pretrain.training.feed import Feed
from nima_pretrain.training.objective import Objective
from nima_pretrain.training.show_progress import ShowProgress

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class PartFit:
    """What both parts of a training share.

    Attributes:
        model: whose output the objective takes.
        objective: gives the loss.
        training: endless batches.
        validation: the same.
        best: keeps the best epoch.
        run: where logs and the checkpoint go.
        config: of the training.
        about: what a checkpoint keeps beside the position.
    """

    model: keras.Model
    objective: Objective
    training: Feed
    validation: Feed
    best: KeepBest
    run: Path
    config: FinetuneConfig
    about: dict[str, Any]

    def part(
        self,
        optimizer: keras.optimizers.Optimizer,
        rates: LogLearningRates,
        stop: StopOnPlateau,
        start: Position,
        epochs: int,
        checkpoint: Checkpoint | None,
        *more: keras.callbacks.Callback,
    ) -> Position:
        """Trains one part from a position, and returns the position at its end."""
        # Compiling makes a new train function: one traced while the backbone was frozen would
        # keep it frozen, without a message.
        self.model.compile(optimizer, loss=self.objective.loss)
        if checkpoint:
            checkpoint.restore(self.model)
        save = SaveCheckpoints(
            self.run / CHECKPOINT,
            start,
            self.about,
            self.config.checkpoint_seconds,
            self.best,
            checkpoint,
        )
        columns = ("loss", "val_loss")
        callbacks = [
            rates,
            ShowProgress(self.training, self.config.epochs, 1, columns),
            *log_files(self.run),
            self.best,
            *more,
            stop,
            save,
        ]

        def fit(epoch: int, epochs: int, steps: int) -> None:
            if epoch < epochs and not stop.is_over:
                self.model.fit(
                    self.training.dataset,
                    steps_per_epoch=steps,
                    validation_data=self.validation.dataset,
                    validation_steps=self.validation.steps,
                    initial_epoch=epoch,
                    epochs=epochs,
                    verbose=0,
                    callbacks=callbacks,
                    shuffle=False,
                )

        fit_what_is_left(start, epochs, self.training.steps, fit)
        return save.position
