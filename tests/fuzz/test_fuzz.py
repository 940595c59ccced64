"""Mutated files are read or refused, and never end the process; the long run is `make fuzz`."""

import subprocess
import sys

import pytest

from tests.fuzz.running import fuzz
from tests.fuzz.targets import TARGETS

INPUTS = {"ratings": 3000, "weights files": 300}


@pytest.mark.slow
@pytest.mark.parametrize("name", [kind.name for kind in TARGETS])
def test_mutated_files_are_read_or_refused_and_never_end_the_process(name):
    report = fuzz(name, INPUTS.get(name, 500))
    assert report.findings == []
    assert report.taken + report.refused == report.inputs
    assert min(report.taken, report.refused) > 0


SABOTAGE = """
import os, sys
from tests.fuzz import child, targets
inputs = 0
def read(self, content):
    global inputs
    inputs += 1
    if inputs == 4:
        raise KeyError("lost")
    if inputs == 6:
        os.kill(os.getpid(), 11)
targets.FileLists.read = read
child.main()
"""


def test_crashes_and_errors_are_found_with_their_input(monkeypatch):
    run = subprocess.run

    def sabotaged(command, **options):
        assert command[1:3] == ["-m", "tests.fuzz.child"]
        return run([sys.executable, "-c", SABOTAGE, *command[3:]], **options)

    monkeypatch.setattr(subprocess, "run", sabotaged)
    report = fuzz("file lists", 8)
    found = [(finding.place.split()[0], finding.number) for finding in report.findings]
    assert found == [("KeyError", 3), ("the", 5)]
    assert report.findings[1].place == "the process ended with SIGSEGV"
    assert report.taken == 6
