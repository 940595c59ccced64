"""The ridge probe: linear regression on frozen features, a baseline of fine-tuning."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import Outputs, outputs_of_photos
from nima_pretrain.progress import counting
from nima_pretrain.weights.finding import find_backbone
from nima_pretrain.weights.store import load_base_weights

_PENALTIES = 10.0 ** np.arange(-1, 7.01, 0.5)


def frozen_features(weights: str, network: NetworkConfig, paths: Sequence[Path]) -> np.ndarray:
    """Returns the pooled features of photos, (N, F) float64; NaN for those that cannot be read.

    Args:
        weights: initialization of the backbone; see `finetune`.
        network: backbone, size and fit.
        paths: the photos.

    Raises:
        InputError: see `weights.store.load_base_weights`.
    """
    keras.utils.set_random_seed(0)  # makes the initialization "none" reproducible
    backbone = build_backbone(network.backbone, network.input_size, network.width)
    load_base_weights(backbone, find_backbone(weights, network), network)
    result = np.full((len(paths), backbone.output_shape[-1]), np.nan)
    with counting("features for the probe", len(paths)) as show:
        model = PhotoModel(backbone, network)
        for row, (_, outputs) in enumerate(outputs_of_photos([model], paths)):
            if isinstance(outputs, Outputs):
                (result[row],) = outputs.by_model
            show(row + 1)
    return result


def ridge_probe(features: np.ndarray, means: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the mean scores of other photos predicted by ridge regression, (M,) float64.

    Features are standardized on the training photos. Of 17 penalties between 0.1 and 10 million,
    the one with the least leave-one-out error on the training photos (in closed form) is used.

    Args:
        features: (N, F) floats of the training photos.
        means: (N,) floats, their mean scores in points.
        others: (M, F) floats of the photos to predict.
    """
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    x, x_others = (features - centre) / scale, (others - centre) / scale
    intercept = means.mean()
    y = means - intercept
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    projected = left.T @ y
    errors = []
    for penalty in _PENALTIES:
        shrunk = singular**2 / (singular**2 + penalty)
        # The leverage includes the intercept, which contains 1 / N of every photo's own score.
        leverage = (left**2) @ shrunk + 1 / len(y)
        errors.append(np.mean(((y - left @ (shrunk * projected)) / (1 - leverage)) ** 2))
    penalty = _PENALTIES[int(np.argmin(errors))]
    coefficients = right.T @ (singular / (singular**2 + penalty) * projected)
    return x_others @ coefficients + intercept


def probe_predictions(
    features: np.ndarray, ratings: Ratings, training: Sequence[int], testing: Sequence[int]
) -> np.ndarray:
    """Returns the probe's mean scores of test photos, clipped to the scale; NaN if unreadable.

    Args:
        features: (N, F) floats of all photos; NaN for unreadable ones.
        ratings: ratings of the same photos.
        training: row numbers to fit on.
        testing: row numbers to predict.
    """
    readable = np.isfinite(features).all(axis=1)
    rows = [row for row in training if readable[row]]
    predicted = np.full(len(testing), np.nan)
    can = readable[list(testing)]
    others = features[list(testing)][can]
    predicted[can] = ridge_probe(features[rows], ratings.mean_scores[rows], others)
    scores = ratings.scale.scores
    return np.clip(predicted, scores[0], scores[-1])
