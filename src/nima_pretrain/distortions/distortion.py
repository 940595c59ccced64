"""The distortion: a filter that degrades a photo, with the values of its levels."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nima_pretrain.distortions.source import Source

Filter = Callable[[Source, float, np.random.Generator], np.ndarray]


class Aspect(Enum):
    """The aspect of a photograph that a distortion degrades."""

    TECHNICAL = "technical"
    STYLE = "style"
    COMPOSITION = "composition"


@dataclass(frozen=True)
class Reference:
    """An undistorted view that distorted ones are ranked against.

    Attributes:
        name: name of the view.
        render: source -> (h, w, 3) uint8, the size of `source.small`.
    """

    name: str
    render: Callable[[Source], np.ndarray]


def _small(source: Source) -> np.ndarray:
    return source.small


ORIGINAL = Reference("original", _small)


@dataclass(frozen=True)
class Distortion:
    """A filter that degrades a photo, with the values of its levels.

    Attributes:
        name: as in the paper, e.g. "exposure".
        aspect: technical, style or composition.
        filter: (source, value, rng) -> (h, w, 3) uint8, the size of `source.small`.
        below: values on the negative side, from the lowest up; the last is the weakest.
        above: values on the positive side, from the lowest up; the first is the weakest.
        reference: the undistorted view that both sides are ranked against.
    """

    name: str
    aspect: Aspect
    filter: Filter
    below: tuple[float, ...] = ()
    above: tuple[float, ...] = ()
    reference: Reference = ORIGINAL

    def apply(
        self, image: np.ndarray, value: float, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Returns the distorted image, of the size of the image.

        Args:
            image: (H, W, 3) uint8 sRGB, 0 to 255.
            value: in the distortion's own unit (stops, kelvin, degrees, severity, ...).
            rng: generator for random distortions; None for a new one with seed 0.

        Raises:
            ValueError: the image is not (H, W, 3) uint8, or the distortion has no such value.
        """
        image = np.asarray(image)
        source = Source(image, size=min(image.shape[:2]))
        return self.filter(source, value, rng or np.random.default_rng(0))
