"""The manifest: a list of published weights, with length, hash and side-car of each file."""

import os
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

from pydantic import Field, ValidationError, model_validator

from nima_pretrain.config import Config
from nima_pretrain.errors import InputError, reason_of
from nima_pretrain.files import MOST_BYTES, check_length, parse_json, read_text, write_json
from nima_pretrain.weights.side_car import SideCar

MANIFEST = "weights.json"
SOURCE_VARIABLE = "NIMA_PRETRAIN_WEIGHTS"
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._+-]*"

_TIMEOUT = (10, 30)  # seconds: to connect, and between two pieces
_PIECE = 2**16


class Published(Config):
    """One published weights file.

    Attributes:
        name: its name; the file is NAME.h5.
        address: URL or path of the file, absolute or relative to the manifest.
        bytes: length of the file.
        sha256: hash of the file.
        side_car: description of the model.
        litert_bytes: length of NAME.tflite, at the same place; None if there is none.
    """

    name: str = Field(pattern=f"^{NAME_PATTERN}$")
    address: str
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    side_car: SideCar
    litert_bytes: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _is_one_file(self) -> "Published":
        urlsplit(self.address)  # raises ValueError for what cannot be joined to a URL
        if self.sha256 != self.side_car.sha256:
            raise ValueError("its side-car is of another file")
        if (self.litert_bytes is None) != (self.side_car.litert is None):
            raise ValueError("its side-car and litert_bytes do not agree on a .tflite file")
        return self


class Manifest(Config):
    """The published weights of a folder or URL."""

    weights: tuple[Published, ...] = ()

    def named(self, name: str) -> Published:
        """Returns the entry of a name.

        Raises:
            InputError: there is no such entry.
        """
        for entry in self.weights:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.weights) or "none"
        raise InputError(
            f"Expected the name of published weights or a file, received {name!r}. Known: {known}."
        )


class Place(NamedTuple):
    """A manifest and its source `base`: a folder or its URL."""

    manifest: Manifest
    base: str

    def address_of(self, entry: Published, suffix: str = ".h5") -> str:
        """Returns the URL or path of an entry's file, or of the one with another suffix."""
        address = entry.address
        if suffix != ".h5" and is_address(address):
            url = urlsplit(address)
            address = urlunsplit(url._replace(path=url.path.removesuffix(".h5") + suffix))
        elif suffix != ".h5":
            address = address.removesuffix(".h5") + suffix
        if is_address(address):
            return address
        if is_address(self.base):
            return urljoin(self.base, address)
        return str(Path(self.base) / address)


def is_address(text: str) -> bool:
    """Returns True for an HTTP or HTTPS URL, False for a path."""
    return text.lower().startswith(("http://", "https://"))


def bundled_folder() -> Path:
    """Returns the folder of the weights that come with the package, `models/MobileNetV2`."""
    return Path(str(files("nima_pretrain") / "bundled"))


def find_place(source: str | None = None) -> Place:
    """Returns the manifest of published weights, with its source.

    Args:
        source: URL or folder of a manifest; None for that of NIMA_PRETRAIN_WEIGHTS, or else
            `bundled_folder`.

    Raises:
        InputError: there is no manifest, or it is invalid.
    """
    source = source or os.environ.get(SOURCE_VARIABLE) or str(bundled_folder())
    if is_address(source):
        base = source if source.endswith("/") else f"{source}/"
        return Place(_parsed(_fetched(base + MANIFEST), base + MANIFEST), base)
    return Place(read_manifest(Path(source)), source)


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a folder.

    Raises:
        InputError: there is none, or it is invalid.
    """
    file = folder / MANIFEST
    return _parsed(read_text(file, "list of weights"), str(file))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest of a folder."""
    write_json(folder / MANIFEST, manifest.model_dump(mode="json", exclude_none=True))


def _fetched(address: str) -> str:
    import requests

    try:
        with requests.get(address, timeout=_TIMEOUT, stream=True) as response:
            response.raise_for_status()
            content = bytearray()
            for piece in response.iter_content(_PIECE):  # decompressed
                content += piece
                check_length(len(content), MOST_BYTES, address, "list of weights")
        return content.decode("utf-8-sig")
    except (requests.RequestException, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot download the list of weights {address}: {error}. Check the address and the "
            f"network, or name another place with --from or {SOURCE_VARIABLE}."
        ) from None


def _parsed(text: str, origin: str) -> Manifest:
    content = parse_json(text, origin, "list of weights")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{origin} is no list of weights: {reason_of(error)}.") from None
