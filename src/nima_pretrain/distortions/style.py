"""The nine style filters: the computations of darktable's modules as closed formulae.

Every filter takes an 8-bit sRGB image and returns one of the same shape. Exposure, temperature and
tint multiply the *encoded* values: the reference's edit files use darktable's module order for raw
files, in which these three precede the input profile. The others work in CIE Lab with the D50
white. Values are clipped in the last step, and in `brightness` before it. Against darktable 4.2.1
the mean error is below 0.1 of one grey level, except for temperature 2000, where darktable's
numerical noise dominates.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np

from nima_pretrain.distortions.lab import Lab, from_lab, to_lab
from nima_pretrain.distortions.regions import adjust_bright, adjust_dark, inverted_blur

# Blur of shadows and highlights as a fraction of the short side: darktable's default of 100 pixels
# on a picture of about 1000 x 667, the size at which the paper's photos were edited.
DEFAULT_SIGMA_FRACTION = 0.15

# Multipliers of red and blue (green is 1), from the reference's edit files.
TEMPERATURE_MULTIPLIERS = {
    2000: (0.256724715, 31.6700611),
    3000: (0.476834476, 3.10282016),
    5000: (0.82942158, 1.35228193),
    6000: (0.950102746, 1.08653402),
    7000: (1.04391325, 0.933234334),
    8000: (1.1181668, 0.835342288),
    10000: (1.22664869, 0.720212519),
    14000: (1.35577989, 0.615271091),
    18000: (1.42865181, 0.567675054),
}
TINT_MULTIPLIERS = {
    0.75: (3.33415174, 1.74400949),
    0.8: (2.38640332, 1.5480237),
    0.85: (1.82689512, 1.38083637),
    0.9: (1.45762217, 1.2365346),
    0.95: (1.19566, 1.11072004),
    1.05: (0.848691702, 0.901955664),
    1.1: (0.727872491, 0.814399302),
    1.15: (0.629258275, 0.735772491),
    1.2: (0.547242343, 0.664775193),
    1.25: (0.477959782, 0.600348473),
}


Result = TypeVar("Result")


class StyleImage:
    """An 8-bit image with intermediate results of the filters, computed once, on first use.

    Filters accept it instead of an array, so that those of one photo share the work.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                "Style filters take (H, W, 3) uint8 sRGB images, 0 to 255, "
                f"received {pixels.shape} {pixels.dtype}."
            )
        self.pixels = pixels
        self._shared: dict[object, Any] = {}

    @classmethod
    def of(cls, image: "np.ndarray | StyleImage") -> "StyleImage":
        return image if isinstance(image, cls) else cls(np.asarray(image))

    @cached_property
    def lab(self) -> Lab:
        return to_lab(self.pixels)

    def shared(self, key: object, compute: Callable[[], Result]) -> Result:
        """Returns the result of a computation that several filters need, computed once per key."""
        if key not in self._shared:
            self._shared[key] = compute()
        return cast(Result, self._shared[key])


Image = np.ndarray | StyleImage


def brightness(image: Image, value: float) -> np.ndarray:
    """Returns the image with a power curve on its lightness; value -1 to 1, neutral 0."""
    lab = StyleImage.of(image).lab
    exponent = 1 / (1 + 2 * value) if value >= 0 else 1 - 2 * value
    # Lightness above 100 is rounding noise, and a negative base would give NaN.
    lightness = 100 * np.clip(lab.lightness / 100, 0, 1) ** np.float32(exponent)
    return from_lab(lab._replace(lightness=lightness))


def contrast(image: Image, value: float) -> np.ndarray:
    """Returns the image with its lightness moved away from or towards 50; -1 to 1, neutral 0.

    At -1 the lightness is 50 everywhere. As in darktable, the effect is not smooth at 0: -0.2
    changes a photo more than +0.2.
    """
    lab = StyleImage.of(image).lab
    if value <= 0:
        lightness = 50 + (1 + value) * (lab.lightness - 50)
    else:
        k = 20 * value**2
        u = lab.lightness / 50 - 1
        lightness = 50 * (1 + u * float(np.sqrt(1 + k)) / np.sqrt(1 + k * u * u))
    return from_lab(lab._replace(lightness=lightness))


def saturation(image: Image, value: float) -> np.ndarray:
    """Returns the image with its chroma scaled by 1 + value; -1 (grey) to 1, neutral 0."""
    lightness, a, b = StyleImage.of(image).lab
    return from_lab(Lab(lightness, (1 + value) * a, (1 + value) * b))


