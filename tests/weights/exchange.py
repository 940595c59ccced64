"""Weights of every kind, and outputs of their models; a program for test_exchange.py.

python -m tests.weights.exchange write FOLDER   makes models, saves them, and what they say
python -m tests.weights.exchange read FOLDER    loads them, and prints how far it is from that
"""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import get_bank
from nima_pretrain.metrics import mean_score
from nima_pretrain.networks import build_backbone, build_nima, build_pretext_model, load_model
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, PretextCard, ScaleConfig
from nima_pretrain.weights.store import save_weights

_SIZE = 32
_NETWORK = NetworkConfig(width=0.35, input_size=_SIZE)
_BANK = get_bank("paper")
_TASKS = ("ranking", "regression")
_RNG = np.random.default_rng(0)
_PHOTOS = _RNG.integers(0, 256, (4, _SIZE, _SIZE, 3), np.uint8)
_VIEWS = _RNG.integers(0, 256, (1, _BANK.num_views, _SIZE, _SIZE, 3), np.uint8)


def write(folder: Path) -> None:
    """Saves models of all kinds, with random weights, and their outputs."""
    folder.mkdir()
    keras.utils.set_random_seed(0)
    backbone = build_backbone(input_size=_SIZE, width=_NETWORK.width)
    _make_lively(backbone)
    nima, pretext = build_nima(backbone, 10), build_pretext_model(backbone, _BANK, _TASKS)
    scale = ScaleConfig(bins=10, low=1, high=10)
    save_weights(backbone, folder / "backbone.h5", BackboneCard(network=_NETWORK))
    save_weights(nima, folder / "nima.h5", NimaCard(network=_NETWORK, scale=scale))
    card = PretextCard(network=_NETWORK, bank=_BANK.name, view_names=_BANK.view_names, tasks=_TASKS)
    save_weights(pretext, folder / "pretext.h5", card)
    np.savez(folder / "said.npz", **_said(folder, lambda name: {"nima": nima}.get(name, pretext)))


def read(folder: Path) -> dict[str, float]:
    """Returns the largest difference of each output of these models here."""
    said = _said(folder, lambda name: load_model(folder / f"{name}.h5"))
    with np.load(folder / "said.npz") as expected:
        return {name: float(np.abs(said[name] - expected[name]).max()) for name in expected.files}


def _said(folder: Path, model_called: Callable[[str], keras.Model]) -> dict[str, np.ndarray]:
    plain = keras.applications.MobileNetV2(
        input_shape=(_SIZE, _SIZE, 3),
        alpha=_NETWORK.width,
        include_top=False,
        pooling="avg",
        weights=str(folder / "backbone.h5"),
    )
    distributions = model_called("nima")(_PHOTOS, training=False).numpy()
    of_views = model_called("pretext")(_VIEWS, training=False)
    return {
        "scores": mean_score(distributions, ScoreScale(10, 1, 10).scores),
        "ranking": of_views["ranking"].numpy(),
        "levels": of_views["regression"].numpy(),
        "features by keras.applications": plain(_PHOTOS / 127.5 - 1, training=False).numpy(),
    }


def _make_lively(backbone: keras.Model) -> None:
    """Gives batch-norm statistics that are neither 0 nor 1, as training would."""
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, offset, mean, variance = (
                _RNG.normal(at, 0.1, value.shape)
                for at, value in zip((1, 0, 0, 0.5), layer.get_weights(), strict=True)
            )
            layer.set_weights([scale, offset, mean, np.abs(variance)])


if __name__ == "__main__":
    action, where = sys.argv[1:]
    if action == "write":
        write(Path(where))
    else:
        for difference in read(Path(where)).items():
            print(*difference, sep="\t")
