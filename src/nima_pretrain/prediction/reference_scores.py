"""Reference scores of bundled photos, recorded with the weights and verified on other machines."""

import hashlib
from typing import NamedTuple

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.samples import lossless_photos
from nima_pretrain.prediction.engines import Engine
from nima_pretrain.prediction.scoring import score_photos
from nima_pretrain.weights.side_car import NimaCard, ReferenceScore

# As a fraction of the scale's width. Machines differ by some millionths; a wrong channel order,
# rotation or rescaling makes a difference of at least some hundredths.
_TOLERANCE = 1e-3


class ScoreCheck(NamedTuple):
    """The comparison of one photo's recorded and computed score.

    Attributes:
        name: file name.
        expected: mean score in the side-car, in points.
        received: mean score here; None if the photo differs from the recorded one.
        agrees: whether the two are equal within the tolerance; None if they cannot be compared.
    """

    name: str
    expected: float
    received: float | None
    agrees: bool | None


def reference_scores(model: Engine, scale: ScoreScale) -> dict[str, ReferenceScore]:
    """Returns the mean scores of photos bundled with installed packages, by file name.

    Args:
        model: a NIMA model.
        scale: its score scale.

    Raises:
        InputError: a package no longer contains one of the photos.
    """
    scores = {}
    for score in score_photos(model, scale, lossless_photos()):
        assert score.mean is not None
        scores[score.path.name] = ReferenceScore(
            sha256=hashlib.sha256(score.path.read_bytes()).hexdigest(),
            mean=round(score.mean, 6),
        )
    return scores


def compare_reference_scores(model: Engine, side_car: NimaCard) -> list[ScoreCheck]:
    """Returns the comparison of a model's scores with those recorded in its side-car.

    Args:
        model: a NIMA model.
        side_car: the side-car of its weights.
    """
    scale = side_car.score_scale
    tolerance = _TOLERANCE * (scale.scores[-1] - scale.scores[0])
    here = reference_scores(model, scale)
    comparisons = []
    for name, expected in side_car.reference_scores.items():
        received = here.get(name)
        if received is None or received.sha256 != expected.sha256:
            comparisons.append(ScoreCheck(name, expected.mean, None, None))
        else:
            agrees = bool(abs(received.mean - expected.mean) <= tolerance)
            comparisons.append(ScoreCheck(name, expected.mean, received.mean, agrees))
    return comparisons
