"""The side-car: a JSON file beside every weights file that describes the model.

There are three kinds, one class each; the field `kind` names the kind.
"""

import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from nima_pretrain import __version__
from nima_pretrain.config import Config, HeadName, NetworkConfig
from nima_pretrain.data.ratings import MOST_BINS, ScoreScale
from nima_pretrain.errors import InputError, reason_of, shortened
from nima_pretrain.files import read_json

Kind = Literal["backbone", "pretext", "nima"]
Origin = Literal["pretraining", "imagenet"]

# Names the preprocessing of `data/photos.py` and `distortions/geometry.py`; change it with them.
PREPROCESSING = "upright sRGB, short side first, bilinear"


class ScaleConfig(Config):
    """A score scale as stored in the side-car."""

    bins: int = Field(ge=2, le=MOST_BINS)
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _rises(self) -> "ScaleConfig":
        if self.low >= self.high:
            raise ValueError("expected low below high")
        return self


class ReferenceScore(Config):
    """The mean score of a known photograph by these weights, with the sha256 of its file."""

    sha256: str
    mean: FiniteFloat


class LiteRtFile(Config):
    """The `.tflite` file of a model: its hash, and its largest difference to the weights.

    The difference is between the outputs of both engines for the reference photographs.
    """

    sha256: str
    difference: FiniteFloat


class Card(Config):
    """Base class of the side-cars.

    Attributes:
        network: backbone, width, input size, fit.
        sha256: hash of the weights file.
        package_version: version of the package that wrote it.
        training_data: description of the training data, with a hash of the files.
        preprocessing: name of the preprocessing of photos, besides size and fit.
        metrics: metrics of the saved epoch.
        litert: the same model as a `.tflite` file beside the weights, if there is one.
    """

    network: NetworkConfig
    sha256: str = ""
    package_version: str = __version__
    training_data: dict[str, Any] = Field(default_factory=dict)
    preprocessing: str = PREPROCESSING
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    litert: LiteRtFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_version_0_1(cls, content: Any) -> Any:
        """Drops fields of other kinds, which version 0.1 wrote into every side-car."""
        if not isinstance(content, dict):
            return content
        others = {"head", "reference_scores"} - cls.model_fields.keys()
        return {key: value for key, value in content.items() if key not in others}

    @field_validator("package_version")
    @classmethod
    def _is_known(cls, version: str) -> str:
        if not (given := _release_of(version)):
            raise ValueError("expected a version such as 0.2.0")
        if given > _release_of(__version__):
            raise ValueError(f"it is of a later version than {__version__}; update this package")
        return version


class BackboneCard(Card):
    """Side-car of a backbone.

    Attributes:
        origin: the training that made it; ImageNet's classifiers saw crops, so their weights fit
            either `fit` of the network.
    """

    kind: Literal["backbone"] = "backbone"
    origin: Origin = "pretraining"


class PretextCard(Card):
    """Side-car of a pretext model.

    Attributes:
        method: name of the pretext method.
        view_names: ordered names of the views.
        bank: name of the distortion bank, for the method on distorted views.
        tasks: tasks of that method.
        usual_levels: mean and standard deviation of the regression head's levels on undistorted
            photos, in the order of the bank.
    """

    kind: Literal["pretext"] = "pretext"
    method: str = "distortions"
    view_names: tuple[str, ...] | None = None
    bank: str | None = None
    tasks: tuple[str, ...] = ()
    usual_levels: tuple[tuple[FiniteFloat, FiniteFloat], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_method_as_task(cls, content: Any) -> Any:
        """Reads side-cars of version 0.1, in which a method without a bank was its only task."""
        if not isinstance(content, dict) or "method" in content or content.get("bank"):
            return content
        tasks: Any = content.get("tasks") or ()
        return {**content, "method": tasks[0], "tasks": ()} if len(tasks) == 1 else content


class NimaCard(Card):
    """Side-car of a NIMA model.

    Attributes:
        scale: the score scale of the outputs.
        head: "dense" or "mlp".
        training_scores: 0th, 1st, .. 100th percentile of the mean scores it was trained on.
        reference_scores: scores of photos bundled with installed packages, by file name.
    """

    kind: Literal["nima"] = "nima"
    scale: ScaleConfig
    head: HeadName = "dense"
    training_scores: tuple[FiniteFloat, ...] | None = None
    reference_scores: dict[str, ReferenceScore] = Field(default_factory=dict)

    @field_validator("training_scores")
    @classmethod
    def _are_percentiles(cls, scores: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if scores is not None and any(later < before for before, later in pairwise(scores)):
            raise ValueError("expected percentiles, which do not fall")
        return scores

    @property
    def score_scale(self) -> ScoreScale:
        """The score scale of the outputs."""
        return ScoreScale(**self.scale.model_dump())


def origin_of(side_car: Card) -> Origin:
    """Returns the training that the backbone of a model is from."""
    return side_car.origin if isinstance(side_car, BackboneCard) else "pretraining"


SideCar = Annotated[BackboneCard | PretextCard | NimaCard, Field(discriminator="kind")]
AnyCard = TypeVar("AnyCard", bound=Card)

_SIDE_CAR: TypeAdapter[BackboneCard | PretextCard | NimaCard] = TypeAdapter(SideCar)


def side_car_path(weights: Path) -> Path:
    """Returns the path of the side-car of a weights file."""
    return weights.with_suffix(".json")


def read_beside(path: Path) -> BackboneCard | PretextCard | NimaCard:
    """Returns the side-car beside a weights file, checked against the file.

    Raises:
        InputError: one of the two is missing, they do not belong together, or the model needs
            another preprocessing of photos.
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
        side_car = _SIDE_CAR.validate_python(content)
    except ValidationError as error:
        raise InputError(
            f"The side-car {beside} does not fit this version ({__version__}): "
            f"{reason_of(error, 1)}."  # without the kind
        ) from None
    if side_car.sha256 != sha256_of(path):
        raise InputError(
            f"{path} is not the file that {beside.name} describes: its sha256 differs. "
            "Copy both files anew, together."
        )
    if side_car.preprocessing != PREPROCESSING:
        raise InputError(
            f"{path} wants photos prepared by {shortened(side_car.preprocessing)}, this version "
            f"({__version__}) prepares them by {PREPROCESSING!r}. Load it with version "
            f"{side_car.package_version}."
        )
    return side_car


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _release_of(version: str) -> tuple[int, ...]:
    """Returns major and minor version, which change with the format; () if there are none."""
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})(\..{1,40})?", version, re.ASCII)
    return (int(found[1]), int(found[2])) if found else ()
