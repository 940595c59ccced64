"""The program in processes of its own: run to the end, or watched until it is to be stopped."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.training.checkpoint import Position


def program(*arguments: object) -> list[str]:
    """Returns a command of nima-pretrain in the environment of the tests."""
    return [str(Path(sys.executable).with_name("nima-pretrain")), *map(str, arguments)]


def finish(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(arguments, capture_output=True, text=True, check=False, **options)


def position_of(run: Path) -> Position | None:
    """Returns the saved position of a run, read without the weights, to be faster than the run."""
    try:
        with np.load(run / "checkpoint.npz") as content:
            return Position(**json.loads(str(content["head"]))["position"])
    except FileNotFoundError:
        return None


def wait_until(process: subprocess.Popen[Any], reached: Callable[[], bool]) -> None:
    """Waits until a process has reached something, and fails if it ends before."""
    while not reached():
        assert process.poll() is None, f"ended with {process.returncode} before it was stopped"
        time.sleep(0.005)
