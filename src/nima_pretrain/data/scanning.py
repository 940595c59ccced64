"""A check of many photographs: readable files with their digests, and unreadable ones."""

import hashlib
import logging
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nima_pretrain.data import raw
from nima_pretrain.data.archives import open_file
from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import read_photo
from nima_pretrain.errors import PhotoError
from nima_pretrain.files import write_table
from nima_pretrain.progress import counting

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scan:
    """The result of a check of files.

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
        """Returns one sha256 of some readable files' content, independent of names and order."""
        digests = sorted(self.digests[path] for path in paths)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def scan_photos(paths: Sequence[Path], longest: float = math.inf) -> Scan:
    """Returns the readable and the unreadable files, after decoding each file once.

    Remarks on single photos, e.g. a broken colour profile, are logged.

    Args:
        paths: the files.
        longest: files of photos longer than this many times their short side count as unreadable.
    """
    digests: dict[Path, str] = {}
    unreadable = []
    with ThreadPoolExecutor() as executor, counting("checking photos", len(paths)) as show:
        checks = ordered_map(executor, partial(_check, longest=longest), paths, ahead=64)
        for count, (path, result) in enumerate(zip(paths, checks, strict=True), start=1):
            if isinstance(result, PhotoError):
                logger.info("unreadable: %s", result)
                unreadable.append(result)
            else:
                digests[path] = result
            show(count)
    return Scan(digests, unreadable)


def write_unreadable(file: Path, unreadable: Sequence[PhotoError]) -> None:
    """Writes the unreadable files as CSV `path,reason`, even if there are none."""
    import pandas as pd  # not at the start: scoring takes a third longer to begin with it

    table = pd.DataFrame(
        [(str(error.path), error.reason) for error in unreadable], columns=["path", "reason"]
    )
    write_table(file, table)


def _check(path: Path, longest: float) -> str | PhotoError:
    try:
        photo = read_photo(path)
        short, long = sorted(photo.pixels.shape[:2])
        if long > longest * short:
            return PhotoError(
                path, f"{long} by {short} pixels: longer than {longest:g} times its short side"
            )
        for note in photo.notes:
            if note not in raw.NOTES:  # which every RAW file has
                logger.info("%s: %s", path, note)
        with open_file(path) as file:
            return hashlib.sha256(file.read()).hexdigest()
    except PhotoError as error:
        return error
    except OSError as error:  # it vanished, or its disk fails, after it was decoded
        return PhotoError(path, error.strerror or str(error))
