"""Distortions of a photo in levels, and its other views: pixels only, no TensorFlow."""

from nima_pretrain.distortions.bank import DistortionBank, Series, View
from nima_pretrain.distortions.distortion import Aspect, Distortion
from nima_pretrain.distortions.paper import BANKS, get_bank
from nima_pretrain.distortions.views import SquareViews, Views

__all__ = [
    "BANKS",
    "Aspect",
    "Distortion",
    "DistortionBank",
    "Series",
    "SquareViews",
    "View",
    "Views",
    "get_bank",
]
