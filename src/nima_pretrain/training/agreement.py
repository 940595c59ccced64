"""Things that all workers of a training have to agree on: batches, inputs, weights, decisions."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd

from nima_pretrain.config import Config
from nima_pretrain.errors import InputError
from nima_pretrain.networks.optimizers import state_of
from nima_pretrain.networks.workers import workers
from nima_pretrain.training.callbacks import Logs
from nima_pretrain.training.checkpoint import Position
from nima_pretrain.training.same_run import lasting_settings


def check_division(name: str, photos: int, images: int, chunk_size: int | None) -> None:
    """Checks that every worker gets a part of a batch.

    Args:
        name: the setting of the photos of a batch.
        photos: its value.
        images: number of images of such a batch, at least.
        chunk_size: largest number of images of a chunk; None for all.

    Raises:
        InputError: a worker would have no photo or no chunk.
    """
    count = workers().count
    if count == 1:
        return
    if photos < count:
        raise InputError(
            f"Expected at least one photo of a batch for each of {count} workers, received "
            f"{name}={photos}. Raise it, or use fewer workers."
        )
    chunks = -(-images // chunk_size) if chunk_size else 1
    if chunks < count:
        given = "null" if chunk_size is None else chunk_size
        raise InputError(
            f"Expected at least one chunk of a batch for each of {count} workers, received "
            f"chunk_size={given} for batches of {images} images. Set it to at most "
            f"{max(2, images // count)}. It is a part of the result, since batch-norm sees a "
            "chunk; the number of workers is not."
        )


def check_same_start(config: Config, data: pd.DataFrame, start: Position) -> None:
    """Checks that all workers have the same settings and data, and begin at the same position.

    Args:
        config: settings of this worker; those that do not affect results may differ.
        data: the photos of this worker, with their hashes and parts, but without its paths.
        start: the position from which training begins or resumes.

    Raises:
        InputError: workers differ; raised on all of them.
    """
    if workers().count == 1:
        return
    facts = {
        "settings": json.dumps(lasting_settings(config)),
        "photos or ratings": data.to_csv(),
        "position in the run": json.dumps(asdict(start)),
    }
    for what, text in facts.items():
        own = np.frombuffer(hashlib.sha256(text.encode(errors="surrogateescape")).digest(), "<i4")
        (of_chief,) = workers().of_chief([own])
        if workers().any(not np.array_equal(own, of_chief)):
            raise InputError(
                f"Expected the same {what} on all workers, received others on one of them. Start "
                "all of them with the same arguments and copies of the same files."
            )


class KeepTogether(keras.callbacks.Callback):
    """Gives all workers the chief's variables before every epoch, and its logs after it.

    The steps of all workers are the same computation. But on processors of different kinds its
    rounding may differ, and then a worker could stop an epoch before the others. To be called
    before all callbacks that read the logs.
    """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        state = state_of(self.model.optimizer, self.model.trainable_variables)
        values = [(variable, variable.numpy()) for variable in (*self.model.weights, *state)]
        # Whole numbers count steps, and differ for no processor.
        floats = [pair for pair in values if np.issubdtype(pair[1].dtype, np.floating)]
        of_chief = workers().of_chief([value for _, value in floats])
        for (variable, _), value in zip(floats, of_chief, strict=True):
            variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        values = workers().of_chief([np.array([logs[name] for name in logs], np.float64)])[0]
        logs.update(zip(list(logs), map(float, values), strict=True))


def callbacks_of_workers() -> list[Any]:
    """Returns the callbacks that come first in a training: none for a process alone."""
    return [KeepTogether()] if workers().count > 1 else []
