"""Photographs on disk: find them, decode them to sRGB, check them, split them."""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageCms, ImageOps

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.distortions.geometry import Fit, fit_photo
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing

logger = logging.getLogger(__name__)

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class PhotoError(InputError):
    """A file that is not a photograph we can decode; `path` and `reason` say which and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Scan:
    """What a check of files found.

    Attributes:
        digests: sha256 of every readable file, in the order of the files.
        unreadable: one error for every other file.
    """

    digests: dict[Path, str]
    unreadable: list[PhotoError]

    @property
    def readable(self) -> list[Path]:
        return list(self.digests)

    def digest_of(self, paths: Iterable[Path]) -> str:
        """Returns one sha256 for some of the readable files, whatever their names and order."""
        digests = sorted(self.digests[path] for path in paths)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def find_photos(root: Path) -> list[Path]:
    """Returns the photographs below a folder, sorted by path; a file is returned as it is.

    Extensions count in either case: jpg, jpeg, png, webp, bmp, tif, tiff.

    Raises:
        InputError: there is no such file or folder, or the folder holds no photographs.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"Expected a photo or a folder of photos, but {root} does not exist.")
    photos = [
        Path(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if Path(name).suffix.lower() in EXTENSIONS
    ]
    if not photos:
        known = ", ".join(sorted(extension[1:] for extension in EXTENSIONS))
        raise InputError(f"Found no photos below {root}. Looked for: {known}, in either case.")
    return sorted(photos, key=lambda path: path.relative_to(root).as_posix())


def load_photo(path: Path) -> np.ndarray:
    """Returns a photograph as (H, W, 3) uint8 sRGB, turned upright.

    The EXIF orientation is applied, an embedded colour profile converted to sRGB, 16-bit values
    scaled to 8 bits, transparent parts laid on white.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(_to_srgb(ImageOps.exif_transpose(image), path))
    except PhotoError:
        raise
    # Decoders raise whatever their parsers meet in a broken file: there is no narrower class.
    except Exception as error:
        reason = str(error).replace(str(path), path.name) or type(error).__name__
        raise PhotoError(path, reason) from None


def load_fitted(path: Path, size: int, fit: Fit) -> np.ndarray:
    """Returns a photograph as the network's (size, size, 3) uint8 input.

    Raises:
        PhotoError: the file cannot be decoded.
    """
    return fit_photo(load_photo(path), size, fit)


def scan_photos(paths: Sequence[Path], on_progress: Callable[[int], None] | None = None) -> Scan:
    """Decodes every file once and returns which of them can be read.

    Args:
        paths: the files.
        on_progress: called with the number of files checked so far.
    """
    digests: dict[Path, str] = {}
    unreadable = []
    with ThreadPoolExecutor() as executor:
        checks = ordered_map(executor, _check, paths, ahead=64)
        for count, (path, result) in enumerate(zip(paths, checks, strict=True), start=1):
            if isinstance(result, PhotoError):
                logger.info("unreadable: %s", result)
                unreadable.append(result)
            else:
                digests[path] = result
            if on_progress:
                on_progress(count)
    return Scan(digests, unreadable)


def write_unreadable(file: Path, unreadable: Sequence[PhotoError]) -> None:
    """Writes the list of unreadable files, path and reason, as CSV; also when it is empty."""
    table = pd.DataFrame(
        [(str(error.path), error.reason) for error in unreadable], columns=["path", "reason"]
    )
    with replacing(file) as partial:
        table.to_csv(partial, index=False)


def _check(path: Path) -> str | PhotoError:
    try:
        load_photo(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except PhotoError as error:
        return error


def _to_srgb(image: Image.Image, path: Path) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = _to_eight_bits(image, path)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode in ("P", "1", "LA", "YCbCr", "HSV"):
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile, path)
    image = image.convert("RGB")
    if alpha is None:
        return image
    white = Image.new("RGB", image.size, "white")
    return Image.composite(image, white, alpha)


def _to_eight_bits(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "F":
        raise PhotoError(path, "floating-point pixels have no agreed range; save it as 8 or 16 bit")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise PhotoError(path, "more than 16 bits a pixel; save it as 8 or 16 bit")
    return Image.fromarray(np.uint8(values // 257))


def _apply_profile(image: Image.Image, profile: bytes, path: Path) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        logger.warning("%s: its colour profile is ignored: %s", path, error)
        return image
    return converted if converted is not None else image
