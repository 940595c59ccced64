"""The cache of published weights, which are downloaded by name on first use."""

import os
import re
import shutil
from pathlib import Path

from filelock import FileLock

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.progress import counting
from nima_pretrain.weights.manifest import NAME_PATTERN, Published, find_place, is_address
from nima_pretrain.weights.side_car import read_beside, sha256_of, side_car_path


def cache_folder() -> Path:
    """Returns the folder of downloaded weights, below KERAS_HOME or else ~/.keras."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return Path(home).expanduser() / "models" / "nima-pretrain"


def find_weights(weights: str | Path, source: str | None = None) -> Path:
    """Returns the weights file of a path or of a name of published weights.

    Args:
        weights: a path, which is returned unchanged, or a name without folder and suffix, which is
            looked up in the cache and then downloaded.
        source: see `find_place`.

    Raises:
        InputError: there are no such weights, or they cannot be downloaded.
    """
    text = str(weights)
    is_name = re.fullmatch(NAME_PATTERN, text) and not text.endswith((".h5", ".hdf5"))
    if not is_name or Path(text).exists():
        return Path(text)
    return fetch(text, source)


def find_backbone(weights: str | Path) -> str:
    """Returns "imagenet" and "none" unchanged, and the path of the file of other weights.

    Raises:
        InputError: see `find_weights`.
    """
    return str(weights) if weights in ("imagenet", "none") else str(find_weights(weights))


def name_of_default(source: str | None = None) -> str:
    """Returns the name of the first published weights that score photos.

    Args:
        source: see `find_place`.

    Raises:
        InputError: there are none.
    """
    for entry in find_place(source).manifest.weights:
        if entry.side_car.kind == "nima":
            return entry.name
    raise InputError(
        "No weights that score photos are published there yet. Expected --weights with a nima.h5, "
        "e.g. of `nima-pretrain train` or `finetune`."
    )


def fetch(name: str, source: str | None = None) -> Path:
    """Returns the file of published weights in the cache, downloaded if it is missing.

    A lock allows several processes to call it: one downloads, the others wait for it.

    Args:
        name: name of the weights.
        source: see `find_place`.

    Raises:
        InputError: there are no such weights, they cannot be downloaded, or the cache cannot be
            written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            target = folder / f"{name}.h5"
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
    from nima_pretrain.weights.download import download  # requests takes a while to import

    place = find_place(source)
    entry = place.manifest.named(name)
    address = place.address_of(entry)
    if is_address(address):
        with counting(f"downloading {name}, bytes", entry.bytes) as show:
            download(address, target, entry.bytes, entry.sha256, show)
    else:
        _copy(Path(address), target, entry)
    content = entry.side_car.model_dump(mode="json", exclude_none=True)
    write_json(side_car_path(target), content)


def _copy(file: Path, target: Path, entry: Published) -> None:
    if not file.is_file():
        raise InputError(f"Expected the weights {file}, but there is no such file.")
    if file.stat().st_size != entry.bytes or sha256_of(file) != entry.sha256:
        raise InputError(
            f"{file} is not the file that was published: its length or sha256 differs. Publish it "
            "again, or take it from another place with --from."
        )
    with replacing(target) as partial:
        shutil.copyfile(file, partial)
