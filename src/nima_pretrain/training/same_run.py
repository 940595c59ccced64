"""A run resumes with the settings and photos that it was begun with."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.config import Config
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing

# Settings that do not affect the results of a run, in any of its stages.
_FREE_TO_CHANGE = ("num_workers", "checkpoint_seconds")


def check_same_run(path: Path, of_run: Config, asked: Config) -> None:
    """Checks that a run is resumed with the config that it was started with.

    Args:
        path: the run directory, for the error.
        of_run: config of the run.
        asked: requested config.

    Raises:
        InputError: settings differ; the message names them.
    """
    differences = [*_differences(lasting_settings(of_run), lasting_settings(asked))]
    if differences:
        raise InputError(
            f"The run {path} was begun with {', '.join(differences)}. Resume it with what it was "
            "begun with, or choose another --run."
        )


def stored_arrays(
    file: Path, photos: Sequence[str], compute: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Returns arrays that a run computes once, read from its file or computed and stored.

    Args:
        file: an npz file in the run directory.
        photos: sha256 of the photos that the arrays are of.
        compute: returns the arrays by name.

    Raises:
        InputError: the stored arrays are of other photos.
    """
    if file.is_file():
        with np.load(file, allow_pickle=False) as content:
            if content["photos"].tolist() != list(photos):
                raise InputError(
                    f"The photos are not those that {file.parent} was begun with. Put them back, "
                    "or begin a new run."
                )
            return {name: content[name] for name in content.files}
    arrays = compute()
    with replacing(file) as beside:
        np.savez(beside, photos=np.array(photos), **arrays)
    return arrays


def lasting_settings(config: Config) -> dict[str, Any]:
    """Returns the settings that affect the results of a run, those of its stages as dicts."""

    def lasting(content: dict[str, Any]) -> dict[str, Any]:
        return {
            key: lasting(value) if isinstance(value, dict) else value
            for key, value in content.items()
            if key not in _FREE_TO_CHANGE
        }

    return lasting(config.model_dump(mode="json"))


def _differences(before: dict[str, Any], now: dict[str, Any], stage: str = "") -> Iterator[str]:
    for key, value in now.items():
        if isinstance(before[key], dict) and isinstance(value, dict):
            yield from _differences(before[key], value, f"{stage}{key}.")
        elif value != before[key]:
            yield f"{stage}{key}={before[key]} (received {value})"
