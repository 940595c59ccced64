"""The settings that a run keeps: it resumes with those that it was begun with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nima_pretrain.config import Config
from nima_pretrain.errors import InputError

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
