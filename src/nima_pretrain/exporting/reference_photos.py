"""The comparison of an export with its weights, on photographs of installed packages."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.metrics import mean_score

# From photos (B, S, S, 3) uint8 RGB to distributions (B, n) and mean scores (B,), both float32.
Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class References(NamedTuple):
    """The reference photographs, with their scores by the weights.

    Attributes:
        names: file names.
        photos: (B, S, S, 3) uint8 RGB.
        means: mean scores, (B,), in points.
        files: content of those files that have no colour profile, by name.
        scale: the score scale.
    """

    names: tuple[str, ...]
    photos: np.ndarray
    means: np.ndarray
    files: dict[str, bytes]
    scale: ScoreScale

    def by_name(self) -> dict[str, float]:
        """Returns the mean scores by file name, rounded to millionths."""
        return {
            name: round(float(mean), 6) for name, mean in zip(self.names, self.means, strict=True)
        }


def load_references(run: Run, network: NetworkConfig, scale: ScoreScale) -> References:
    """Returns the reference photographs with their scores.

    Args:
        run: the function of the weights.
        network: size and fit of its input.
        scale: its score scale.

    Raises:
        InputError: a package no longer contains one of the photos.
    """
    paths = embedded_photos()
    photos = np.stack([load_fitted(path, network.input_size, network.fit) for path in paths])
    distributions, _ = run(photos)
    means = mean_score(distributions, scale.scores)
    files = {path.name: path.read_bytes() for path in paths if not _has_profile(path)}
    return References(tuple(path.name for path in paths), photos, means, files, scale)


def largest_difference(run: Run, references: References) -> float:
    """Returns the largest difference of mean scores, in points; NaN if some are not finite.

    Both outputs are compared: the mean scores, and the means of the distributions.

    Args:
        run: the function of an export.
        references: the photographs and scores to compare with.
    """
    distributions, means = run(references.photos)
    expected = references.means
    differences = [means - expected, mean_score(distributions, references.scale.scores) - expected]
    return float(np.abs(differences).max())


def _has_profile(path: Path) -> bool:
    with Image.open(path) as image:
        return "icc_profile" in image.info
