"""The run directory: config, environment, checkpoints and results of a run."""

import inspect
import logging
import os
import platform
import shutil
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from nima_pretrain import __version__
from nima_pretrain.config import AnyConfig, Config, load_config
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.results import RESULTS, Results
from nima_pretrain.files import ORPHAN, write_json
from nima_pretrain.locks import locked
from nima_pretrain.training.checkpoint import CHECKPOINT
from nima_pretrain.training.same_run import check_same_run

logger = logging.getLogger(__name__)

AnyResults = TypeVar("AnyResults", bound=Results)
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

CONFIG = "config.json"
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


def holding_run(function: AnyFunction) -> AnyFunction:
    """Returns a function that keeps other processes out of its argument `run` while it works.

    Raises:
        InputError: another process works on the same run; raised by the returned function.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def holding(*arguments: Any, **keywords: Any) -> Any:
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        with locked(Path(bound.arguments["run"]), "--run"):
            return function(*arguments, **keywords)

    return cast(AnyFunction, holding)


def create_run(path: Path, config: Config, overwrite: bool = False) -> Path:
    """Creates a run directory with `config.json` and `environment.json`, and returns it.

    Args:
        path: the directory; parents are created.
        config: config of the run, all defaults filled in.
        overwrite: whether an existing run is deleted first. A run that ended before its first step
            is always replaced.

    Raises:
        InputError: the run exists and is not to be overwritten, or the folder is not a run.
    """
    check_replaceable(path, overwrite)
    if _is_there(path):
        try:
            shutil.rmtree(path)
        except OSError as error:  # as of a link to a folder
            raise InputError(
                f"Cannot delete the run {path}: {error.strerror or error}. Choose another --run."
            ) from None
    return _describe(path, config)


def check_replaceable(path: Path, overwrite: bool) -> None:
    """Checks that a run may be created in a folder, and changes nothing.

    Raises:
        InputError: see `create_run`.
    """
    if _is_there(path) and _has_begun(path) and not overwrite:
        was_stopped = (path / CHECKPOINT).is_file()
        raise InputError(
            f"The run {path} exists. Choose another --run, "
            + ("pass --resume to go on with it, " if was_stopped else "")
            + "or pass --overwrite to delete it."
        )


def enter_run(path: Path, config: Config) -> Path:
    """Creates a run directory or reuses an existing one, and returns it; the config may change.

    Raises:
        InputError: the folder exists and is not a run.
    """
    _is_there(path)
    return _describe(path, config)


def goes_on(run: Path, resume: bool) -> bool:
    """Returns True if a training goes on from a checkpoint, False if it begins.

    A run that was stopped before its first checkpoint begins anew.

    Args:
        run: the run directory.
        resume: whether the run is to be resumed.
    """
    was_described = (run / CONFIG).is_file()
    if not resume or not was_described or (run / CHECKPOINT).is_file() or _has_begun(run):
        return resume
    logger.info("%s was stopped before its first checkpoint: it begins anew", run)
    return False


def check_run(run: Path, config: Config, *, overwrite: bool, resume: bool) -> None:
    """Checks what `open_run` does, and changes nothing.

    A training does this first, then finds photos, ratings and weights that fit, and opens its run
    last: no run is deleted for one that cannot begin. Photos are decoded after that.

    Raises:
        InputError: see `open_run`.
    """
    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")
    if resume:
        check_same_run(run, config_of_run(run, type(config)), config)
    else:
        check_replaceable(run, overwrite)


def open_run(run: Path, config: Config, *, overwrite: bool = False, resume: bool = False) -> None:
    """Creates a new run directory, or checks the config of a resumed run.

    Args:
        run: the run directory.
        config: config of the run.
        overwrite: see `create_run`.
        resume: whether an existing run is resumed.

    Raises:
        InputError: see `create_run` and `check_same_run`; or `overwrite` and `resume` are both
            given.
    """
    check_run(run, config, overwrite=overwrite, resume=resume)
    if not resume:
        create_run(run, config, overwrite)


def carry_on(
    run: Path, config: Config, results: type[AnyResults], stage: Callable[..., AnyResults]
) -> AnyResults:
    """Returns the results of a run, which is read if finished, resumed if stopped, or else started.

    Args:
        run: the run directory; it may exist.
        config: config of the run.
        results: class of the results.
        stage: the function to run, with the keywords `run`, `config`, `overwrite` and `resume`.

    Raises:
        InputError: a run with another config exists.
    """
    was_begun = (run / CONFIG).is_file()
    if was_begun and (run / RESULTS).is_file():
        check_same_run(run, config_of_run(run, type(config)), config)
        return results.read(run)
    can_go_on = was_begun and (run / CHECKPOINT).is_file()
    has_failed = was_begun and not can_go_on
    return stage(run=run, config=config, overwrite=has_failed, resume=can_go_on)


def config_of_run(run: Path, kind: type[AnyConfig]) -> AnyConfig:
    """Returns the config that a run was started with.

    Raises:
        InputError: there is no such run, or it is of another kind.
    """
    return load_config(kind, run / CONFIG)


def _has_begun(run: Path) -> bool:
    """Returns True if a run has more files than those before its first step."""
    names = {file.name for file in run.iterdir()} - set(_BEFORE_THE_FIRST_STEP)
    return not all(ORPHAN.match(name) for name in names)


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
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the run {path}: {error.strerror}. Choose another --run."
        ) from None
    write_json(path / "environment.json", _environment())
    write_json(path / CONFIG, config.model_dump(mode="json"))
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
