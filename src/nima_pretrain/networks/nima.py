"""NIMA: a backbone and a head that predicts the distribution of scores."""

import keras

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
