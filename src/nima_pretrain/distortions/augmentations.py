"""Random augmentations that keep a photo's content.

Those of `augmented_pair` are from Chen et al. (2020), appendix A. All run in Pillow or NumPy after
decoding, not in TensorFlow's graph. So they depend only on the seed, the epoch and the photo, a
resumed training continues with identical pixels, and crops are cut from the full-size photo.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from nima_pretrain.distortions.geometry import Box

_JITTERED = 0.8
_GREY = 0.2
_BLURRED = 0.5
_BLUR_PIXELS = (0.1, 2.0)  # standard deviation
_ASPECT_RATIOS = (3 / 4, 4 / 3)
_TRIALS = 10


@dataclass(frozen=True)
class Augmentation:
    """Random changes after which a good photo is still a good one; by default none.

    Attributes:
        smallest_window: the sides of a random window are at least this fraction of the photo's,
            drawn independently; 1 for the whole photo.
        mirror: whether half of the photos are mirrored.
    """

    smallest_window: float = 1.0
    mirror: bool = False

    def __call__(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns a window of a photo, maybe mirrored, (h, w, 3) uint8 RGB, contiguous."""
        height, width = photo.shape[:2]
        high, wide = (
            max(1, round(side * rng.uniform(self.smallest_window, 1))) for side in (height, width)
        )
        top, left = rng.integers(height - high + 1), rng.integers(width - wide + 1)
        window = photo[top : top + high, left : left + wide]
        is_mirrored = self.mirror and rng.random() < 0.5
        return np.ascontiguousarray(window[:, ::-1] if is_mirrored else window)


NO_AUGMENTATION = Augmentation()
_NEARLY_WHOLE = Augmentation(smallest_window=0.95, mirror=True)
_COMPRESSED = 0.3
_QUALITIES = (85, 99)


def nearly_identical(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a copy that people take for the same photo: cropped a little, mirrored, compressed.

    Args:
        photo: (H, W, 3) uint8 RGB.
        rng: random generator of the changes.
    """
    copy = _NEARLY_WHOLE(photo, rng)
    if rng.random() < _COMPRESSED:
        file = io.BytesIO()
        quality = int(rng.integers(_QUALITIES[0], _QUALITIES[1] + 1))
        Image.fromarray(copy).save(file, "JPEG", quality=quality)
        copy = np.asarray(Image.open(file))
    return copy


def augmented_pair(
    photo: np.ndarray,
    size: int,
    rng: np.random.Generator,
    *,
    smallest_crop: float = 0.08,
    strength: float = 1.0,
) -> np.ndarray:
    """Returns two versions, randomly cropped, mirrored, colour-jittered, greyed and blurred.

    Args:
        photo: (H, W, 3) uint8 RGB.
        size: side of the result, pixels; crops become squares, whatever their aspect ratio.
        rng: random generator of all changes.
        smallest_crop: least area of a crop, as a fraction of the photo, above 0, at most 1.
        strength: s of the colour jitter: brightness, contrast and saturation change by up to
            0.8 s, the hue by up to 0.2 s of the circle.

    Returns:
        (2, size, size, 3) uint8 RGB, 0 to 255.
    """
    image = Image.fromarray(photo)
    versions = [_version(image, size, rng, smallest_crop, strength) for _ in range(2)]
    return np.stack([np.asarray(version) for version in versions])


def random_crop(width: int, height: int, smallest: float, rng: np.random.Generator) -> Box:
    """Returns left, top, right and bottom of a crop of random area and aspect ratio, in pixels.

    The first of ten trials that lies within the photo is used; if none does, the central square.

    Args:
        width: width of the photo, pixels.
        height: height of the photo, pixels.
        smallest: least area, as a fraction of the photo.
        rng: random generator of area, aspect ratio and position.
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
        strength: s, see `augmented_pair`.
        rng: random generator of the changes and their order.
    """
    low, high = max(0.0, 1 - 0.8 * strength), 1 + 0.8 * strength
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for change in rng.permutation(len(enhancers) + 1):
        if change < len(enhancers):
            image = enhancers[change](image).enhance(rng.uniform(low, high))
        else:
            image = _turn_hue(image, rng.uniform(-0.2 * strength, 0.2 * strength))
    return image


def _version(
    photo: Image.Image, size: int, rng: np.random.Generator, smallest_crop: float, strength: float
) -> Image.Image:
    box = random_crop(photo.width, photo.height, smallest_crop, rng)
    image = photo.resize((size, size), Image.Resampling.BILINEAR, box)
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < _JITTERED:
        image = jitter_colours(image, strength, rng)
    if rng.random() < _GREY:
        image = ImageOps.grayscale(image).convert("RGB")
    if rng.random() < _BLURRED:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR_PIXELS)))
    return image


def _turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """Rotates the hue by a fraction of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue).astype(np.int16) + round(256 * turn)
    hue = Image.fromarray(np.uint8(turned % 256))
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
