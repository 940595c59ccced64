"""The two banks: `paper`, flaws included, and `repaired`, without them."""

from collections.abc import Callable
from functools import partial

import numpy as np

from nima_pretrain.distortions import composition, style, technical
from nima_pretrain.distortions.bank import DistortionBank
from nima_pretrain.distortions.distortion import ORIGINAL, Aspect, Distortion, Filter, Reference
from nima_pretrain.distortions.source import Source

CROP_ORIGINAL = Reference("crop_original", composition.crop_original)
ROTATE_ORIGINAL = Reference("rotate_original", composition.rotate_original)
_REFERENCES = (ORIGINAL, CROP_ORIGINAL, ROTATE_ORIGINAL)


# Filters are partial applications of module-level functions, so that a bank can be pickled and
# rendered by other processes.
def _corrupted(source: Source, value: float, rng: np.random.Generator, *, name: str) -> np.ndarray:
    return technical.corrupt(source.small, name, int(value), rng)


def _impulse_noise(source: Source, value: float, rng: np.random.Generator) -> np.ndarray:
    return technical.impulse_noise(source.small, int(value), rng)


def _filtered(
    source: Source,
    value: float,
    rng: np.random.Generator,
    *,
    filter: Callable[..., np.ndarray],
) -> np.ndarray:
    return filter(source.style, value)


def _framed(
    source: Source,
    value: float,
    rng: np.random.Generator,
    *,
    filter: Callable[[Source, float], np.ndarray],
) -> np.ndarray:
    return filter(source, value)


def _technical(name: str, filter: Filter | None = None) -> Distortion:
    filter = filter or partial(_corrupted, name=name)
    return Distortion(name, Aspect.TECHNICAL, filter, above=(1, 2, 3, 4, 5))


def _style(
    filter: Callable[..., np.ndarray],
    below: tuple[float, ...],
    above: tuple[float, ...],
    **companions: float,
) -> Distortion:
    filtered: Filter = partial(_filtered, filter=partial(filter, **companions))
    return Distortion(filter.__name__, Aspect.STYLE, filtered, below, above)


def _composition(
    filter: Callable[[Source, float], np.ndarray],
    reference: Reference,
    below: tuple[float, ...] = (-5, -4, -3, -2, -1),
    above: tuple[float, ...] = (1, 2, 3, 4, 5),
) -> Distortion:
    framed = partial(_framed, filter=filter)
    return Distortion(filter.__name__, Aspect.COMPOSITION, framed, below, above, reference)


_TECHNICAL = (
    _technical("jpeg_compression"),
    _technical("defocus_blur"),
    _technical("motion_blur"),
    _technical("pixelate"),
    _technical("gaussian_noise"),
    _technical("impulse_noise", _impulse_noise),
)
_BELOW_ZERO = (-1, -0.8, -0.6, -0.4, -0.2)
_ABOVE_ZERO = (0.2, 0.4, 0.6, 0.8, 1)
_CURVES_AND_STOPS = (
    _style(style.brightness, _BELOW_ZERO, _ABOVE_ZERO),
    _style(style.contrast, _BELOW_ZERO, _ABOVE_ZERO),
    _style(style.saturation, _BELOW_ZERO, _ABOVE_ZERO),
    _style(style.exposure, (-3, -2.4, -1.8, -1.2, -0.6), (0.6, 1.2, 1.8, 2.4, 3)),
)
_WHITE_BALANCE = (
    _style(style.temperature, (2000, 3000, 5000, 6000), (7000, 8000, 10000, 14000, 18000)),
    _style(style.tint, (0.75, 0.8, 0.85, 0.9, 0.95), (1.05, 1.1, 1.15, 1.2, 1.25)),
)
_COMPOSITION = (
    _composition(composition.rotate, ROTATE_ORIGINAL, (-10, -8, -6, -4, -2), (2, 4, 6, 8, 10)),
    _composition(composition.hcrop, CROP_ORIGINAL),
    _composition(composition.vcrop, CROP_ORIGINAL),
    _composition(composition.leftcornerscrop, CROP_ORIGINAL),
    _composition(composition.rightcornerscrop, CROP_ORIGINAL),
    _composition(composition.ratio, ORIGINAL),
)

# The paper's bank, flaws included: every shadows edit also sets highlights to +100, and every
# highlights edit sets shadows to +50. Both are split at darktable's default, and so is vibrance.
_PAPER = DistortionBank(
    "paper",
    (
        *_TECHNICAL,
        *_CURVES_AND_STOPS,
        _style(style.shadows, (-100, -60, -20, 20, 40), (60, 80, 100)),
        _style(style.highlights, (-100, -80, -60), (-40, -20, 20, 60, 100)),
        *_WHITE_BALANCE,
        _style(style.vibrance, (0, 20), (40, 60, 80, 100)),
        *_COMPOSITION,
    ),
    _REFERENCES,
)

# The same distortions, with each series ordered by its distance from the original.
_PERCENT_BELOW = (-100, -80, -60, -40, -20)
_PERCENT_ABOVE = (20, 40, 60, 80, 100)
_REPAIRED = DistortionBank(
    "repaired",
    (
        *_TECHNICAL,
        *_CURVES_AND_STOPS,
        _style(style.shadows, _PERCENT_BELOW, _PERCENT_ABOVE, highlights=0.0),
        _style(style.highlights, _PERCENT_BELOW, _PERCENT_ABOVE, shadows=0.0),
        *_WHITE_BALANCE,
        _style(style.vibrance, _PERCENT_BELOW, _PERCENT_ABOVE),
        *_COMPOSITION,
    ),
    _REFERENCES,
    drops_void_terms=True,
)

BANKS = {bank.name: bank for bank in (_PAPER, _REPAIRED)}


def get_bank(name: str) -> DistortionBank:
    """Returns a bank by its name: "paper" or "repaired".

    Raises:
        ValueError: there is no such bank.

    Example:
        >>> get_bank("paper").num_views
        174
    """
    if name not in BANKS:
        raise ValueError(f"There is no bank {name!r}. Known banks: {', '.join(BANKS)}.")
    return BANKS[name]
