"""Explanations: the distortions that a pretext model detects in a photo, in words."""

from pathlib import Path

import numpy as np

from nima_pretrain.distortions import Distortion, DistortionBank, get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.prediction.engines import Engine, load_engine
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import PretextCard

_SHOWN = 3
# One of five levels, the number of most distortions.
_LEAST = 0.2
# Levels within so many standard deviations of those of undistorted photos are not reported.
_USUAL_DEVIATIONS = 2.0
_STRONGEST = 1.0  # level of the training


class Explainer:
    """A describer of the levels predicted by a regression head.

    A head is trained on photos with one distortion each, so its other outputs are unconstrained.
    Therefore levels are compared with those of undistorted photos.

    Attributes:
        model: from photos to levels, (B, D), in the order of the bank; 0 is undistorted, 1 and -1
            are the strongest levels up and down.
        bank: the distortions.
        usual: (D, 2) mean and standard deviation of the levels of undistorted photos, from
            `pretext.levels`.
    """

    def __init__(self, model: Engine, bank: DistortionBank, usual: np.ndarray) -> None:
        self.model = model
        self.bank = bank
        self.usual = usual

    def text(self, levels: np.ndarray) -> str:
        """Returns the strongest distortions, e.g. "exposure +0.6, defocus blur 0.4".

        Levels are relative to the mean of undistorted photos. Levels below 0.2 or within two
        standard deviations are not reported, nor are directions that a distortion does not have,
        such as negative blur. Levels beyond 1 and -1, the strongest of the training, are named as
        such, e.g. "exposure < -1.0": the output has no meaning there.

        Args:
            levels: (D,) predictions for one photo, see `model`.
        """
        mean, deviation = self.usual.T
        unusual = levels - mean
        is_unusual = np.abs(unusual) >= np.maximum(_LEAST, _USUAL_DEVIATIONS * deviation)
        seen = [
            (float(level), distortion)
            for level, distortion, counts in zip(unusual, self.bank, is_unusual, strict=True)
            if counts and (distortion.above if level > 0 else distortion.below)
        ]
        seen.sort(key=lambda pair: -abs(pair[0]))
        return ", ".join(_words(level, distortion) for level, distortion in seen[:_SHOWN])


def load_explainer(path: Path, engine: str | None = None) -> Explainer:
    """Returns an explainer with a pretext model.

    Args:
        path: a `pretext.h5` with a regression head.
        engine: see `engines.engine_for`.

    Raises:
        InputError: the weights are missing, of another kind, or have no regression head.
    """
    side_car = read_side_car(path, PretextCard)
    if "regression" not in side_car.tasks:
        tasks = " and ".join(side_car.tasks) or side_car.method
        raise InputError(
            f"Expected a pretext model with a regression head, but {path} was trained on {tasks}. "
            "Pretrain with --set tasks=ranking+regression."
        )
    bank = get_bank(side_car.bank or "paper")
    usual = side_car.usual_levels or ((0.0, 0.0),) * len(bank)
    if len(usual) != len(bank):
        raise InputError(
            f"Expected usual_levels of the {len(bank)} distortions of {bank.name!r} in the "
            f"side-car of {path}, received {len(usual)}. Take the one that belongs to the weights."
        )
    return Explainer(load_engine(path, side_car, engine), bank, np.array(usual))


def _words(level: float, distortion: Distortion) -> str:
    has_sides = bool(distortion.below and distortion.above)
    within = max(-_STRONGEST, min(level, _STRONGEST))
    number = f"{within:+.1f}" if has_sides else f"{abs(within):.1f}"
    if round(abs(level), 1) > _STRONGEST:
        number = f"{'<' if has_sides and level < 0 else '>'} {number}"
    return f"{distortion.name.replace('_', ' ')} {number}"
