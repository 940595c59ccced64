"""What a pretext task is given of a photo: an array of views of it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nima_pretrain.distortions.geometry import Fit


class Views(Protocol):
    """Ways to look at a photo, in an order that does not change."""

    @property
    def name(self) -> str:
        """What side-cars and messages call them."""

    @property
    def view_names(self) -> tuple[str, ...]:
        """V names."""

    @property
    def num_views(self) -> int:
        """V."""

    def render(
        self, photo: np.ndarray, size: int, seed: int | Sequence[int] = 0, fit: Fit = "letterbox"
    ) -> np.ndarray:
        """Returns the views, (V, size, size, 3) uint8 RGB, of a (H, W, 3) uint8 photo."""
