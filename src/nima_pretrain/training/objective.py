"""Objectives of fine-tuning: examples with targets, and a loss."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.networks.emd import earth_movers_distance
from nima_pretrain.training.ratings_split import RatingsSplit


class Examples(NamedTuple):
    """N photos and their targets, (N, T) float32."""

    paths: tuple[Path, ...]
    targets: np.ndarray


class Objective(ABC):
    """Base class of objectives: examples, and a loss between their targets and a model's output.

    Attributes:
        training: training examples.
        validation: examples that choose the best epoch.
        about: its fields of `FinetuneResults`.
    """

    training: Examples
    validation: Examples
    about: dict[str, Any]

    @abstractmethod
    def model_of(self, nima: keras.Model) -> keras.Model:
        """Returns a model that shares the layers of a NIMA model and gives the loss's input."""

    @abstractmethod
    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            targets: (B, T) float32, rows of `Examples.targets`.
            output: output of the model from `model_of`.
        """


class LabelObjective(Objective):
    """The objective of plain fine-tuning: the earth mover's distance to the ratings."""

    def __init__(self, split: RatingsSplit) -> None:
        self.training, self.validation = (
            Examples(part.paths, part.distributions.astype(np.float32))
            for part in (split.training, split.validation)
        )
        self.about = {}

    def model_of(self, nima: keras.Model) -> keras.Model:
        return nima

    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        return earth_movers_distance(targets, output)
