"""The side-car: a JSON beside every weights file that says what they are weights of."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from nima_pretrain import __version__
from nima_pretrain.config import Config, HeadName, NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json

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
        head: of a nima model.
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
    head: HeadName = "dense"
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


def read_beside(path: Path, kind: Kind | None = None) -> SideCar:
    """Returns the side-car that lies beside a weights file, checked against the file.

    Raises:
        InputError: one of the two is missing, they do not belong together, the photos that it
            wants are prepared in another way, or the weights are not of the kind that is asked
            for.
    """
    if not path.is_file():
        raise InputError(f"Expected a weights file, but {path} does not exist.")
    beside = side_car_path(path)
    if not beside.is_file():
        raise InputError(
            f"Expected the side-car {beside.name} beside {path}. Without it nothing says which "
            "network these weights belong to; copy both files together."
        )
    content = read_json(beside, "side-car")
    try:
        side_car = SideCar.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        what = problem["msg"]
        if place:
            what = f"{place}: {what}, received {problem['input']!r}"
        raise InputError(
            f"The side-car {beside} does not fit this version ({__version__}): {what}."
        ) from None
    if side_car.sha256 != sha256_of(path):
        raise InputError(
            f"{path} is not the file that {beside.name} describes: its sha256 differs. "
            "Copy both files anew, together."
        )
    if side_car.preprocessing != PREPROCESSING:
        raise InputError(
            f"{path} wants photos prepared by {side_car.preprocessing!r}, this version "
            f"({__version__}) prepares them by {PREPROCESSING!r}. Load it with version "
            f"{side_car.package_version}."
        )
    return of_kind(side_car, kind, path)


def of_kind(side_car: SideCar, kind: Kind | None, path: Path) -> SideCar:
    """Returns a side-car if it is of a kind.

    Raises:
        InputError: it is of another.
    """
    if kind and side_car.kind != kind:
        raise InputError(
            f"Expected weights of a {kind} model, but {path} holds those of a {side_car.kind} "
            "model, as its side-car says."
        )
    return side_car


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
