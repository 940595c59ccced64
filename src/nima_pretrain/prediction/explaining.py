"""What a pretext model sees in a photo: how strong which distortions would have to be."""

from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.distortions import Distortion, DistortionBank, get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import Outputs, outputs_of_photos
from nima_pretrain.pretext.model import PretextModel
from nima_pretrain.weights.store import load_model, read_side_car

_SHOWN = 3
# One of the five levels that most distortions have.
_LEAST = 0.2
# What lies within so many deviations of what undistorted photos get is no news.
_USUAL_DEVIATIONS = 2.0


class Explainer:
    """Puts the levels that a regression head tells into words.

    A head learns each distortion from photos that have this one alone, so on others it is free to
    say anything. What counts is therefore how a photo differs from undistorted ones.

    Attributes:
        model: from photos to levels, (B, D), in the order of the bank; 0 is undistorted, 1 and -1
            are the strongest levels up and down.
        bank: the distortions.
        usual: (D, 2) mean and deviation of the levels of undistorted photos, from `usual_levels`.
    """

    def __init__(self, model: PhotoModel, bank: DistortionBank, usual: np.ndarray) -> None:
        self.model = model
        self.bank = bank
        self.usual = usual

    def text(self, levels: np.ndarray) -> str:
        """Returns the strongest distortions, e.g. "exposure +0.6, defocus blur 0.4".

        Levels are given from what is usual. Left out are those below a fifth or within two
        deviations, and directions that a distortion does not have, such as less blur than none.

        Args:
            levels: (D,) of one photo.
        """
        mean, deviation = self.usual.T
        unusual = levels - mean
        is_news = np.abs(unusual) >= np.maximum(_LEAST, _USUAL_DEVIATIONS * deviation)
        seen = [
            (float(level), distortion)
            for level, distortion, news in zip(unusual, self.bank, is_news, strict=True)
            if news and (distortion.above if level > 0 else distortion.below)
        ]
        seen.sort(key=lambda pair: -abs(pair[0]))
        return ", ".join(_words(level, distortion) for level, distortion in seen[:_SHOWN])


def load_explainer(path: Path) -> Explainer:
    """Returns what a pretext model with a regression head sees.

    Raises:
        InputError: the weights are of another kind, or have no such head.
    """
    side_car = read_side_car(path, "pretext")
    if "regression" not in (side_car.tasks or ()):
        raise InputError(
            f"Expected a pretext model with a regression head, but {path} was trained on "
            f"{' and '.join(side_car.tasks or ())}. Pretrain with --set tasks=ranking+regression."
        )
    bank = get_bank(side_car.bank or "paper")
    usual = side_car.usual_levels or ((0.0, 0.0),) * len(bank)
    return Explainer(levels_model(load_model(path), side_car.network), bank, np.array(usual))


def levels_model(pretext: PretextModel, network: NetworkConfig) -> PhotoModel:
    """Returns the part of a pretext model that tells the levels of single photos."""
    levels = pretext.heads.get_layer("levels")(pretext.backbone.output)
    return PhotoModel(keras.Model(pretext.backbone.input, levels), network)


def usual_levels(model: PhotoModel, photos: Iterable[Path]) -> tuple[tuple[float, float], ...]:
    """Returns mean and deviation of every distortion's level on undistorted photos.

    Args:
        model: from `levels_model`.
        photos: some that can be read.
    """
    outputs = [outputs for _, outputs in outputs_of_photos([model], photos)]
    levels = np.stack([seen.by_model[0] for seen in outputs if isinstance(seen, Outputs)])
    pairs = zip(levels.mean(axis=0).tolist(), levels.std(axis=0).tolist(), strict=True)
    return tuple(pairs)


def _words(level: float, distortion: Distortion) -> str:
    has_sides = bool(distortion.below and distortion.above)
    number = f"{level:+.1f}" if has_sides else f"{abs(level):.1f}"
    return f"{distortion.name.replace('_', ' ')} {number}"
