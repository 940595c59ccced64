"""Levels of distortions in single photos, predicted by a regression head."""

import keras
import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.pretext.model import PretextModel


def levels_model(pretext: PretextModel, network: NetworkConfig) -> PhotoModel:
    """Returns the part of a pretext model that predicts the levels of single photos, (B, D)."""
    levels = pretext.heads.get_layer("levels")(pretext.backbone.output)
    return PhotoModel(keras.Model(pretext.backbone.input, levels), network)


def usual_levels(levels: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Returns mean and standard deviation of the D predicted levels on undistorted photos.

    Args:
        levels: (N, D) floats, predictions for N undistorted photos.
    """
    pairs = zip(levels.mean(axis=0).tolist(), levels.std(axis=0).tolist(), strict=True)
    return tuple(pairs)
