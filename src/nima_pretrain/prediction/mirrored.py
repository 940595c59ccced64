"""Scores of photos together with their mirror images, so that mirroring moves no score."""

import numpy as np

from nima_pretrain.prediction.engines import Engine


class WithMirrored:
    """An engine whose outputs are means over a photo and its mirror image.

    A photo and its mirror image get equal outputs, for twice the computation.

    Attributes:
        network: see `Engine`.
        scores_in_threads: see `Engine`.
    """

    def __init__(self, engine: Engine) -> None:
        self.network = engine.network
        self.scores_in_threads = engine.scores_in_threads
        self._engine = engine

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        return (self._engine(photos) + self._engine(mirrored(photos))) / 2

    def with_features(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs, and the features (B, F) float32 of the photos as they are."""
        outputs, features = self._engine.with_features(photos)
        return (outputs + self._engine(mirrored(photos))) / 2, features


def mirrored(photos: np.ndarray) -> np.ndarray:
    """Returns photos (B, H, W, 3) with left and right exchanged."""
    return np.ascontiguousarray(photos[:, :, ::-1])
