"""What a student is pulled towards: labels, and what a teacher says of the same photos."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.losses import Taught, distillation
from nima_pretrain.networks.nima import FEATURE_LAYER
from nima_pretrain.training.objective import Examples, Objective
from nima_pretrain.training.ratings_split import Parts


class Lessons(NamedTuple):
    """What a teacher says of photos: the training photos, then those without ratings.

    Attributes:
        predictions: (N, n) float32, p_T.
        features: (N, d) float32, f_T.
    """

    predictions: np.ndarray
    features: np.ndarray


class DistillationObjective(Objective):
    """Labels, feature and prediction in one row of targets: y, p_T, f_T and three weights.

    Args:
        parts: the rated photos.
        lessons: what the teacher says.
        unlabelled: photos without ratings; they have no part in the labels' term.
        feature_weight: a.
        prediction_weight: b.
        about: what `results.json` says of the teacher.
    """

    def __init__(
        self,
        parts: Parts,
        lessons: Lessons,
        unlabelled: tuple[Path, ...],
        feature_weight: float,
        prediction_weight: float,
        about: dict[str, Any],
    ) -> None:
        rated = parts.training.distributions
        labels = np.zeros_like(lessons.predictions)
        labels[: len(rated)] = rated
        has_label = np.arange(len(labels)) < len(rated)
        weights = np.tile([1.0, feature_weight, prediction_weight], (len(labels), 1))
        weights[:, 0] = has_label
        self.training = Examples(
            (*parts.training.paths, *unlabelled), _packed(labels, *lessons, weights)
        )
        self._bins, self._width = rated.shape[1], lessons.features.shape[1]
        # The epoch is chosen by labels alone, as for any other model.
        known = parts.validation.distributions
        nothing = np.zeros((len(known), self._width))
        only_labels = np.tile([1.0, 0.0, 0.0], (len(known), 1))
        self.validation = Examples(
            parts.validation.paths, _packed(known, known, nothing, only_labels)
        )
        self.about = about

    def model_of(self, nima: keras.Model) -> keras.Model:
        feature = nima.get_layer(FEATURE_LAYER).output
        both = keras.layers.Concatenate(dtype="float32", name="said")([nima.output, feature])
        return keras.Model(nima.input, both, name="student")

    def loss(self, targets: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        bins, width = self._bins, self._width
        labels, prediction, feature, weights = tf.split(targets, [bins, bins, width, 3], axis=1)
        said, said_feature = tf.split(output, [bins, width], axis=1)
        return distillation(labels, said, said_feature, Taught(prediction, feature, weights))


def _packed(*columns: np.ndarray) -> np.ndarray:
    return np.concatenate(columns, axis=1).astype(np.float32)
