"""Typed results in JSON files, and those of an evaluation."""

from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from nima_pretrain.errors import InputError, reason_of
from nima_pretrain.files import read_json, write_json

RESULTS = "results.json"

Metrics = dict[str, float | None]  # by the names in `metrics.Agreement`; None if undefined


class Results(BaseModel):
    """Base class of results: None is left out of the file, unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_serializer(mode="wrap")
    def _without_none(self, to_dict: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in to_dict(self).items() if value is not None}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Returns the results in a folder.

        Raises:
            InputError: the file cannot be read, is not JSON, or does not hold these results.
        """
        file = folder / RESULTS
        try:
            return cls.model_validate(read_json(file, "results"))
        except ValidationError as error:
            raise InputError(
                f"{file} does not hold the results that are expected there: {reason_of(error)}. "
                "Make it anew."
            ) from None

    def write(self, folder: Path) -> None:
        """Writes the results to `results.json` in a folder."""
        write_json(folder / RESULTS, self.model_dump(mode="json"))


class EvaluationResults(Results):
    """Agreement of a model with human ratings.

    Attributes:
        images: number of readable photos.
        unreadable: number of unreadable photos.
        ratings_sha256: hash of the ratings.
        weights: file name of the model's weights; None in files of version 0.1.
        weights_sha256: hash of the model's weights; None in files of version 0.1.
        with_mirrored: whether scores are means over a photo and its mirror image.
        of_votes: whether the ratings are distributions of votes; if not, EMD means little.
        scale: scale of the ratings.
        model_scale: scale of the model's scores.
        threshold: mean score above which a photo is good.
        fraction_above_threshold: fraction of good photos, by their ratings.
        model: metrics of the unchanged scores.
        mapped: metrics of the scores mapped linearly to the scale of the ratings; None if the
            scales are equal.
        constant: metrics of the constant baseline, the mean distribution of these ratings.
        intervals: 95 % intervals over photos of each metric, for the three above.
        categories: metrics and number of photos by category, if the ratings have categories.
        warning: that the model may be constant; None if its scores differ.
    """

    images: int
    unreadable: int
    ratings_sha256: str
    weights: str | None = None
    weights_sha256: str | None = None
    with_mirrored: bool = False
    of_votes: bool
    scale: str
    model_scale: str
    threshold: float
    fraction_above_threshold: float
    model: Metrics
    mapped: Metrics | None = None
    constant: Metrics
    intervals: dict[str, dict[str, tuple[float, float] | None]] | None = None
    categories: dict[str, dict[str, int | float | None]] | None = None
    warning: str | None = None

    @property
    def variants(self) -> dict[str, Metrics]:
        """Metrics of model, mapped and constant, without those that are None."""
        found = {"model": self.model, "mapped": self.mapped, "constant": self.constant}
        return {name: metrics for name, metrics in found.items() if metrics is not None}

    def interval(self, variant: str, metric: str) -> tuple[float, float] | None:
        """Returns the 95 % interval of a metric, or None."""
        return (self.intervals or {}).get(variant, {}).get(metric)
