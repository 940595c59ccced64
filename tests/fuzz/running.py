"""Runs of the fuzzing process, which begin anew after an input that ended it."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT


class Finding(NamedTuple):
    """A problem, and the first of the inputs that show it."""

    place: str
    problem: str
    number: int
    times: int = 1


class Report(NamedTuple):
    """The result of fuzzing a target."""

    inputs: int
    taken: int
    refused: int
    findings: list[Finding]


def fuzz(target: str, inputs: int, seed: int = 0) -> Report:
    """Returns what mutated files of one kind show, read in a process of its own.

    Args:
        target: name of a target.
        inputs: number of files.
        seed: of the mutations.
    """
    findings: dict[str, Finding] = {}
    taken = refused = first = 0

    def add(place: str, problem: str, number: int) -> None:
        times = findings[place].times + 1 if place in findings else 1
        earlier = findings.get(place, Finding(place, problem, number))
        findings[place] = earlier._replace(times=times)

    with tempfile.TemporaryDirectory() as folder:
        while first < inputs:
            numbers = map(str, (seed, first, inputs))
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.child", target, folder, *numbers],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
            )
            for line in done.stdout.splitlines():
                add(**json.loads(line))
            at = Path(folder, "at")
            if done.returncode > 0 or not at.exists():
                raise RuntimeError(f"fuzzing of {target} did not run: {done.stderr[-2000:]}")
            number, *counts = map(int, at.read_text().split())
            taken, refused = taken + counts[0], refused + counts[1]
            if done.returncode == 0:
                break
            how = signal.Signals(-done.returncode).name
            add(f"the process ended with {how}", done.stderr[-200:], number)
            first = number + 1
    return Report(inputs, taken, refused, list(findings.values()))
