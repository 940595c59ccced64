"""Ways to spoil a photograph, in steps: pixels only, without TensorFlow."""

from nima_pretrain.distortions.bank import (
    VOID_GREY_LEVELS,
    Aspect,
    Distortion,
    DistortionBank,
    Series,
)
from nima_pretrain.distortions.banks import BANKS, get_bank

__all__ = [
    "BANKS",
    "VOID_GREY_LEVELS",
    "Aspect",
    "Distortion",
    "DistortionBank",
    "Series",
    "get_bank",
]
