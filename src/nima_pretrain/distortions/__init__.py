"""Ways to spoil a photograph, in steps, and other views of it: pixels only, no TensorFlow."""

from nima_pretrain.distortions.augmentations import AugmentedPair
from nima_pretrain.distortions.bank import (
    VOID_GREY_LEVELS,
    Aspect,
    Distortion,
    DistortionBank,
    Series,
)
from nima_pretrain.distortions.paper import BANKS, get_bank
from nima_pretrain.distortions.rotations import Rotations
from nima_pretrain.distortions.views import Views

__all__ = [
    "BANKS",
    "VOID_GREY_LEVELS",
    "Aspect",
    "AugmentedPair",
    "Distortion",
    "DistortionBank",
    "Rotations",
    "Series",
    "Views",
    "get_bank",
]
