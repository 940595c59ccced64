"""A check of many photographs: which can be read, and what names their content."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import PhotoError, read_photo
from nima_pretrain.files import replacing

logger = logging.getLogger(__name__)


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


def scan_photos(paths: Sequence[Path], on_progress: Callable[[int], None] | None = None) -> Scan:
    """Decodes every file once and returns which of them can be read.

    What a reader should know of single photos, e.g. that one's colour profile is broken, is
    logged.

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
        for note in read_photo(path).notes:
            logger.info("%s: %s", path, note)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except PhotoError as error:
        return error
