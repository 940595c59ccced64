"""Scores of photos together with their mirror images, so that mirroring moves no score."""

import numpy as np

from nima_pretrain.prediction.engines import Engine


class MirrorAveraged:
    """An engine whose outputs are means over a photo and its mirror image.

    An input and its mirror image get the same outputs, for twice the computation.

    Attributes:
        network: see `Engine`.
        scores_in_threads: see `Engine`.
    """

    def __init__(self, engine: Engine) -> None:
        self.network = engine.network
        self.scores_in_threads = engine.scores_in_threads
        self._engine = engine

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        return _mean_of_halves(self._engine(_with_mirrored(photos)))

    def with_features(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs, and the features (B, F) float32 of the photos as they are."""
        outputs, features = self._engine.with_features(_with_mirrored(photos))
        return _mean_of_halves(outputs), features[: len(photos)]


def mirrored(photos: np.ndarray) -> np.ndarray:
    """Returns photos (B, H, W, 3) with left and right exchanged."""
    return photos[:, :, ::-1]


def _with_mirrored(photos: np.ndarray) -> np.ndarray:
    return np.concatenate([photos, mirrored(photos)])


def _mean_of_halves(outputs: np.ndarray) -> np.ndarray:
    of_photos, of_mirrored = np.split(outputs, 2)
    return (of_photos + of_mirrored) / 2
