"""A photo in its four rotations, for RotNet (Gidaris, Singh and Komodakis, 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nima_pretrain.distortions.geometry import Fit, resize


@dataclass(frozen=True)
class Rotations:
    """A square, cut out of a photo, turned by 0, 90, 180 and 270 degrees counter-clockwise.

    Whatever does not turn with the picture would give the answer away: the black bars of a
    letterbox lie above and below a landscape, and left and right once it is turned; a squashed
    photo is narrow one way or the other. So a square is cut first, as large as the photo, at a
    random place and mirrored or not, resized once, and turned without touching a pixel. What the
    network's `fit` would do to a whole photo plays no part.
    """

    name: str = "rotations"
    view_names: tuple[str, ...] = ("rotated_0", "rotated_90", "rotated_180", "rotated_270")

    @property
    def num_views(self) -> int:
        return len(self.view_names)

    def render(
        self, photo: np.ndarray, size: int, seed: int | Sequence[int] = 0, fit: Fit = "letterbox"
    ) -> np.ndarray:
        """Returns the four rotations, (4, size, size, 3) uint8 RGB.

        Args:
            photo: (H, W, 3) uint8 sRGB of any size.
            size: side of the network's input, pixels.
            seed: of the place of the square, and of whether it is mirrored.
            fit: plays no part.
        """
        rng = np.random.default_rng(seed)
        height, width, _ = photo.shape
        side = min(height, width)
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        square = resize(photo[top : top + side, left : left + side], size, size)
        if rng.random() < 0.5:
            square = square[:, ::-1]
        return np.stack([np.rot90(square, turns) for turns in range(self.num_views)])
