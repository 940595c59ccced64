"""What fine-tuning pulls a NIMA model towards."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.losses import earth_movers_distance
from nima_pretrain.training.ratings_split import Parts


class Examples(NamedTuple):
    """Photos, and a row of targets for each: (N, T) float32."""

    paths: tuple[Path, ...]
    targets: np.ndarray


class Objective(ABC):
    """Examples, and a loss that compares their targets with what a model says.

    Attributes:
        training: what is learned from.
        validation: what the epoch is chosen by.
        about: what `results.json` says of it.
    """

    training: Examples
    validation: Examples
    about: dict[str, Any]

    @abstractmethod
    def model_of(self, nima: keras.Model) -> keras.Model:
        """Returns a model with the weights of a NIMA model, whose output the loss takes."""

    @abstractmethod
    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """Returns a scalar."""


class LabelObjective(Objective):
    """The earth mover's distance to the ratings' distributions."""

    def __init__(self, parts: Parts) -> None:
        self.training, self.validation = (
            Examples(part.paths, part.distributions.astype(np.float32))
            for part in (parts.training, parts.validation)
        )
        self.about = {}

    def model_of(self, nima: keras.Model) -> keras.Model:
        return nima

    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return earth_movers_distance(targets, output)
