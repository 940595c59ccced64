"""The cache of published weights, which are downloaded by name on first use."""

import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.progress import counting
from nima_pretrain.weights.bundled import bundled
from nima_pretrain.weights.litert import litert_path
from nima_pretrain.weights.manifest import find_place, is_address
from nima_pretrain.weights.side_car import read_beside, sha256_of, side_car_path

logger = logging.getLogger(__name__)


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
