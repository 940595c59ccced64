"""NIMA: a backbone with a head that predicts the score distribution."""

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config import HeadName
from nima_pretrain.networks.layers import SeededDropout

# Units of the head "mlp"; its last layer before the distribution gives the aesthetic feature.
_MLP = (2048, 1024)
FEATURE_LAYER = "head_feature"


def build_nima(
    backbone: keras.Model,
    num_bins: int = 10,
    dropout: float = 0.75,
    seed: int = 0,
    head: HeadName = "dense",
) -> keras.Model:
    """Returns a model from photos (B, S, S, 3) uint8 RGB to score distributions (B, n) float32.

    Talebi and Milanfar (2018), with idealo's dropout.

    Args:
        backbone: from `build_backbone`; shared, not copied.
        num_bins: n, the number of bins of the ratings.
        dropout: rate before the last layer, 0 to below 1.
        seed: seed of dropout.
        head: "dense" is one layer; "mlp" normalizes the features and has two more layers, as for
            the students and teachers of `distill`.
    """
    distribution = attach_head(backbone.output, num_bins, dropout, seed, head)
    return keras.Model(backbone.input, distribution, name="nima")


def attach_head(
    features: tf.Tensor, num_bins: int, dropout: float, seed: int, head: HeadName
) -> tf.Tensor:
    """Returns distributions (B, n) float32 from features (B, F); see `build_nima`."""
    x = features
    if head == "mlp":
        hidden, feature = _MLP
        x = keras.layers.BatchNormalization(dtype="float32", name="head_norm")(x)
        x = keras.layers.Dense(hidden, "relu", dtype="float32", name="head_hidden")(x)
        x = keras.layers.Dense(feature, "relu", dtype="float32", name=FEATURE_LAYER)(x)
    x = SeededDropout(dropout, seed, name="head_dropout")(x)
    return keras.layers.Dense(num_bins, "softmax", dtype="float32", name="head")(x)


def head_of(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers of the head of a model from `build_nima`."""
    return [layer for layer in model.layers if layer.name.startswith("head")]


def start_from_mean(model: keras.Model, distribution: np.ndarray) -> None:
    """Initializes the head so that the model predicts one distribution for all photos.

    Random weights of the head are noise, which dropout amplifies fourfold. On AVA the noise
    vanishes within a small part of an epoch; on a few hundred photos it delays learning.

    Args:
        model: from `build_nima`.
        distribution: (n,) floats above 0 that sum to 1, e.g. the mean of the training ratings.
    """
    head = model.get_layer("head")
    kernel, _ = head.get_weights()
    head.set_weights([np.zeros_like(kernel), np.log(np.maximum(distribution, 1e-6))])
