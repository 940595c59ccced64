"""The programs of the folder are importable, and the bundled scorer is exported once."""

import sys
from pathlib import Path

import pytest

import nima_pretrain
from nima_pretrain.cli.startup import import_tensorflow

FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(FOLDER))


@pytest.fixture(scope="session")
def export(tmp_path_factory) -> Path:
    """An export of the bundled scorer to LiteRT."""
    import_tensorflow()
    folder = tmp_path_factory.mktemp("export") / "litert"
    nima_pretrain.export(None, folder, to="litert")
    return folder
