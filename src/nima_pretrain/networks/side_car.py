"""The side-car: a JSON beside every weights file that says what they are weights of."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from nima_pretrain import __version__
from nima_pretrain.config import Config, NetworkConfig
from nima_pretrain.data.ratings import ScoreScale

Kind = Literal["backbone", "pretext", "nima"]

# What `data/photos.py` and `distortions/geometry.py` do; another name when they do otherwise.
PREPROCESSING = "upright sRGB, short side first, bilinear"


class ScaleConfig(Config):
    """A score scale as the side-car holds it."""

    bins: int = Field(ge=2)
    low: float
    high: float


class ReferenceScore(Config):
    """The mean score that weights give to a known photograph."""

    sha256: str
    mean: float


class SideCar(Config):
    """What lies beside a weights file, as JSON.

    Attributes:
        kind: which model the weights belong to.
        network: backbone, width, input size, fit.
        sha256: of the weights file.
        package_version: of the package that wrote it.
        training_data: what it was trained on: a description and a digest of the files.
        bank: name of the distortion bank (pretext).
        view_names: the bank's views in order (pretext).
        tasks: pretext tasks (pretext).
        scale: the scores that the outputs stand for (nima).
        preprocessing: how a photo becomes the network's input, but for size and fit.
        training_scores: 0th, 1st, .. 100th percentile of the mean scores it was trained on (nima).
        reference_scores: of photographs that installed packages carry, by name (nima).
        usual_levels: mean and deviation of the regression head's levels on undistorted photos, in
            the order of the bank (pretext).
        metrics: of the epoch that was kept.
    """

    kind: Kind
    network: NetworkConfig
    sha256: str = ""
    package_version: str = __version__
    training_data: dict[str, Any] = Field(default_factory=dict)
    bank: str | None = None
    view_names: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    scale: ScaleConfig | None = None
    preprocessing: str = PREPROCESSING
    training_scores: tuple[float, ...] | None = None
    reference_scores: dict[str, ReferenceScore] = Field(default_factory=dict)
    usual_levels: tuple[tuple[float, float], ...] | None = None
    metrics: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_enough(self) -> "SideCar":
        if self.kind == "nima" and self.scale is None:
            raise ValueError("a nima model needs its scale")
        return self

    @property
    def score_scale(self) -> ScoreScale:
        """The scale of a nima model's scores."""
        assert self.scale is not None
        return ScoreScale(**self.scale.model_dump())


def side_car_path(weights: Path) -> Path:
    """Returns the path of the JSON beside a weights file."""
    return weights.with_suffix(".json")


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
