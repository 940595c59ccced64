"""Random versions of a photo that show the same to a person, for SimCLR (Chen et al., 2020).

The operations and their ranges are those of the paper's appendix A. They run where photos are
decoded, in Pillow, and not in TensorFlow's graph: so they depend on the seed, the epoch and the
photo alone, a stopped training goes on with the very same pixels, and crops are cut from the whole
photo instead of a small one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from nima_pretrain.distortions.geometry import Box, Fit

_JITTERED = 0.8
_GREY = 0.2
_BLURRED = 0.5
_BLUR_PIXELS = (0.1, 2.0)  # standard deviation
_ASPECT_RATIOS = (3 / 4, 4 / 3)
_TRIALS = 10


@dataclass(frozen=True)
class AugmentedPair:
    """Two versions of a photo: cropped, mirrored, recoloured, made grey, blurred, at random.

    Attributes:
        smallest_crop: least area of a crop, as a fraction of the photo.
        strength: s of the colour jitter: brightness, contrast and saturation change by up to
            0.8 s, the hue by up to 0.2 s of the circle.
    """

    smallest_crop: float = 0.08
    strength: float = 1.0
    name: str = "augmented pair"
    view_names: tuple[str, ...] = ("first", "second")

    @property
    def num_views(self) -> int:
        return len(self.view_names)

    def render(
        self, photo: np.ndarray, size: int, seed: int | Sequence[int] = 0, fit: Fit = "letterbox"
    ) -> np.ndarray:
        """Returns two versions, (2, size, size, 3) uint8 RGB.

        Args:
            photo: (H, W, 3) uint8 sRGB of any size.
            size: side of the network's input, pixels.
            seed: of all that is random.
            fit: plays no part: crops are brought to the square, whatever their aspect ratio.
        """
        rng = np.random.default_rng(seed)
        image = Image.fromarray(photo)
        return np.stack([np.asarray(self._version(image, size, rng)) for _ in self.view_names])

    def _version(self, photo: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
        box = random_crop(photo.width, photo.height, self.smallest_crop, rng)
        image = photo.resize((size, size), Image.Resampling.BILINEAR, box)
        if rng.random() < 0.5:
            image = ImageOps.mirror(image)
        if rng.random() < _JITTERED:
            image = jitter_colours(image, self.strength, rng)
        if rng.random() < _GREY:
            image = ImageOps.grayscale(image).convert("RGB")
        if rng.random() < _BLURRED:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR_PIXELS)))
        return image


def random_crop(width: int, height: int, smallest: float, rng: np.random.Generator) -> Box:
    """Returns left, top, right and bottom of a part of random area and aspect ratio, in pixels.

    Of ten trials the first that lies within the photo counts; if none does, the central square.

    Args:
        width: of the photo, pixels.
        height: of the photo, pixels.
        smallest: least area, as a fraction of the photo.
        rng: of area, aspect ratio and place.
    """
    for _ in range(_TRIALS):
        area = width * height * rng.uniform(smallest, 1)
        ratio = math.exp(rng.uniform(*np.log(_ASPECT_RATIOS)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left = float(rng.integers(width - wide + 1))
            top = float(rng.integers(height - high + 1))
            return left, top, left + wide, top + high
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def jitter_colours(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Returns the image with brightness, contrast, saturation and hue changed, in random order.

    Args:
        image: RGB.
        strength: s, see `AugmentedPair`.
        rng: of the changes and their order.
    """
    low, high = max(0.0, 1 - 0.8 * strength), 1 + 0.8 * strength
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for change in rng.permutation(len(enhancers) + 1):
        if change < len(enhancers):
            image = enhancers[change](image).enhance(rng.uniform(low, high))
        else:
            image = _turn_hue(image, rng.uniform(-0.2 * strength, 0.2 * strength))
    return image


def _turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """Turns the hue by a part of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue).astype(np.int16) + round(256 * turn)
    hue = Image.fromarray(np.uint8(turned % 256))
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
