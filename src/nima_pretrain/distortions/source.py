"""What distortions start from: one photo in two sizes."""

from functools import cached_property

import numpy as np

from nima_pretrain.distortions.geometry import resize_short_side
from nima_pretrain.distortions.style import StyleImage


class Source:
    """One photo in the forms that distortions start from, each made once, on first use.

    Attributes:
        small: (h, w, 3) uint8 RGB, the photo with its short side at `size` pixels.
        large: the same with the short side at 1.5 * `size`: what crops and turns are cut from.
        style: `small` as the style filters take it.
    """

    def __init__(self, photo: np.ndarray, size: int) -> None:
        """Takes a photo, (H, W, 3) uint8 RGB, and the size of the network's input in pixels."""
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise ValueError(
                f"A photo is a (H, W, 3) uint8 RGB array, received {photo.shape} {photo.dtype}."
            )
        self._photo = photo
        self._size = size

    @cached_property
    def small(self) -> np.ndarray:
        return resize_short_side(self._photo, self._size)

    @cached_property
    def large(self) -> np.ndarray:
        return resize_short_side(self._photo, self._size * 3 // 2)

    @cached_property
    def style(self) -> StyleImage:
        return StyleImage(self.small)
