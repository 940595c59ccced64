"""NIMA: a backbone and a head that predicts the distribution of scores."""

import keras
import numpy as np

from nima_pretrain.layers import SeededDropout


def build_nima(
    backbone: keras.Model, num_bins: int = 10, dropout: float = 0.75, seed: int = 0
) -> keras.Model:
    """Returns a model from photos (B, S, S, 3) uint8 to score distributions (B, n) float32.

    Talebi and Milanfar (2018), with idealo's dropout.

    Args:
        backbone: from `build_backbone`; it is trained in place.
        num_bins: n; the bins of the ratings.
        dropout: rate before the head.
        seed: of dropout.
    """
    x = SeededDropout(dropout, seed, name="head_dropout")(backbone.output)
    distribution = keras.layers.Dense(num_bins, "softmax", dtype="float32", name="head")(x)
    return keras.Model(backbone.input, distribution, name="nima")


def start_from_mean(model: keras.Model, distribution: np.ndarray) -> None:
    """Makes a new model predict one distribution for all photos, whatever the backbone says.

    Random weights of the head are noise that dropout makes four times as loud. On AVA it is gone
    after a small part of an epoch; on a few hundred photos learning begins where the noise ends.

    Args:
        model: from `build_nima`.
        distribution: (n,) floats above 0, e.g. the mean of the training ratings.
    """
    head = model.get_layer("head")
    kernel, _ = head.get_weights()
    head.set_weights([np.zeros_like(kernel), np.log(np.maximum(distribution, 1e-6))])
