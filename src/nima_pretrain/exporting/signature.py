"""The signature of an export, `signature.json`: all that a caller in another language must know."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from nima_pretrain import __version__
from nima_pretrain.config import Config, NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError, reason_of
from nima_pretrain.exporting.formats import FormatName, Precision
from nima_pretrain.files import read_json
from nima_pretrain.weights.side_car import NimaCard

SIGNATURE = "signature.json"

Shape = tuple[int | None, ...]  # None is the number of photos

_STEPS = {
    "squash": "bilinear with antialiasing until the short side has {0} pixels, and bilinear to "
    "{0} x {0} pixels without keeping the aspect ratio",
    "letterbox": "bilinear with antialiasing until the short side has {0} pixels, centred in a "
    "black square of the long side, and bilinear to {0} x {0} pixels",
}


class Tensor(Config):
    """An input or output: name, dtype, shape with null for the number of photos, and meaning."""

    name: str
    dtype: str
    shape: Shape
    meaning: str


class Pixels(Tensor):
    """The input of pixels.

    Attributes:
        range: smallest and largest value.
        channels: order of the last axis.
        resize: "squash" or "letterbox".
        steps: the same in words.
    """

    range: tuple[float, float]
    channels: Literal["RGB"] = "RGB"
    resize: Literal["squash", "letterbox"]
    steps: str


class Scale(Config):
    """The score scale: every score that the distribution has a share for, lowest first."""

    bins: int
    low: float
    high: float
    scores: tuple[float, ...]


class Check(Config):
    """The comparison with the weights, on reference photographs, in points of the scale.

    Attributes:
        largest_difference: of mean scores, measured in the format's own runtime.
        allowed: an export with a larger difference is refused.
    """

    largest_difference: float
    allowed: float


class OtherSignature(Config):
    """Another input of the same model, with the limits of what it accepts."""

    name: str
    input: Tensor
    outputs: tuple[Tensor, ...]
    limits: tuple[str, ...] = ()
    check: Check


class Signature(Config):
    """The content of `signature.json`.

    Attributes:
        format: the format of the export.
        precision: the type that weights are stored as; all computation is in float32.
        file: the model's file in the folder; "." for the folder itself.
        runtime_options: what the runtime must be told to compute the exact scores.
        weights: name of the weights file.
        weights_sha256: its hash.
        network: its network.
        input: the input of pixels.
        outputs: distributions and mean scores.
        scale: the score scale of the outputs.
        other_signatures: other inputs that a SavedModel accepts.
        check: the comparison with the weights.
        reference_scores: mean scores of the reference photographs by the weights, by file name.
        package_version: version of the package that wrote the export.
    """

    format: FormatName
    precision: Precision
    file: str
    runtime_options: dict[str, str]
    weights: str
    weights_sha256: str
    network: NetworkConfig
    input: Pixels
    outputs: tuple[Tensor, Tensor]
    scale: Scale
    other_signatures: tuple[OtherSignature, ...] = ()
    check: Check
    reference_scores: dict[str, float]
    package_version: str = __version__

    @property
    def score_scale(self) -> ScoreScale:
        """The score scale of the outputs."""
        return ScoreScale(self.scale.bins, self.scale.low, self.scale.high)


def pixels_of(network: NetworkConfig, name: str, batch: int | None) -> Pixels:
    """Returns the description of the input of pixels."""
    size = network.input_size
    return Pixels(
        name=name,
        dtype="uint8",
        shape=(batch, size, size, 3),
        meaning="photos in sRGB, upright; rescaling of the values is part of the model",
        range=(0, 255),
        resize=network.fit,
        steps=_STEPS[network.fit].format(size),
    )


def outputs_of(
    scale: ScoreScale, names: tuple[str, str], batch: int | None
) -> tuple[Tensor, Tensor]:
    """Returns the descriptions of distributions and mean scores."""
    distribution, mean = names
    shares = "shares of the scores, lowest score first; they sum to 1"
    points = "expected score, in points of the scale"
    return (
        Tensor(name=distribution, dtype="float32", shape=(batch, scale.bins), meaning=shares),
        Tensor(name=mean, dtype="float32", shape=(batch,), meaning=points),
    )


def scale_of(side_car: NimaCard) -> Scale:
    """Returns the description of a model's score scale."""
    scores = side_car.score_scale.scores.tolist()
    return Scale(bins=len(scores), low=scores[0], high=scores[-1], scores=tuple(scores))


def read_signature(folder: Path) -> Signature:
    """Returns the signature of an export.

    Args:
        folder: the folder of the export.

    Raises:
        InputError: the folder is no export, or one of another version.
    """
    path = folder / SIGNATURE
    if not path.is_file():
        raise InputError(
            f"Expected an export in {folder}, but it has no {SIGNATURE}. "
            "`nima-pretrain export --to FORMAT DIR` writes one."
        )
    try:
        return Signature.model_validate(read_json(path, "signature"))
    except ValidationError as error:
        raise InputError(
            f"{path} does not fit this version ({__version__}): {reason_of(error)}. "
            "Export the weights again."
        ) from None
