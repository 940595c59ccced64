"""Scores that weights give to known photographs: whether they still do, here and today."""

import hashlib
from typing import NamedTuple

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.samples import lossless_photos
from nima_pretrain.metrics import mean_score
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import score_photos
from nima_pretrain.weights.side_car import ReferenceScore, SideCar

# Of the width of the scale. Machines differ by some millionths; a wrong channel order, rotation
# or rescaling makes a difference of hundredths at least.
_TOLERANCE = 1e-3


class Comparison(NamedTuple):
    """One photograph: what it is to score, what it scores, and whether that is the same.

    Attributes:
        name: of its file.
        expected: mean score in the side-car.
        received: mean score here; None if the photograph is another one than then.
        agrees: whether the two are the same but for rounding; None if they cannot be compared.
    """

    name: str
    expected: float
    received: float | None
    agrees: bool | None


def reference_scores(model: PhotoModel, scale: ScoreScale) -> dict[str, ReferenceScore]:
    """Returns the mean scores of the photographs that installed packages carry, by name.

    Args:
        model: a NIMA model.
        scale: of its scores.
    """
    scores = {}
    for score in score_photos(model, lossless_photos()):
        assert score.distribution is not None
        scores[score.path.name] = ReferenceScore(
            sha256=hashlib.sha256(score.path.read_bytes()).hexdigest(),
            mean=round(float(mean_score(score.distribution, scale.scores)), 6),
        )
    return scores


def compare_reference_scores(model: PhotoModel, side_car: SideCar) -> list[Comparison]:
    """Returns how a model's scores compare with those that its side-car records.

    Args:
        model: a NIMA model.
        side_car: of its weights.
    """
    scale = side_car.score_scale
    tolerance = _TOLERANCE * (scale.scores[-1] - scale.scores[0])
    here = reference_scores(model, scale)
    comparisons = []
    for name, expected in side_car.reference_scores.items():
        received = here.get(name)
        if received is None or received.sha256 != expected.sha256:
            comparisons.append(Comparison(name, expected.mean, None, None))
        else:
            agrees = bool(abs(received.mean - expected.mean) <= tolerance)
            comparisons.append(Comparison(name, expected.mean, received.mean, agrees))
    return comparisons
