"""The cache of published weights, which are downloaded by name on first use."""

import logging
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.progress import counting
from nima_pretrain.weights import BUNDLED, SUFFIXES
from nima_pretrain.weights.bundled import bundled, bundled_backbone, bundled_of
from nima_pretrain.weights.litert import litert_path
from nima_pretrain.weights.manifest import NAME_PATTERN, find_place, is_address
from nima_pretrain.weights.side_car import Origin, origin_of, read_beside, sha256_of, side_car_path

logger = logging.getLogger(__name__)

AnyNetwork = TypeVar("AnyNetwork", bound=NetworkConfig)


class _File(NamedTuple):
    """A file to bring: its URL or path, its place in the cache, length and hash."""

    address: str
    target: Path
    size: int
    sha256: str


def cache_folder() -> Path:
    """Returns the folder of downloaded weights, below KERAS_HOME or else ~/.keras."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return Path(home).expanduser() / "models" / "nima-pretrain"


def find_weights(weights: str | Path, source: str | None = None) -> Path:
    """Returns the weights file of a path or of a name of bundled or published weights.

    Args:
        weights: a path, which is returned unchanged, or a name without folder and suffix, which is
            looked up among the bundled weights and in the cache, and then downloaded.
        source: see `find_place`.

    Raises:
        InputError: there are no such weights, or they cannot be downloaded.
    """
    text = str(weights)
    is_name = re.fullmatch(NAME_PATTERN, text) and not text.endswith(SUFFIXES)
    if not is_name or Path(text).exists():
        return Path(text)
    return fetch(text, source)


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


def fetch(name: str, source: str | None = None) -> Path:
    """Returns the file of published weights: bundled or in the cache, to which it is downloaded.

    A lock allows several processes to call it: one downloads, the others wait for it.

    Args:
        name: name of the weights.
        source: see `find_place`.

    Raises:
        InputError: there are no such weights, they cannot be downloaded, or the cache cannot be
            written.
    """
    if not source and name in bundled():
        return bundled()[name]
    folder = cache_folder()
    target = folder / f"{name}.h5"
    if _is_whole(target):  # also in a cache that is read only
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            if not _is_whole(target):
                _bring(name, target, source)
            return target
    except OSError as error:
        raise InputError(
            f"Cannot write into the cache {folder}: {error.strerror or error}. Make room, or set "
            "KERAS_HOME to another folder."
        ) from error


def cached() -> dict[str, Path]:
    """Returns the weights in the cache, by name."""
    return {path.stem: path for path in sorted(cache_folder().glob("*.h5"))}


def _is_whole(path: Path) -> bool:
    try:
        read_beside(path)
    except InputError:
        return False
    return True


def _bring(name: str, target: Path, source: str | None) -> None:
    place = find_place(source)
    entry = place.manifest.named(name)
    files = [_File(place.address_of(entry), target, entry.bytes, entry.sha256)]
    if entry.litert_bytes and entry.side_car.litert:
        address = place.address_of(entry, ".tflite")
        sha256 = entry.side_car.litert.sha256
        files.append(_File(address, litert_path(target), entry.litert_bytes, sha256))
    for file in files:
        _bring_file(file)
    content = entry.side_car.model_dump(mode="json", exclude_none=True)
    write_json(side_car_path(target), content)


def _bring_file(file: _File) -> None:
    from nima_pretrain.weights.download import download  # requests takes a while to import

    if is_address(file.address):
        with counting(f"downloading {file.target.name}, bytes", file.size) as show:
            download(file.address, file.target, file.size, file.sha256, show)
        return
    path = Path(file.address)
    if not path.is_file():
        raise InputError(f"Expected the weights {path}, but there is no such file.")
    if path.stat().st_size != file.size or sha256_of(path) != file.sha256:
        raise InputError(
            f"{path} is not the file that was published: its length or sha256 differs. Publish it "
            "again, or take it from another place with --from."
        )
    with replacing(file.target) as partial:
        shutil.copyfile(path, partial)
