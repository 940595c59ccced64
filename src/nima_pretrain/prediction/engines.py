"""The engines that compute a model's outputs: LiteRT, which is small and fast, and TensorFlow."""

import logging
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.weights.litert import has_litert, litert_path, load_litert
from nima_pretrain.weights.side_car import Card, NimaCard, PretextCard

logger = logging.getLogger(__name__)

EngineName = Literal["litert", "tensorflow"]
ENGINES: tuple[EngineName, ...] = ("litert", "tensorflow")


class Engine(Protocol):
    """A function from photos (B, S, S, 3) uint8 RGB to a model's outputs (B, n) float32.

    Attributes:
        network: size and fit of its input.
        scores_in_threads: whether several threads may call it at once; else it takes batches.
    """

    network: NetworkConfig
    scores_in_threads: bool

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        """Returns the outputs for photos."""

    def with_features(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs for photos, and the input of the last dense layer, (B, F) float32."""


def engine_for(weights: Path, side_car: Card, engine: str | None = None) -> EngineName:
    """Returns the name of the engine for weights.

    Args:
        weights: the weights file.
        side_car: its side-car.
        engine: the name wanted; None for LiteRT where the weights have a `.tflite` file and the
            package is installed, or else TensorFlow.

    Raises:
        InputError: the engine is unknown, or its package is missing.
    """
    if engine not in (None, *ENGINES):
        raise InputError(f"Expected --engine {' or '.join(ENGINES)}, received {engine!r}.")
    if engine == "litert" and not has_litert():
        raise InputError(
            "--engine litert needs the package ai-edge-litert: pip install ai-edge-litert."
        )
    has_file = side_car.litert is not None and litert_path(weights).is_file()
    if engine == "litert" or (engine is None and has_file and has_litert()):
        return "litert"
    return "tensorflow"


def load_engine(
    weights: Path, side_car: NimaCard | PretextCard, engine: str | None = None
) -> Engine:
    """Returns the outputs' function: distributions of a NIMA model, levels of a pretext model.

    Args:
        weights: see `engine_for`.
        side_car: see `engine_for`.
        engine: see `engine_for`.

    Raises:
        InputError: see `engine_for`, `load_litert` and `store.load_model`.
    """
    name = engine_for(weights, side_car, engine)
    if name == "litert":
        return load_litert(weights, side_car)
    if engine is None:
        missing = "no .tflite file beside it" if has_litert() else "no package ai-edge-litert"
        logger.info("%s is run by TensorFlow: there is %s", weights.name, missing)
    from nima_pretrain.networks.photo_model import PhotoModel
    from nima_pretrain.pretext.levels import levels_model
    from nima_pretrain.weights.store import load_model

    model = load_model(weights)
    if isinstance(side_car, PretextCard):
        return levels_model(model, side_car.network)
    return PhotoModel(model, side_car.network)
