"""Scoring of photos into rows: streamed to standard output, or added to a file that lacks them."""

import logging
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nima_pretrain.data.finding import Listing
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.prediction.files import ScoreFile, records_in
from nima_pretrain.prediction.fingerprint_file import FingerprintFile
from nima_pretrain.prediction.formats import NOT_A_ROW, ScoreFormat
from nima_pretrain.prediction.row_writer import RowWriter
from nima_pretrain.prediction.rows import Stamp, path_of, rows_of, stamp_of
from nima_pretrain.prediction.score_row import MIRRORED, ScoreRow, shown
from nima_pretrain.prediction.scorer import Scorer
from nima_pretrain.progress import counting

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """The numbers of files that were scored, that failed, and that had a row already."""

    scored: int
    failed: int
    there_already: int


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Yields standard output, and flushes it in the end.

    Raises:
        InputError: it cannot be written. A reader that has seen enough is no error.
    """
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        raise InputError(f"Cannot write to standard output: {error.strerror}.") from error


def stream_rows(scorer: Scorer, listing: Listing, style: ScoreFormat) -> Counts:
    """Scores photos to standard output, each row as soon as it is there."""
    with standard_output() as output:
        writer = RowWriter(output, style)
        total = sum(1 for _ in listing)
        counts = _write(rows_of(scorer, listing, listing.raws_of), writer.append, style, total)
        writer.close()
    return counts


def _write(
    rows: Iterable[ScoreRow],
    append: Callable[[ScoreRow], object],
    style: ScoreFormat,
    total: int,
) -> Counts:
    scored = failed = 0
    with counting("scoring photos", total) as show:
        for row in rows:
            append(row)
            is_scored = row.status == "ok"
            if not is_scored and not style.keeps_all:
                logger.warning("%s: %s", row.path, row.error)
            scored, failed = scored + is_scored, failed + (not is_scored)
            show(scored + failed)
    return Counts(scored, failed, 0)


def write_missing_rows(
    file: ScoreFile, listing: Listing, scorer: Scorer, fingerprints: FingerprintFile | None
) -> Counts:
    """Scores the photos without a row, and sorts the file's rows in the order of the listing.

    Rows of photos that are not listed come first; the counts are those of the listed ones.
    """
    _drop_stale(file, listing, scorer, fingerprints)
    num_before = len(file)
    known = {_key(row.path): index for index, row in enumerate(file)}
    num_missing = sum(_key(path_of(photo)) not in known for photo in listing)
    order = array("Q")

    def missing() -> Iterator[Path | PhotoError]:
        next_row = num_before
        for photo in listing:
            row = known.get(_key(path_of(photo)))
            if row is None:
                row, next_row = next_row, next_row + 1
                yield photo
            order.append(row)

    rows = rows_of(scorer, missing(), listing.raws_of, fingerprints)
    counts = _write(rows, file.append, file.style, num_missing)
    listed = set(order) if num_before else ()
    others = array("Q", (row for row in range(num_before) if row not in listed))
    file.arrange(others + order)
    return counts._replace(there_already=len(order) - counts.scored - counts.failed)


def _drop_stale(
    file: ScoreFile, listing: Listing, scorer: Scorer, fingerprints: FingerprintFile | None
) -> None:
    """Removes the rows of listed files that have changed, or have no score or fingerprint.

    Failed files are scored again, since a missing package or permission may have been the reason.
    A RAW file that was scored before its JPEG came loses its row, since both are one photo.
    """
    stamps: dict[bytes, tuple[int, Stamp | None]] = {}
    stale = set()
    for index, row in enumerate(file):
        _check_weights(file.path, row, scorer.weights)
        is_whole = row.status == "ok" and (fingerprints is None or row in fingerprints)
        stamps[_key(row.path)] = index, Stamp(row.bytes, row.modified) if is_whole else None
    for photo in listing if stamps else ():
        known = stamps.get(_key(path_of(photo)))
        if known and known[1] != stamp_of(photo):
            stale.add(known[0])
        for raw in listing.raws_of(path_of(photo)):
            of_raw = stamps.get(_key(path_of(photo).with_name(raw)))
            if of_raw:
                stale.add(of_raw[0])
    if stale:
        file.arrange(row for row in range(len(file)) if row not in stale)


def check_first_row(file: Path, style: ScoreFormat, weights: str) -> None:
    """Checks that a score file is by these weights, before anything beside it is touched.

    Args:
        file: the file; what is no score file, or cannot be read, is left to `ScoreFile`.
        style: its format.
        weights: see `Scorer.weights`.

    Raises:
        InputError: its first row is by others.
    """
    try:
        with file.open("rb") as records:
            if records.read(len(style.head)) != style.head:
                return
            record = next(records_in(records, style), b"")
    except OSError:
        return
    row = None
    with suppress(*NOT_A_ROW):
        row = style.row(record) if style.is_whole(record) else None
    if row is not None:
        _check_weights(file, row, weights)


def _check_weights(file: Path, row: ScoreRow, weights: str) -> None:
    if row.weights == weights:
        return
    if row.weights.removesuffix(MIRRORED) == weights.removesuffix(MIRRORED):
        with_or_without, remedy = (
            ("without", "Leave out") if weights.endswith(MIRRORED) else ("with", "Give")
        )
        raise InputError(
            f"{file} holds scores {with_or_without} mirror images. {remedy} --with-mirrored, or "
            "choose another file."
        )
    raise InputError(
        f"{file} holds scores by the weights {row.weights}, not by these, {weights}. Choose "
        "another --output, or replace it with --overwrite."
    )


def _key(path: str | Path) -> bytes:
    """Returns a short hash of a path, which saves memory for a million of them."""
    return blake2b(shown(path).encode(), digest_size=16).digest()
