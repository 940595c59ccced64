"""Warnings of constant models: those whose features or scores hardly differ between photos.

Zero weights, units that are off for every input (dead ReLUs) and diverged trainings make models
that still score, train and reproduce their recorded scores.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.prediction.engines import Engine
from nima_pretrain.prediction.scoring import Outputs, outputs_of_photos

logger = logging.getLogger(__name__)

# Of what the outputs could differ by. Rounding in float32 makes some millionths. Features of
# MobileNetV2 with random weights differ by 0.36 to 0.41 of their size, with trained ones by 0.63
# to 0.82; scores of the bundled models by 0.07 to 0.10 of the scale (twelve sample photos).
_LEAST_VARIATION = 1e-3
_PHOTOS = 32
_REMEDY = "Start from other weights, or train again with lower learning rates."


def hardly_differ(outputs: np.ndarray, extent: float | None = None) -> bool:
    """Returns True if a model's outputs are nearly equal for all photos.

    Measured is the root mean square of the distances to the mean output.

    Args:
        outputs: (N, D) or (N,) floats; fewer than two photos are never said to be equal.
        extent: what outputs could differ by, e.g. the width of the scale; None for the root mean
            square of the outputs themselves.
    """
    if len(outputs) < 2:
        return False
    rows = np.asarray(outputs, np.float64).reshape(len(outputs), -1)
    distance = np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())
    size = np.sqrt((rows**2).sum(axis=1).mean()) if extent is None else extent
    return bool(distance <= _LEAST_VARIATION * size)


def warning_of_scores(means: Sequence[float] | np.ndarray, scale: ScoreScale | None) -> str | None:
    """Returns a warning if the scores of photos hardly differ, or None; it is also logged.

    Args:
        means: scores of the photos.
        scale: the score scale; None for scores without one, as those of a ranking.
    """
    scores = np.asarray(means, np.float64)
    width = None if scale is None else float(np.ptp(scale.scores))
    if not hardly_differ(scores, width):
        return None
    warning = (
        f"The {len(scores)} scores hardly differ: they are {scores.min():.4g} to {scores.max():.4g}"
        f"{f' on a scale of {scale}' if scale else ''}. The model may be constant. {_REMEDY}"
    )
    logger.warning("%s", warning)
    return warning


def warn_of_features(backbone: Engine, photos: Sequence[Path]) -> None:
    """Logs a warning if a backbone's features of photos hardly differ.

    Args:
        backbone: from photos to features.
        photos: the files, of which the first 32 are used.
    """
    seen = outputs_of_photos([backbone], photos[:_PHOTOS])
    features = [outputs.by_model[0] for _, outputs in seen if isinstance(outputs, Outputs)]
    if features and hardly_differ(np.stack(features)):
        logger.warning(
            "The backbone's features of %d photos hardly differ: it may be constant, so that no "
            "head can tell photos apart. %s",
            len(features),
            _REMEDY,
        )
