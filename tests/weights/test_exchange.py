"""Weights written by Keras 2 load in Keras 3 and the other way, and give the same scores."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.keras_files import IS_KERAS_3
from tests.weights import exchange


@pytest.fixture(scope="module")
def other_python() -> Path:
    """Python of the other environment; `make test-keras3` has both."""
    python = ROOT / (".venv" if IS_KERAS_3 else ".venv-keras3") / "bin" / "python"
    if not python.exists():
        pytest.skip("needs the environments of `make install` and `make install-keras3`")
    return python


def run(python, action, folder):
    return subprocess.run(
        [python, "-m", "tests.weights.exchange", action, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize("written_by_the_other", [False, True])
def test_weights_of_either_keras_load_in_the_other(tmp_path, other_python, written_by_the_other):
    folder = tmp_path / "weights"
    if written_by_the_other:
        run(other_python, "write", folder)
        apart = exchange.read(folder)
    else:
        exchange.write(folder)
        lines = run(other_python, "read", folder).splitlines()
        apart = {name: float(value) for name, value in (line.split("\t") for line in lines)}
    assert set(apart) == {"scores", "ranking", "levels", "features by keras.applications"}
    assert max(apart.values()) < 1e-4, apart
