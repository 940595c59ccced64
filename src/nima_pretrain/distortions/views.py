"""Views: the versions of a photo that a pretext method takes, as an array."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nima_pretrain.distortions.geometry import Fit


class Views(Protocol):
    """An ordered, fixed set of views of a photo; `DistortionBank` is an implementation.

    Views are sent to other processes for rendering: they must be picklable, and their functions
    should be defined in a module that does not import TensorFlow.
    """

    @property
    def name(self) -> str:
        """The name used in messages."""

    @property
    def view_names(self) -> tuple[str, ...]:
        """The V names of the views."""

    @property
    def num_views(self) -> int:
        """V, the number of views."""

    def render(
        self, photo: np.ndarray, size: int, seed: int | Sequence[int] = 0, fit: Fit = "letterbox"
    ) -> np.ndarray:
        """Returns the views, (V, size, size, 3) uint8 RGB, of a (H, W, 3) uint8 photo."""


@dataclass(frozen=True)
class SquareViews:
    """Views rendered by one function, square for photos of any shape.

    Attributes:
        name: the name used in messages.
        view_names: V names.
        function: (photo, size, rng) -> (V, size, size, 3) uint8 RGB.
    """

    name: str
    view_names: tuple[str, ...]
    function: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]

    @property
    def num_views(self) -> int:
        return len(self.view_names)

    def render(
        self, photo: np.ndarray, size: int, seed: int | Sequence[int] = 0, fit: Fit = "letterbox"
    ) -> np.ndarray:
        """Returns the views, (V, size, size, 3) uint8 RGB.

        Args:
            photo: (H, W, 3) uint8 sRGB of any size.
            size: side of the network's input, pixels.
            seed: seed of the random generator.
            fit: ignored, since the views are square already.
        """
        return self.function(photo, size, np.random.default_rng(seed))
