"""The earth mover's distance between score distributions, the loss of NIMA."""

import tensorflow as tf


def earth_movers_distance(y_true: tf.Tensor, y_pred: tf.Tensor, r: float = 2.0) -> tf.Tensor:
    """Returns the earth mover's distance between score distributions, a float32 scalar.

    (mean over bins of |CDF difference|^r)^(1/r) for each photo, averaged over the photos (Talebi
    and Milanfar 2018, equation 1). The code published with Pfister, Kobs and Hotho (2021) takes
    one root over the whole batch instead; we do not.

    Args:
        y_true: (B, n) floats, rows sum to 1.
        y_pred: (B, n) floats, rows sum to 1.
        r: 2 for training, as in NIMA; 1 is the plain distance.
    """
    return tf.reduce_mean(distances_by_photo(y_true, y_pred, r))


def distances_by_photo(y_true: tf.Tensor, y_pred: tf.Tensor, r: float = 2.0) -> tf.Tensor:
    """Returns the earth mover's distance of each photo, (B,) float32; arguments as above."""
    difference = tf.cumsum(tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32), axis=-1)
    mean = tf.reduce_mean(tf.abs(difference) ** r, axis=-1)
    # The gradient of the root is infinite at 0. With this bound, an exact prediction has none.
    return tf.maximum(mean, 1e-12) ** (1 / r)
