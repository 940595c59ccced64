"""Weights by path or by name, among the bundled and the published ones."""

import logging
import re
from pathlib import Path
from typing import TypeVar

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.weights import BUNDLED, SUFFIXES
from nima_pretrain.weights.bundled import bundled_backbone, bundled_of
from nima_pretrain.weights.cache import fetch
from nima_pretrain.weights.manifest import NAME_PATTERN, find_place
from nima_pretrain.weights.side_car import (
    Origin,
    origin_of,
    read_beside,
    sha256_of,
    side_car_path,
)

logger = logging.getLogger(__name__)

AnyNetwork = TypeVar("AnyNetwork", bound=NetworkConfig)


def find_weights(weights: str | Path) -> Path:
    """Returns the weights file of a path or of a name of bundled or published weights.

    Args:
        weights: a path, which is returned unchanged, or a name without folder and suffix, which is
            looked up among the bundled weights and in the cache, and then downloaded.

    Raises:
        InputError: there are no such weights, or they cannot be downloaded.
    """
    text = str(weights)
    is_name = re.fullmatch(NAME_PATTERN, text) and not text.endswith(SUFFIXES)
    if not is_name or Path(text).exists():
        return Path(text)
    return fetch(text)


def find_backbone(
    weights: str | Path, network: NetworkConfig, preferred: Origin = "pretraining"
) -> str:
    """Returns "imagenet" and "none" unchanged, and the path of the file of other weights.

    Args:
        weights: a path, a name, or "bundled".
        network: the network of the backbone, for "bundled".
        preferred: see `bundled_backbone`.

    Raises:
        InputError: see `find_weights` and `bundled_backbone`.
    """
    if weights == BUNDLED:
        return str(bundled_backbone(network, preferred))
    return str(weights) if weights in ("imagenet", "none") else str(find_weights(weights))


def start_from(
    weights: str | Path, config: AnyNetwork, preferred: Origin = "pretraining"
) -> tuple[str, AnyNetwork]:
    """Returns the file of an initialization, and the config with the network that it needs.

    Backbone, width and fit that the config does not set are those of the file's side-car.

    Args:
        weights: see `find_backbone`.
        config: config of a training.
        preferred: see `find_backbone`.

    Raises:
        InputError: see `find_backbone`.
    """
    file = find_backbone(weights, config, preferred)
    if file in ("imagenet", "none") or not side_car_path(Path(file)).is_file():
        return file, config
    side_car = read_beside(Path(file))
    keys = {"backbone", "width"}
    if origin_of(side_car) == "pretraining":
        keys.add("fit")
    network = side_car.network.model_dump(include=keys - config.model_fields_set)
    return file, config.model_copy(update=network)


def sha256_of_start(weights: str) -> str | None:
    """Returns the sha256 of an initialization's file, see `find_backbone`; None without a file."""
    return None if weights in ("imagenet", "none") else sha256_of(Path(weights))


def find_scorer(weights: str | Path | None = None) -> Path:
    """Returns the weights file of a scorer.

    Args:
        weights: a path or a name; None for the first published NIMA weights, which without
            NIMA_PRETRAIN_WEIGHTS are bundled; "bundled" for the first of these.

    Raises:
        InputError: see `find_weights`; or none are published.
    """
    if weights == BUNDLED:
        return bundled_of("nima")
    if weights is not None:
        return find_weights(weights)
    for entry in find_place().manifest.weights:
        if entry.side_car.kind == "nima":
            logger.info("scoring with %s; --weights names others", entry.name)
            return fetch(entry.name)
    raise InputError(
        "No weights that score photos are published there yet. Expected --weights with a nima.h5, "
        "e.g. of `nima-pretrain train` or `finetune`."
    )


def find_explainer(weights: str | Path) -> Path:
    """Returns the weights file of a path or a name, or of the bundled pretext model.

    Args:
        weights: a path, a name, or "bundled".

    Raises:
        InputError: see `find_weights`.
    """
    return bundled_of("pretext") if weights == BUNDLED else find_weights(weights)


def find_model(weights: str | Path) -> tuple[Path, Path]:
    """Returns a weights file, and the folder for results about it.

    Results about a file belong beside it, in its run. Bundled and downloaded weights are in the
    package or in the cache: results about them belong in `runs/NAME` of the working directory.

    Args:
        weights: a path, a name, or "bundled" for the bundled scorer.

    Raises:
        InputError: see `find_weights`.
    """
    file = find_scorer(weights)
    return file, file.parent if file == Path(weights) else Path("runs") / file.stem
