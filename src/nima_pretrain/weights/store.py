"""Saving and loading of models: a `.h5` file of weights only, and a side-car.

Models are always built by code from the side-car. Nothing is inferred from a path, and nothing in
a file is executed.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras

from nima_pretrain import __version__
from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.backbone import application, build_backbone
from nima_pretrain.networks.nima import build_nima
from nima_pretrain.pretext.methods import method_of_card
from nima_pretrain.weights import idealo
from nima_pretrain.weights.h5 import finalize, load_layers, save_layers
from nima_pretrain.weights.litert import litert_path
from nima_pretrain.weights.reading import expect_kind, read_side_car
from nima_pretrain.weights.side_car import (
    BackboneCard,
    Card,
    NimaCard,
    PretextCard,
    origin_of,
    sha256_of,
    side_car_path,
)


def save_weights(model: keras.Model, path: Path, side_car: Card) -> None:
    """Writes a model's weights and their side-car.

    A backbone's file can also be loaded by the function of its network, e.g.
    `keras.applications.MobileNetV2(include_top=False, weights=PATH)`.

    Args:
        model: the model.
        path: the weights file, `.h5`; an existing one is replaced.
        side_car: its description; the sha256 is filled in.
    """
    with replacing(path) as partial:
        save_layers(model, partial)
    side_car = side_car.model_copy(update={"sha256": sha256_of(path)})
    write_json(side_car_path(path), side_car.model_dump(mode="json", exclude_none=True))


def copy_weights(path: Path, target: Path) -> None:
    """Copies the files of a model to another name; existing files are replaced."""
    files = [(path, target), (side_car_path(path), side_car_path(target))]
    if litert_path(path).is_file():
        files.append((litert_path(path), litert_path(target)))
    for source, copy in files:
        with replacing(copy) as partial:
            shutil.copyfile(source, partial)


def load_model(path: Path | str, kind: type[Card] = Card) -> keras.Model:
    """Returns the model of a weights file and its side-car.

    Args:
        path: a `.h5` file with its `.json` beside it.
        kind: the expected class of the side-car; `Card` for any.

    Raises:
        InputError: see `read_side_car`; or the weights do not fit the network.
    """
    path = Path(path)
    side_car = read_side_car(path, kind)
    network = side_car.network
    model = build_backbone(network.backbone, network.input_size, network.width)
    if isinstance(side_car, NimaCard):
        model = build_nima(model, side_car.score_scale.bins, head=side_car.head)
        if not side_car_path(path).is_file():
            load_weights(model, path, idealo.layer_names(path))
            return model
    elif isinstance(side_car, PretextCard):
        model = _with_heads(model, side_car, path)
    load_weights(model, path)
    return model


def _with_heads(backbone: keras.Model, side_car: PretextCard, path: Path) -> keras.Model:
    try:
        method = method_of_card(side_car.network, side_car.model_dump())
    except ValueError as error:
        raise InputError(f"{path} cannot be loaded: {str(error).rstrip('.')}.") from None
    names = side_car.view_names
    if names != method.views.view_names and (names is not None or side_car.bank):
        raise InputError(
            f"{path} was trained on other views than {method.views.name!r} has in this version "
            f"({__version__}). Load it with version {side_car.package_version}."
        )
    return method.attach_heads(backbone)


def load_weights(
    model: keras.Model, path: Path, other_names: Mapping[str, str] | None = None
) -> None:
    """Loads a weights file into an existing model, without reading a side-car.

    Args:
        model: built.
        path: the weights file.
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
    """Loads the initialization of a training into a backbone.

    Args:
        backbone: from `build_backbone`.
        source: "imagenet" (downloaded by Keras), "none", or the path of a `.h5` file: a backbone
            of this package, a pretext model, whose heads are left out, or weights of the
            keras.applications network without its top.
        network: settings that the backbone was built from.

    Raises:
        InputError: the weights are missing, cannot be downloaded or do not fit.
    """
    if source == "none":
        return
    if source == "imagenet":
        _load_imagenet(backbone, network)
        return
    check_base_weights(source)
    path = Path(source)
    is_pretext = False
    if side_car_path(path).is_file():
        side_car = read_side_car(path, Card)
        is_pretext = isinstance(side_car, PretextCard)
        if not is_pretext:
            expect_kind(side_car, BackboneCard, path)
        found = side_car.network
        # input_size may differ: the network is convolutional and takes any.
        has_fit = origin_of(side_car) == "pretraining"
        for key in ("backbone", "width", *(["fit"] if has_fit else [])):
            if getattr(found, key) != getattr(network, key):
                raise InputError(
                    f"The weights {path} are of {key} {getattr(found, key)!r}, but the config asks "
                    f"for {getattr(network, key)!r}. Pass --set {key}={getattr(found, key)}."
                )
    if is_pretext:
        backbone.set_weights(load_model(path).backbone.get_weights())
        finalize(backbone)
    else:
        load_weights(backbone, path)


def check_base_weights(source: str) -> None:
    """Checks that the source of an initialization is known.

    Raises:
        InputError: it is a path without a file.
    """
    if source not in ("imagenet", "none") and not Path(source).is_file():
        raise InputError(
            f"Expected 'imagenet', 'none' or a weights file, but {source} does not exist."
        )


def _load_imagenet(backbone: keras.Model, network: NetworkConfig) -> None:
    try:
        pretrained = application(network.backbone, network.width)(
            input_shape=(network.input_size, network.input_size, 3),
            include_top=False,
            weights="imagenet",
        )
    except ValueError as error:
        raise InputError(f"There are no ImageNet weights for this network: {error}") from None
    # Keras wraps every error of the download into a bare Exception.
    except Exception as error:
        address = re.search(r"https?://\S+\.h5", str(error))
        raise InputError(
            "The ImageNet weights could not be downloaded; this machine may be offline. Bring "
            f"{address[0] if address else 'the file'} from another one and give its path, or start "
            "from 'bundled' (MobileNetV2 of width 0.35, no download) or 'none'."
        ) from None
    backbone.set_weights(pretrained.get_weights())
    finalize(backbone)
