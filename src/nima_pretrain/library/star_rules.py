"""The rules by which the percentile of a score becomes stars."""

from dataclasses import dataclass
from itertools import pairwise

from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming

_THRESHOLDS = (5, 20, 50, 80, 95)
THRESHOLDS = ",".join(map(str, _THRESHOLDS))  # as an option


@dataclass(frozen=True)
class StarRules:
    """The rules by which scored photos get stars.

    Attributes:
        thresholds: five percentiles, 0 to 100, that do not fall. A photo gets one star for each
            that its own percentile reaches, and at least one.
        rank: whether the percentile is that among the scored photos at hand, not that among the
            training ratings of the model.
        reject: whether photos below the first threshold are rejected, -1.
        sidecar: the sidecars to write.
        overwrite: whether stars that people gave are replaced.
    """

    thresholds: tuple[float, ...] = _THRESHOLDS
    rank: bool = False
    reject: bool = False
    sidecar: Naming = Naming.FULL
    overwrite: bool = False

    def stars(self, percentile: float) -> int:
        """Returns the stars of a percentile, 1 to 5 or -1."""
        reached = sum(percentile >= threshold for threshold in self.thresholds)
        return reached or (-1 if self.reject else 1)


def rules_of(
    stars: str = THRESHOLDS,
    *,
    rank: bool = False,
    reject: bool = False,
    sidecar: str = Naming.FULL,
    overwrite_stars: bool = False,
) -> StarRules:
    """Returns the rules of options, see `stars.stars`.

    Raises:
        InputError: an option has an unknown value.
    """
    try:
        thresholds = tuple(float(part) for part in stars.split(","))
    except ValueError:
        thresholds = ()
    is_ordered = all(low <= high for low, high in pairwise(thresholds))
    if len(thresholds) != 5 or not is_ordered or thresholds[0] < 0 or thresholds[-1] > 100:
        raise InputError(
            "Expected --stars to be the percentiles for 1 to 5 stars, five numbers from 0 to 100 "
            f"that do not fall, such as {THRESHOLDS}, received {stars!r}."
        )
    if sidecar not in list(Naming):
        raise InputError(
            f"Expected --sidecar to be one of {', '.join(Naming)}, received {sidecar!r}."
        )
    return StarRules(thresholds, rank, reject, Naming(sidecar), overwrite_stars)
