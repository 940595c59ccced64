"""A small scorer and its exports, each written once."""

from pathlib import Path

import pytest

import nima_pretrain
from nima_pretrain.config import NetworkConfig
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory, lively_nima) -> Path:
    """A small NIMA model, letterbox, that tells photographs apart."""
    path = tmp_path_factory.mktemp("weights") / "nima.h5"
    network = NetworkConfig(width=0.35, input_size=32)
    save_weights(
        lively_nima, path, NimaCard(network=network, scale=ScaleConfig(bins=5, low=1, high=5))
    )
    return path


@pytest.fixture(scope="session")
def exported(tmp_path_factory, weights):
    """A function that returns the folder of a float32 export of the small scorer."""
    folder = tmp_path_factory.mktemp("exports")

    def write(to: str) -> Path:
        if not (folder / to).exists():
            nima_pretrain.export(weights, folder / to, to=to)
        return folder / to

    return write
