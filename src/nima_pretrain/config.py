"""One frozen configuration per kind of run, read from JSON; a misspelt key is an error.

The defaults are the paper's values (Pfister, Kobs and Hotho, 2021) where it gives them.
"""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json

Tasks = Literal["ranking", "ranking+classification", "ranking+regression"]
BackboneName = Literal[
    "MobileNetV2",
    "MobileNet",
    "ResNet50",
    "VGG16",
    "DenseNet121",
    "InceptionV3",
    "InceptionResNetV2",
    "EfficientNetB0",
]

Share = Annotated[float, Field(gt=0, le=1)]
# Names become folders.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")]


class Config(BaseModel):
    """Frozen; refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(Config):
    """The backbone and the form in which a photo enters it: the same in every stage."""

    backbone: BackboneName = "MobileNetV2"
    width: float = Field(1.0, gt=0, description="alpha of MobileNet and MobileNetV2")
    input_size: int = Field(224, ge=32, description="side of the square input, pixels")
    fit: Literal["letterbox", "squash"] = "letterbox"

    @property
    def network(self) -> "NetworkConfig":
        """These fields alone, as side-cars keep them."""
        return NetworkConfig(**self.model_dump(include=set(NetworkConfig.model_fields)))


class PretrainConfig(NetworkConfig):
    """Pretext training: which views, which tasks, and how long."""

    bank: Literal["paper", "repaired"] = "paper"
    tasks: Tasks = "ranking+regression"
    margin: float = Field(0.2, ge=0, description="m of the ranking loss")
    temperature: float = Field(50.0, gt=0, description="T of the task balance")
    dropout: float = Field(0.2, ge=0, lt=1, description="before each head")
    photos_per_batch: int = Field(8, ge=1, description="each in all its views")
    chunk_size: int = Field(
        12, ge=2, description="images in memory at once, and that batch-norm sees together"
    )
    batch_norm: Literal["train", "frozen"] = Field(
        "train", description="statistics of the chunk, or those the base weights came with"
    )
    epochs: int = Field(20, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    learning_rate_decay: float = Field(0.98, gt=0, le=1, description="factor per epoch")
    rho: float = Field(0.9, ge=0, lt=1, description="RMSProp's decay of squared gradients")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(4e-5, ge=0)
    freeze_backbone_steps: int = Field(0, ge=0, description="steps that train the heads alone")
    split: tuple[PositiveFloat, PositiveFloat, NonNegativeFloat] = Field(
        (100.0, 15.0, 15.0), description="proportions of training, validation and test photos"
    )
    seed: int = Field(0, ge=0, lt=2**31)
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32", description="of the backbone; heads and losses are float32"
    )
    xla: bool = Field(False, description="whether XLA compiles the backbone")
    mirrored: bool = Field(False, description="whether all visible GPUs share each batch")
    num_workers: int | None = Field(None, ge=0, description="None: half the cores; 0: none")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="at most so much work is lost when a run is killed; 0: every step"
    )


class FinetuneConfig(NetworkConfig):
    """NIMA training on human ratings: the head alone first, then everything."""

    dropout: float = Field(0.75, ge=0, lt=1, description="before the head")
    head_start: Literal["random", "mean"] = Field(
        "mean", description="the head begins by predicting the mean of the training ratings"
    )
    batch_size: int = Field(96, ge=1)
    epochs: int = Field(200, ge=1, description="at most; early stopping ends sooner")
    head_epochs: int | None = Field(
        None, ge=0, description="epochs of the head alone; None: until the first plateau"
    )
    head_learning_rate: float = Field(1e-3, gt=0)
    backbone_learning_rate: float = Field(1e-4, gt=0)
    free_head_learning_rate: float | None = Field(
        None, gt=0, description="of the head once the backbone is free; None: as before"
    )
    learning_rate_decay: float = Field(
        0.0, ge=0, description="rates are divided by 1 + this * steps; Keras 2 called it decay"
    )
    weight_decay: float = Field(4e-5, ge=0)
    min_delta: float = Field(1e-4, ge=0, description="least gain in EMD that counts")
    plateau_patience: int | None = Field(
        5, ge=1, description="epochs without gain before rates fall; None: they never do"
    )
    learning_rate_factor: float = Field(0.5, gt=0, lt=1, description="on a plateau")
    early_stopping_patience: int | None = Field(
        10, ge=1, description="epochs without gain before training ends; None: it never does"
    )
    flip: bool = Field(True, description="whether half of the photos are mirrored")
    crop_from: int | None = Field(
        None, ge=32, description="size that random windows are cut from, pixels; None: no crop"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="of the ratings, where no others are given for validation"
    )
    share: float = Field(
        1.0, gt=0, le=1, description="of the training ratings; smaller shares lie in larger ones"
    )
    seed: int = Field(0, ge=0, lt=2**31)
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="at most so much work is lost when a run is killed; 0: every step"
    )

    @model_validator(mode="after")
    def _is_a_schedule(self) -> "FinetuneConfig":
        if self.head_epochs is None and self.plateau_patience is None:
            raise ValueError(
                "without plateau_patience nothing says when the backbone is set free: give "
                "head_epochs"
            )
        if self.learning_rate_decay and self.plateau_patience is not None:
            raise ValueError(
                "learning_rate_decay and plateau_patience both set the rates: give one of them"
            )
        if self.crop_from is not None and self.crop_from < self.input_size:
            raise ValueError(
                f"expected crop_from to be at least input_size ({self.input_size}), received "
                f"{self.crop_from}"
            )
        return self


class TrainConfig(Config):
    """The whole road: both stages, on one network."""

    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _one_network(self) -> "TrainConfig":
        for key in NetworkConfig.model_fields:
            first, second = getattr(self.pretrain, key), getattr(self.finetune, key)
            if first != second:
                raise ValueError(
                    f"both stages need the same {key}, received {first!r} for pretrain and "
                    f"{second!r} for finetune; --set {key}=VALUE sets both"
                )
        return self


class RatingsConfig(Config):
    """Ratings and their images; paths are relative to the working directory."""

    ratings: Path
    images: Path
    scale: str | None = Field(None, description="LOW:HIGH or LOW:HIGH:BINS, where needed")


class StartConfig(Config):
    """What fine-tuning starts from: pretraining, or weights as they are."""

    tasks: Tasks | None = Field(None, description="pretrain from base_weights with these tasks")
    weights: str | None = Field(None, description="imagenet, none or the path of a .h5 file")
    shares: tuple[Share, ...] | None = Field(None, description="None: those of the grid")

    @model_validator(mode="after")
    def _one_of_both(self) -> "StartConfig":
        if (self.tasks is None) == (self.weights is None):
            raise ValueError("a start needs either tasks or weights")
        return self


class ReproduceConfig(Config):
    """A grid of starts, shares of the ratings and seeds: the paper's Table 2, figures 3 and 5."""

    data: RatingsConfig
    folds: Path | None = Field(
        None, description="CSV image_id,fold; each is tested once, the next one chooses the epoch"
    )
    lists: tuple[Path, Path, Path] | None = Field(
        None, description="file lists of training, validation and test, where no column says it"
    )
    transfer: dict[Name, RatingsConfig] = Field(
        {}, description="other ratings to evaluate every model on, such as TID2013"
    )
    photos: Path | None = Field(None, description="to pretrain on")
    photo_lists: tuple[Path, Path, Path] | None = Field(
        None, description="file lists of training, validation and test photos"
    )
    base_weights: str = Field("imagenet", description="what pretraining starts from")
    starts: dict[Name, StartConfig] = {
        "ImageNet": StartConfig(weights="imagenet"),
        "ranking": StartConfig(tasks="ranking"),
        "ranking+classification": StartConfig(tasks="ranking+classification"),
        "ranking+regression": StartConfig(tasks="ranking+regression"),
    }
    baseline: str = "ImageNet"
    shares: tuple[Share, ...] = Field((1.0,), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="of fine-tuning")
    probe: bool = Field(True, description="whether a ridge probe is part of the comparison")
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> "ReproduceConfig":
        if self.folds and self.lists:
            raise ValueError("folds and lists both split the ratings: give one of them")
        if self.baseline not in self.starts:
            raise ValueError(
                f"expected the baseline to be one of {', '.join(self.starts)}, received "
                f"{self.baseline}"
            )
        if self.photos is None and any(start.tasks for start in self.starts.values()):
            raise ValueError("starts with tasks need photos to pretrain on")
        if self.pretrain.network != self.finetune.network:
            raise ValueError("both stages need the same network; --set width=0.35 sets both")
        return self


