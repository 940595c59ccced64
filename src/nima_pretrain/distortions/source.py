"""The input of distortions: one photo in two sizes."""

from functools import cached_property

import numpy as np

from nima_pretrain.distortions.geometry import resize_short_side
from nima_pretrain.distortions.style import StyleImage


class Source:
    """One photo in the forms that distortions take, each computed once, on first use.

    Attributes:
        small: (h, w, 3) uint8 RGB, the photo with a short side of `size` pixels.
        large: the same with a short side of 1.5 * `size`, from which crops and rotations are cut.
        style: `small` as the style filters take it.
    """

    def __init__(self, photo: np.ndarray, size: int) -> None:
        """Checks and stores the photo.

        Args:
            photo: (H, W, 3) uint8 RGB.
            size: side of the network's input, pixels.

        Raises:
            ValueError: the photo is not (H, W, 3) uint8.
        """
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
