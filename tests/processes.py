"""The program in processes of its own: run to its end, or watched until it is time to stop it."""

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
    """Returns what starts nima-pretrain in the environment of the tests."""
    return [str(Path(sys.executable).with_name("nima-pretrain")), *map(str, arguments)]


def finish(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(arguments, capture_output=True, text=True, check=False, **options)


def position_of(run: Path) -> Position | None:
    """How far a run has come, as far as it has saved that; read alone, to be quicker than it."""
    try:
        with np.load(run / "checkpoint.npz") as content:
            return Position(**json.loads(str(content["head"]))["position"])
    except FileNotFoundError:
        return None


def wait_until(process: subprocess.Popen[Any], reached: Callable[[], bool]) -> None:
    """Waits for what a process is to do, and fails if it ends before."""
    while not reached():
        assert process.poll() is None, f"ended with {process.returncode} before it was stopped"
        time.sleep(0.005)
