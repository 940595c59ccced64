"""Scores for everybody's photographs: which files, which rows, and what is there already."""

import logging
import shutil
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.data.finding import Listing
from nima_pretrain.data.photos import PhotoError
from nima_pretrain.errors import InputError
from nima_pretrain.prediction.files import RowWriter, ScoreFile
from nima_pretrain.prediction.formats import ScoreFormat, ScoreRow, shown
from nima_pretrain.prediction.scorer import Scorer, Stamp, path_of, stamp_of
from nima_pretrain.progress import counting

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """How many files were scored, could not be, and had their row already."""

    scored: int
    failed: int
    there_already: int


@dataclass(frozen=True)
class Job:
    """What to score, and where to.

    Attributes:
        listing: the photographs.
        output: file of the rows; None for standard output.
        style: format of the rows.
        resume: whether photographs that the file has a row of are left out.
        sort: whether rows are sorted by score at the end, highest first.
        top: how many of the best are kept at the end; None for all.
    """

    listing: Listing
    output: Path | None
    style: ScoreFormat
    resume: bool = False
    sort: bool = False
    top: int | None = None


def predict(
    job: Job,
    scorer: Scorer,
    on_finished: Callable[[ScoreFile], None] | None = None,
) -> Counts:
    """Scores photographs and writes a row for each, as they come, in the order of the listing.

    Args:
        job: what to score, and where to.
        scorer: makes the rows.
        on_finished: called with all rows, e.g. to make a report of them, before some are left
            out.

    Raises:
        InputError: the output holds something else, or cannot be written.
    """
    comes_at_the_end = job.sort or job.top is not None or on_finished is not None
    with ExitStack() as stack:
        if job.output is None and not comes_at_the_end:
            writer = RowWriter(sys.stdout.buffer, job.style)
            stack.callback(writer.close)
            total = sum(1 for _ in job.listing)
            return _write(scorer.rows(job.listing), writer.append, job.style, total)
        path = job.output
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "scores")
        file = stack.enter_context(ScoreFile(path, job.style, job.resume))
        counts = _write_missing(file, job.listing, scorer)
        if on_finished:
            on_finished(file)
        if job.sort or job.top is not None:
            file.arrange(_best_first(file)[: job.top])
        file.close()
        if job.output is None:
            with path.open("rb") as rows:
                shutil.copyfileobj(rows, sys.stdout.buffer)
            sys.stdout.buffer.flush()
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


def _write_missing(file: ScoreFile, listing: Listing, scorer: Scorer) -> Counts:
    """Scores what the file has no row of, and brings its rows into the order of the listing."""
    _drop_stale(file, listing, scorer)
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

    counts = _write(scorer.rows(missing()), file.append, file.style, num_missing)
    listed = set(order) if num_before else ()
    others = array("Q", (row for row in range(num_before) if row not in listed))
    file.arrange(others + order)
    return counts._replace(there_already=len(order) - counts.scored - counts.failed)


def _drop_stale(file: ScoreFile, listing: Listing, scorer: Scorer) -> None:
    """Takes rows off that are to be made anew.

    These are rows of listed files that have changed since, or that had no score: it may be that
    only a package or a permission was missing.
    """
    stamps: dict[bytes, tuple[int, Stamp | None]] = {}
    stale = set()
    for index, row in enumerate(file):
        if row.weights != scorer.weights:
            raise InputError(
                f"{file.path} holds scores by the weights {row.weights}.., not by these, "
                f"{scorer.weights}... Choose another --output, or replace it with --overwrite."
            )
        stamps[_key(row.path)] = (
            index,
            Stamp(row.bytes, row.modified) if row.status == "ok" else None,
        )
    for photo in listing if stamps else ():
        known = stamps.get(_key(path_of(photo)))
        if known and known[1] != stamp_of(photo):
            stale.add(known[0])
    if stale:
        file.arrange(row for row in range(len(file)) if row not in stale)


def _best_first(file: ScoreFile) -> list[int]:
    """The numbers of the rows by falling score, those without one last."""
    scores = [-np.inf if row.mean is None else row.mean for row in file]
    return sorted(range(len(scores)), key=lambda row: -scores[row])


def _key(path: str | Path) -> bytes:
    """What stands for a path in memory, where there may be a million of them."""
    return blake2b(shown(path).encode(), digest_size=16).digest()