AnyConfig = TypeVar("AnyConfig", bound=Config)


def load_config(
    kind: type[AnyConfig],
    file: Path | None = None,
    overrides: Sequence[str] = (),
    base: AnyConfig | None = None,
) -> AnyConfig:
    """Returns a configuration: defaults, then a JSON file, then single values.

    Args:
        kind: the class to build.
        file: JSON object with any of the keys, or None.
        overrides: "key=value" or, in a config of both stages, "stage.key=value"; there a key of
            the network without a stage sets both. Values are JSON, or plain strings.
        base: what stands in the place of the defaults.

    Raises:
        InputError: the file cannot be read, a key is unknown or a value does not fit.
    """
    content: dict[str, Any] = base.model_dump() if base else {}
    if file:
        _merge(content, _read_json_object(file))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise InputError(f"Expected --set KEY=VALUE, received {override!r}.")
        for path in _paths_of(kind, key):
            _merge(content, _nested(path, _value_of(text)))
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(_explain(error, kind)) from None


def _read_json_object(file: Path) -> dict[str, Any]:
    content = read_json(file, "config")
    if not isinstance(content, dict):
        raise InputError(f"Expected a JSON object in {file}, received a {type(content).__name__}.")
    return content


def _paths_of(kind: type[Config], key: str) -> list[list[str]]:
    if kind in (TrainConfig, ReproduceConfig) and key in NetworkConfig.model_fields:
        return [["pretrain", key], ["finetune", key]]
    return [key.split(".")]


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def _merge(content: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(key, {}), dict):
            _merge(content.setdefault(key, {}), value)
        else:
            content[key] = value


def _explain(error: ValidationError, kind: type[Config]) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_of(kind)
            nearest = difflib.get_close_matches(place, known, n=1, cutoff=0)
            lines.append(f"Unknown config key {place!r}. Did you mean {nearest[0]!r}?")
        elif place:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            lines.append(f"Config key {place!r}: {message}, received {problem['input']!r}.")
        else:
            lines.append(f"Config: {problem['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)


def _keys_of(kind: type[Config], prefix: str = "") -> list[str]:
    keys = []
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
            keys += _keys_of(field.annotation, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys
