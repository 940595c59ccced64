"""Checkpoints: the complete state of a training in one file.

The file is written under another name and renamed, so a kill while writing leaves the previous
checkpoint.
"""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.networks.optimizers import state_of

CHECKPOINT = "checkpoint.npz"


class Stage(IntEnum):
    """Stages of a training."""

    HEADS = 0  # the heads alone, on a frozen backbone
    EVERYTHING = 1
    ORDER = 2  # fine-tuning alone


@dataclass(frozen=True)
class Position:
    """The progress of a training.

    Attributes:
        stage: the current stage.
        epoch: number of finished epochs.
        step: number of finished steps of the current epoch.
        stage_start: number of finished epochs at the start of the stage.
        best_epoch: the best epoch so far, from 1; 0 before the first.
        best_logs: logs of that epoch.
        seconds: training time so far.
    """

    stage: Stage = Stage.EVERYTHING
    epoch: int = 0
    step: int = 0
    stage_start: int = 0
    best_epoch: int = 0
    best_logs: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        position: the progress of the training.
        about: facts of the run for its results, as JSON values.
        counters: fields of every `Plateau` by name; None in a file of version 0.1, which had them
            in the log.
        variables: values of all variables of the training, in a fixed order.
    """

    position: Position
    about: dict[str, Any]
    counters: dict[str, dict[str, Any]] | None
    variables: tuple[np.ndarray, ...]

    def restore(self, model: keras.Model) -> None:
        """Restores weights, optimizer state and running metrics of a compiled model.

        Raises:
            InputError: the checkpoint does not fit the model.
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
    path: Path,
    model: keras.Model,
    position: Position,
    about: dict[str, Any],
    counters: dict[str, dict[str, Any]],
) -> None:
    """Writes a checkpoint as uncompressed `.npz`.

    Args:
        path: the file; an existing one is replaced.
        model: compiled.
        position: the progress of the training.
        about: see `Checkpoint`.
        counters: see `Checkpoint`.

    Raises:
        InputError: the file cannot be written.
    """
    values = {f"v{i}": variable.numpy() for i, variable in enumerate(_variables(model))}
    head = json.dumps({"position": asdict(position), "about": about, "counters": counters})
    # Through memory: if a write fails, NumPy leaves a file open that raises another error later.
    content = io.BytesIO()
    np.savez(content, head=np.array(head), **values)
    with replacing(path) as partial:
        partial.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Returns a checkpoint written by `save_checkpoint`.

    Raises:
        InputError: the file does not exist, or is not a checkpoint.
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
            stage = Stage(head["position"].pop("stage"))
            position = Position(stage, **head["position"])
            return Checkpoint(position, head["about"], head.get("counters"), values)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a checkpoint of this package: {error}") from None


def _variables(model: keras.Model) -> list[Any]:
    """Returns all variables that the rest of a training depends on, in a fixed order."""
    _build_metrics(model)
    state = state_of(model.optimizer, model.trainable_variables)
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [*model.weights, *state, *metrics]


def _build_metrics(model: keras.Model) -> None:
    """Creates the variables of a compiled model's metrics, as Keras does with the first batch."""
    if not model.loss:
        return
    if hasattr(model, "_compile_metrics"):  # Keras 3, which has the running loss already
        if model._compile_metrics is not None and not model._compile_metrics.built:
            model._compile_metrics.build(model.output, model.output)
        return
    if not model.compiled_loss.built:
        model.compiled_loss.build(model.output)
    if not model.compiled_metrics.built:
        model.compiled_metrics.build(model.output, model.output)
