"""The objective of a student: labels, and a teacher's feature and prediction."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.networks.emd import distances_by_photo
from nima_pretrain.networks.nima import FEATURE_LAYER
from nima_pretrain.training.objective import Examples, Objective
from nima_pretrain.training.ratings_split import RatingsSplit


class TeacherBatch(NamedTuple):
    """Outputs of a teacher for a batch.

    Attributes:
        prediction: (B, n) floats, p_T; rows sum to 1.
        feature: (B, d) floats, f_T.
        weights: (B, 3) floats, of labels, feature and prediction; 0 for a missing one.
    """

    prediction: tf.Tensor
    feature: tf.Tensor
    weights: tf.Tensor


class TeacherOutputs(NamedTuple):
    """Outputs of a teacher for all photos: the training photos, then those without ratings.

    Attributes:
        predictions: (N, n) float32, p_T; rows sum to 1.
        features: (N, d) float32, f_T.
    """

    predictions: np.ndarray
    features: np.ndarray


class DistillationObjective(Objective):
    """The objective of distillation; a row of targets is y, p_T, f_T and three weights.

    Args:
        split: the rated photos.
        teacher: outputs of the teacher.
        unlabelled: photos without ratings, which do not enter the labels' term.
        feature_weight: a.
        prediction_weight: b.
        about: fields of `results.json` on the teacher.
    """

    def __init__(
        self,
        split: RatingsSplit,
        teacher: TeacherOutputs,
        unlabelled: tuple[Path, ...],
        feature_weight: float,
        prediction_weight: float,
        about: dict[str, Any],
    ) -> None:
        rated = split.training.distributions
        labels = np.zeros_like(teacher.predictions)
        labels[: len(rated)] = rated
        has_label = np.arange(len(labels)) < len(rated)
        weights = np.tile([1.0, feature_weight, prediction_weight], (len(labels), 1))
        weights[:, 0] = has_label
        self.training = Examples(
            (*split.training.paths, *unlabelled), _packed(labels, *teacher, weights)
        )
        self._bins, self._width = rated.shape[1], teacher.features.shape[1]
        # The best epoch is chosen by labels alone, as for any other model.
        known = split.validation.distributions
        nothing = np.zeros((len(known), self._width))
        only_labels = np.tile([1.0, 0.0, 0.0], (len(known), 1))
        self.validation = Examples(
            split.validation.paths, _packed(known, known, nothing, only_labels)
        )
        self.about = about

    def model_of(self, nima: keras.Model) -> keras.Model:
        feature = nima.get_layer(FEATURE_LAYER).output
        both = keras.layers.Concatenate(dtype="float32", name="student")([nima.output, feature])
        return keras.Model(nima.input, both, name="student")

    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        bins, width = self._bins, self._width
        labels, prediction, feature, weights = tf.split(targets, [bins, bins, width, 3], axis=1)
        own_prediction, own_feature = tf.split(output, [bins, width], axis=1)
        return distillation_loss(
            labels, own_prediction, own_feature, TeacherBatch(prediction, feature, weights)
        )


def distillation_loss(
    labels: tf.Tensor, prediction: tf.Tensor, feature: tf.Tensor, teacher: TeacherBatch
) -> tf.Tensor:
    """Returns the loss of a student, a float32 scalar.

    EMD(y, p_S) + a |f_S - f_T|^2 / d + b EMD(p_T, p_S), features scaled to length 1, with a and b
    in the weights; each term is averaged over the photos that have it. A reconstruction from the
    abstract of Hou, Ding, Lin, Liu and Fang (2022), whose weights are not known.

    Args:
        labels: (B, n) floats, y; rows without ratings are ignored.
        prediction: (B, n) floats, p_S.
        feature: (B, d) floats, f_S.
        teacher: outputs of the teacher, and the weights of the terms.
    """
    terms = (
        distances_by_photo(labels, prediction),
        tf.reduce_mean(tf.square(_unit(feature) - _unit(teacher.feature)), axis=-1),
        distances_by_photo(teacher.prediction, prediction),
    )
    weights = tf.cast(teacher.weights, tf.float32)  # (B, 3)
    counts = tf.reduce_sum(tf.cast(weights > 0, tf.float32), axis=0)
    sums = tf.reduce_sum(weights * tf.stack(terms, axis=1), axis=0)
    return tf.reduce_sum(sums / tf.maximum(counts, 1.0))


def _unit(feature: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(feature, tf.float32), axis=-1)


def _packed(*columns: np.ndarray) -> np.ndarray:
    return np.concatenate(columns, axis=1).astype(np.float32)