def vibrance(image: Image, value: float) -> np.ndarray:
    """Returns the image with saturated colours made more saturated and slightly darker.

    Args:
        image: (H, W, 3) uint8 sRGB.
        value: percent, neutral 0; darktable offers 0 to 100, negative values desaturate.
    """
    lightness, a, b = StyleImage.of(image).lab
    t = value / 100 * np.hypot(a, b) / 256
    return from_lab(Lab((1 - t / 4) * lightness, (1 + t) * a, (1 + t) * b))


def exposure(image: Image, value: float) -> np.ndarray:
    """Returns the image with its encoded values times 2^value; value in stops, neutral 0."""
    gain = 2.0**value
    return _multiply_channels(image, (gain, gain, gain))


def temperature(image: Image, value: float) -> np.ndarray:
    """Returns the image with another white balance: low values are blue, high ones warm.

    Args:
        image: (H, W, 3) uint8 sRGB.
        value: kelvin, a key of `TEMPERATURE_MULTIPLIERS`; neutral would be about 6500.

    Raises:
        ValueError: the value is not a key of the table.
    """
    red, blue = _multipliers(TEMPERATURE_MULTIPLIERS, "temperature", value)
    return _multiply_channels(image, (red, 1.0, blue))


def tint(image: Image, value: float) -> np.ndarray:
    """Returns the image tinted: magenta below 1, green above.

    Args:
        image: (H, W, 3) uint8 sRGB.
        value: a key of `TINT_MULTIPLIERS`; neutral would be 1.

    Raises:
        ValueError: the value is not a key of the table.
    """
    red, blue = _multipliers(TINT_MULTIPLIERS, "tint", value)
    return _multiply_channels(image, (red, 1.0, blue))


def shadows(
    image: Image, value: float, sigma_pixels: float | None = None, highlights: float = 100.0
) -> np.ndarray:
    """Returns the image with its dark regions lightened (above 0) or darkened (below).

    Args:
        image: (H, W, 3) uint8 sRGB.
        value: percent, -100 to 100.
        sigma_pixels: scale of the blur that selects the regions; None for 0.15 of the short side.
        highlights: percent applied to the bright regions in the same edit. The reference's edit
            files set +100, so its `shadows` has no neutral value; 0 changes shadows only.
    """
    return _adjust_regions(StyleImage.of(image), value, highlights, sigma_pixels)


def highlights(
    image: Image, value: float, sigma_pixels: float | None = None, shadows: float = 50.0
) -> np.ndarray:
    """Returns the image with its bright regions lightened (above 0) or darkened (below).

    Args:
        image: (H, W, 3) uint8 sRGB.
        value: percent, -100 to 100.
        sigma_pixels: scale of the blur that selects the regions; None for 0.15 of the short side.
        shadows: percent applied to the dark regions in the same edit. The reference's edit files
            set +50; 0 changes highlights only.
    """
    return _adjust_regions(StyleImage.of(image), shadows, value, sigma_pixels)


def _adjust_regions(
    image: StyleImage, shadows: float, highlights: float, sigma_pixels: float | None
) -> np.ndarray:
    """Returns darktable's shadows and highlights: overlays of inverted blur, highlights first.

    All edits of shadows in the paper's bank have the same highlights, which are computed once.
    """
    default = DEFAULT_SIGMA_FRACTION * min(image.pixels.shape[:2])
    sigma = default if sigma_pixels is None else sigma_pixels
    inverted = image.shared(("inverted", sigma), lambda: inverted_blur(image.lab.lightness, sigma))
    bright = image.shared(
        ("highlights", highlights, sigma),
        lambda: adjust_bright(image.lab.lightness / 100, inverted, highlights),
    )
    l, chroma = adjust_dark(*bright, inverted, shadows)
    return from_lab(Lab(100 * l, chroma * image.lab.a, chroma * image.lab.b))


def _multipliers(
    table: dict[int, tuple[float, float]] | dict[float, tuple[float, float]],
    name: str,
    value: float,
) -> tuple[float, float]:
    for known, multipliers in table.items():
        if known == value:
            return multipliers
    values = ", ".join(f"{known:g}" for known in table)
    raise ValueError(f"{name} is known at {values}; received {value!r}.")


def _multiply_channels(image: Image, gains: tuple[float, float, float]) -> np.ndarray:
    pixels = StyleImage.of(image).pixels
    levels = np.arange(256, dtype=np.float32) / 255
    out = np.empty_like(pixels)
    for channel, gain in enumerate(gains):
        table = np.rint(255 * np.clip(np.float32(gain) * levels, 0, 1)).astype(np.uint8)
        out[..., channel] = table[pixels[..., channel]]
    return out
