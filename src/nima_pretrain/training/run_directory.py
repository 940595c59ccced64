"""The run directory: what was asked for, on which machine, and what came out."""

import logging
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nima_pretrain import __version__
from nima_pretrain.config import Config, load_config
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json, write_json

logger = logging.getLogger(__name__)

_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "imagecorruptions", "scikit-image")
_BEFORE_THE_FIRST_STEP = (
    "config.json",
    "environment.json",
    "unreadable.csv",
    "photos.csv",
    "ratings.csv",
    "lessons.npz",
    "teacher.json",
    "views.png",
    "tensorboard",
)
# What changes how a run goes, but not what comes out.
_FREE_TO_CHANGE = ("num_workers", "checkpoint_seconds")


def create_run(path: Path, config: Config, overwrite: bool = False) -> Path:
    """Creates a run directory with `config.json` and `environment.json`, and returns it.

    Args:
        path: where; parents are made.
        config: what will be run, all defaults filled in.
        overwrite: whether an earlier run at the same place is deleted first. One that ended
            before it began, with nothing but these files, is replaced without asking.

    Raises:
        InputError: something is there already and is not to be overwritten, or is not a run.
    """
    if _is_there(path):
        begun = any(file.name not in _BEFORE_THE_FIRST_STEP for file in path.iterdir())
        if begun and not overwrite:
            was_stopped = (path / "checkpoint.npz").is_file()
            raise InputError(
                f"The run {path} exists. Choose another --run, "
                + ("pass --resume to go on with it, " if was_stopped else "")
                + "or pass --overwrite to delete it."
            )
        shutil.rmtree(path)
    return _describe(path, config)


def enter_run(path: Path, config: Config) -> Path:
    """Creates a run directory, or goes into one that is there, for a config that may grow.

    Raises:
        InputError: something that is not a run is there.
    """
    _is_there(path)
    return _describe(path, config)


def check_same_run(path: Path, of_run: Config, asked: Config) -> None:
    """Makes sure that a run is resumed with the config that it was begun with.

    Raises:
        InputError: something differs; the message names it.
    """
    before, now = of_run.model_dump(mode="json"), asked.model_dump(mode="json")
    changed = [key for key in now if now[key] != before[key] and key not in _FREE_TO_CHANGE]
    if changed:
        differences = ", ".join(f"{key}={before[key]} (received {now[key]})" for key in changed)
        raise InputError(
            f"The run {path} was begun with {differences}. Resume it with what it was begun "
            "with, or choose another --run."
        )


def carry_on(
    path: Path,
    config: Config,
    begin: Callable[[], dict[str, Any]],
    go_on: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Returns the results of a run: those it has, or those of what is left of it, or of all of it.

    Args:
        path: the run directory; it may exist.
        config: of the run.
        begin: what to do in a new run directory.
        go_on: what to do in that of a run that was stopped.

    Raises:
        InputError: a run of another config is there.
    """
    was_begun = (path / "config.json").is_file()
    has_results = was_begun and (path / "results.json").is_file()
    can_go_on = was_begun and (path / "checkpoint.npz").is_file()
    if has_results or can_go_on:
        check_same_run(path, load_config(type(config), path / "config.json"), config)
    if has_results:
        return dict(read_json(path / "results.json", "results"))
    if can_go_on:
        return go_on()
    create_run(path, config, overwrite=was_begun)
    return begin()


def _is_there(path: Path) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    if not (path / "environment.json").is_file():
        raise InputError(
            f"Expected a new folder for the run, but {path} exists and is not a run. "
            "Choose another --run."
        )
    return True


def _describe(path: Path, config: Config) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "environment.json", _environment())
    write_json(path / "config.json", config.model_dump(mode="json"))
    return path


def _environment() -> dict[str, object]:
    return {
        "nima_pretrain": __version__,
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
