"""Weights in files: `.h5` with weights only, and a side-car that says what they are weights of.

The model is always built by code from what the side-car says; nothing is inferred from a path and
nothing in the file is executed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import keras
from pydantic import Field, ValidationError

from nima_pretrain import __version__
from nima_pretrain.config import Config, NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.backbone import build_backbone
from nima_pretrain.networks.h5 import load_layers, save_layers
from nima_pretrain.networks.nima import build_nima
from nima_pretrain.networks.pretext import build_pretext_model

Kind = Literal["backbone", "pretext", "nima"]


class ScaleConfig(Config):
    """A score scale as the side-car holds it."""

    bins: int = Field(ge=2)
    low: float
    high: float


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
    metrics: dict[str, float] = Field(default_factory=dict)

    @property
    def score_scale(self) -> ScoreScale:
        """The scale of a nima model's scores."""
        assert self.scale is not None
        return ScoreScale(**self.scale.model_dump())


def side_car_path(weights: Path) -> Path:
    """Returns the path of the JSON beside a weights file."""
    return weights.with_suffix(".json")


def save_weights(model: keras.Model, path: Path, side_car: SideCar) -> None:
    """Writes a model's weights and their side-car.

    A backbone's file loads with `keras.applications.MobileNetV2(include_top=False, weights=PATH)`
    too.
    """
    with replacing(path) as partial:
        save_layers(model, partial)
    side_car = side_car.model_copy(update={"sha256": _sha256(path)})
    write_json(side_car_path(path), side_car.model_dump(mode="json", exclude_none=True))


def read_side_car(path: Path, kind: Kind | None = None) -> SideCar:
    """Returns the side-car of a weights file, checked against the file.

    Raises:
        InputError: one of the two is missing, they do not belong together, or the weights are not
            of the kind that is asked for.
    """
    if not path.is_file():
        raise InputError(f"Expected a weights file, but {path} does not exist.")
    beside = side_car_path(path)
    if not beside.is_file():
        raise InputError(
            f"Expected the side-car {beside.name} beside {path}. Without it nothing says which "
            "network these weights belong to; copy both files together."
        )
    try:
        side_car = SideCar.model_validate(json.loads(beside.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise InputError(f"{beside} is not a side-car of this package: {error}") from None
    if side_car.sha256 != _sha256(path):
        raise InputError(
            f"{path} is not the file that {beside.name} describes: its sha256 differs. "
            "Copy both files anew, together."
        )
    if kind and side_car.kind != kind:
        raise InputError(
            f"Expected weights of a {kind} model, but {path} holds those of a {side_car.kind} "
            "model, as its side-car says."
        )
    return side_car


def load_model(path: Path | str, kind: Kind | None = None) -> keras.Model:
    """Returns the model that a weights file and its side-car describe.

    Args:
        path: a `.h5` file with its `.json` beside it.
        kind: what it has to be, or None for any.

    Raises:
        InputError: see `read_side_car`; or the weights do not fit the network.
    """
    path = Path(path)
    side_car = read_side_car(path, kind)
    network = side_car.network
    backbone = build_backbone(network.backbone, network.input_size, network.width)
    if side_car.kind == "backbone":
        load_weights(backbone, path)
        return backbone
    if side_car.kind == "nima":
        model = build_nima(backbone, side_car.score_scale.bins)
    else:
        bank = get_bank(side_car.bank or "paper")
        if side_car.view_names != bank.view_names:
            raise InputError(
                f"{path} was trained on other views than the bank {bank.name!r} has in this "
                f"version ({__version__}). Load it with version {side_car.package_version}."
            )
        model = build_pretext_model(backbone, bank, side_car.tasks or ())
    load_weights(model, path)
    return model


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads a file into a model that is there already; side-cars are not looked at.

    Raises:
        InputError: the weights do not fit the network.
    """
    try:
        load_layers(model, path)
    except (ValueError, OSError) as error:
        raise InputError(
            f"The weights {path} do not fit the network "
            f"({model.name}, {model.count_params():,} parameters): {error}"
        ) from None


def load_base_weights(backbone: keras.Model, source: str, network: NetworkConfig) -> None:
    """Loads the weights that a training starts from into a backbone.

    Args:
        backbone: from `build_backbone`.
        source: "imagenet" (fetched by Keras), "none", or the path of a `.h5` file: a backbone of
            ours, or weights of the keras.applications network without its top.
        network: what the backbone was built from.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    if source == "none":
        return
    if source == "imagenet":
        _load_imagenet(backbone, network)
        return
    path = Path(source)
    if not path.is_file():
        raise InputError(
            f"Expected 'imagenet', 'none' or a weights file, but {source} does not exist."
        )
    if side_car_path(path).is_file():
        found = read_side_car(path, "backbone").network
        # Not input_size: the network is convolutional and takes any.
        for key in ("backbone", "width", "fit"):
            if getattr(found, key) != getattr(network, key):
                raise InputError(
                    f"The weights {path} are of {key} {getattr(found, key)!r}, but the config asks "
                    f"for {getattr(network, key)!r}. Pass --set {key}={getattr(found, key)}."
                )
    load_weights(backbone, path)


def _load_imagenet(backbone: keras.Model, network: NetworkConfig) -> None:
    try:
        pretrained = keras.applications.MobileNetV2(
            input_shape=(network.input_size, network.input_size, 3),
            alpha=network.width,
            include_top=False,
            weights="imagenet",
        )
    except ValueError as error:
        raise InputError(f"There are no ImageNet weights for this network: {error}") from None
    # Keras wraps whatever the download met into a bare Exception.
    except Exception as error:
        raise InputError(
            f"The ImageNet weights could not be downloaded: {error}. Give the path of a "
            "downloaded file, or 'none'."
        ) from None
    backbone.set_weights(pretrained.get_weights())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
