"""A pretext method of one's own: is the photograph upside down?

python examples/custom_method.py PHOTOS runs/upside_down
"""

from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import typer

import nima_pretrain
from nima_pretrain.config import PretextConfig
from nima_pretrain.distortions import SquareViews
from nima_pretrain.distortions.geometry import quarter_turns
from nima_pretrain.networks.optimizers import adam
from nima_pretrain.pretext.loss_layers import LossLayer
from nima_pretrain.pretext.method import Method, Progress
from nima_pretrain.pretext.methods import METHODS
from nima_pretrain.pretext.model import Inputs, Predictions


class UpsideDownConfig(PretextConfig):
    """Settings; those of every method are inherited."""

    method: Literal["upside_down"] = "upside_down"
    photos_per_batch: int = 4
    learning_rate: float = 3e-4


def half_turns(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a square of the photo upright and upside down, (2, size, size, 3) uint8."""
    return quarter_turns(photo, size, rng)[[0, 2]]


class UpsideDownLoss(LossLayer):
    """Ends the head: logits (B, 2) -> the same; cross-entropy of telling which view is turned."""

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        turned = tf.broadcast_to([0.0, 1.0], tf.shape(logits))
        losses = tf.nn.sigmoid_cross_entropy_with_logits(turned, logits)
        self.add_loss(tf.reduce_mean(losses))
        return logits


class UpsideDown(Method[UpsideDownConfig]):
    """Tells photographs from those that are upside down."""

    name = "upside_down"
    config_class = UpsideDownConfig
    progress = Progress("loss", "cross-entropy")
    views = SquareViews("half turns", ("upright", "turned"), half_turns)

    def heads(self, inputs: Inputs) -> Predictions:
        logits = keras.layers.Dense(1, dtype="float32", name="turned")(inputs["features"])
        logits = keras.layers.Reshape((2,))(logits)
        return {self.name: UpsideDownLoss(name=self.name)(logits)}

    def optimizer(self) -> keras.optimizers.Optimizer:
        return adam(self.learning_rate(0), self.config.weight_decay)

    def learning_rate(self, epoch: float) -> float:
        return self.config.learning_rate


METHODS[UpsideDown.name] = UpsideDown


def main(photos: Path, run: Path, base_weights: str = "imagenet", epochs: int = 5) -> None:
    """Pretrains by this method; `backbone.h5` in the run is a start for fine-tuning."""
    config = UpsideDownConfig(width=0.35, input_size=64, epochs=epochs, num_workers=0)
    results = nima_pretrain.pretrain(photos, run, config=config, base_weights=base_weights)
    print(f"validation loss: {results.metrics['val_loss']:.3f} (guessing: 0.693)")


if __name__ == "__main__":
    typer.run(main)
