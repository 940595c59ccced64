"""Weights in files: `.h5` with weights only, and a side-car that says what they are weights of.

The model is always built by code from what the side-car says; nothing is inferred from a path and
nothing in the file is executed.
"""

from collections.abc import Mapping
from pathlib import Path

import keras

from nima_pretrain import __version__
from nima_pretrain.config import NetworkConfig
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.backbone import application, build_backbone
from nima_pretrain.networks.nima import build_nima
from nima_pretrain.pretext.model import build_pretext_model, build_rotnet, build_simclr
from nima_pretrain.pretext.tasks import RotNet, SimCLR
from nima_pretrain.weights import idealo
from nima_pretrain.weights.h5 import finalize, load_layers, save_layers
from nima_pretrain.weights.side_car import (
    Kind,
    ScaleConfig,
    SideCar,
    of_kind,
    read_beside,
    sha256_of,
    side_car_path,
)

__all__ = [
    "ScaleConfig",
    "SideCar",
    "load_base_weights",
    "load_model",
    "load_weights",
    "read_side_car",
    "save_weights",
    "side_car_path",
]


def save_weights(model: keras.Model, path: Path, side_car: SideCar) -> None:
    """Writes a model's weights and their side-car.

    A backbone's file loads with `keras.applications.MobileNetV2(include_top=False, weights=PATH)`
    too, or with whichever function builds its network.
    """
    with replacing(path) as partial:
        save_layers(model, partial)
    side_car = side_car.model_copy(update={"sha256": sha256_of(path)})
    write_json(side_car_path(path), side_car.model_dump(mode="json", exclude_none=True))


def read_side_car(path: Path, kind: Kind | None = None) -> SideCar:
    """Returns the side-car of a weights file, checked against the file.

    idealo's files have none; what they are follows from the layers inside, see `idealo`.

    Raises:
        InputError: see `side_car.read_beside`.
    """
    if path.is_file() and not side_car_path(path).is_file():
        found = idealo.side_car_of(path)
        if found:
            return of_kind(found, kind, path)
    return read_beside(path, kind)


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
        model = build_nima(backbone, side_car.score_scale.bins, head=side_car.head)
        if not side_car_path(path).is_file():
            load_weights(model, path, idealo.layer_names(path))
            return model
    elif side_car.tasks == (RotNet.name,):
        model = build_rotnet(backbone)
    elif side_car.tasks == (SimCLR.name,):
        model = build_simclr(backbone)
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


def load_weights(
    model: keras.Model, path: Path, other_names: Mapping[str, str] | None = None
) -> None:
    """Loads a file into a model that is there already; side-cars are not looked at.

    Args:
        model: built.
        path: of the file.
        other_names: see `h5.load_layers`.

    Raises:
        InputError: the weights do not fit the network.
    """
    try:
        load_layers(model, path, other_names)
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
        pretrained = application(network.backbone, network.width)(
            input_shape=(network.input_size, network.input_size, 3),
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
    finalize(backbone)
