"""Scores for everybody's photographs: which files, which rows, and what is there already."""

import shutil
import sys
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from nima_pretrain.data.finding import Listing
from nima_pretrain.data.photos import MAX_PIXELS, PhotoError
from nima_pretrain.errors import InputError
from nima_pretrain.metrics import mean_score, percentile_of, score_spread
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.networks.side_car import SideCar
from nima_pretrain.prediction.explaining import Explainer
from nima_pretrain.prediction.files import RowWriter, ScoreFile
from nima_pretrain.prediction.formats import ScoreFormat, ScoreRow, shown
from nima_pretrain.progress import counting
from nima_pretrain.scoring import BATCH_SIZE, Score, score_photos

_DIGEST_SHOWN = 8


@dataclass(frozen=True)
class Scorer:
    """What turns files into rows.

    Attributes:
        model: a NIMA model.
        side_car: of its weights.
        explainer: says what else is to be seen in a photo; or None.
        batch_size: photos that go through the network at once.
        max_pixels: larger files are refused.
    """

    model: PhotoModel
    side_car: SideCar
    explainer: Explainer | None = None
    batch_size: int = BATCH_SIZE
    max_pixels: int = MAX_PIXELS

    @property
    def weights(self) -> str:
        """What rows call the weights."""
        return self.side_car.sha256[:_DIGEST_SHOWN]

    def rows(self, photos: Iterable[Path | PhotoError]) -> Iterator[ScoreRow]:
        """Yields one row a file, in the order of the files."""
        stamps: deque[_Stamp] = deque()

        def stamped() -> Iterator[Path | PhotoError]:
            for photo in photos:
                # Before it is read: a file that changes meanwhile is to be scored again.
                stamps.append(_stamp_of(photo))
                yield photo

        explainer = self.explainer
        levels_model = explainer.model if explainer else None
        for score in score_photos(
            self.model, stamped(), self.batch_size, self.max_pixels, levels_model
        ):
            stamp = stamps.popleft()
            yield replace(self._row(score), bytes=stamp.bytes, modified=stamp.modified)

    def _row(self, score: Score) -> ScoreRow:
        row = ScoreRow(shown(score.path), note="; ".join(score.notes), weights=self.weights)
        if score.distribution is None:
            return replace(row, status="error", error=score.error)
        scale, quantiles = self.side_car.score_scale, self.side_car.training_scores
        distribution = score.distribution.astype(np.float64)
        mean = float(mean_score(distribution, scale))
        explanation = ""
        if self.explainer is not None and score.levels is not None:
            explanation = self.explainer.text(score.levels)
        return replace(
            row,
            mean=mean,
            std=float(score_spread(distribution, scale)),
            percentile=percentile_of(mean, np.array(quantiles)) if quantiles else None,
            distribution=tuple(distribution.tolist()),
            explanation=explanation,
        )


class Counts(NamedTuple):
    """How many files were scored, could not be, and had their row already."""

    scored: int
    failed: int
    there_already: int


class _Stamp(NamedTuple):
    """What tells whether a file is still the same."""

    bytes: int | None
    modified: str


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
    console: Console | None = None,
    on_finished: Callable[[ScoreFile], None] | None = None,
) -> Counts:
    """Scores photographs and writes a row for each, as they come, in the order of the listing.

    Args:
        job: what to score, and where to.
        scorer: makes the rows.
        console: where a progress bar is drawn, or None.
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
            return _write(scorer.rows(job.listing), writer.append, total, console)
        path = job.output
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "scores")
        file = stack.enter_context(ScoreFile(path, job.style, job.resume))
        counts = _write_missing(file, job.listing, scorer, console)
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
    total: int,
    console: Console | None,
) -> Counts:
    scored = failed = 0
    with counting(console, "scoring photos", total) as show:
        for row in rows:
            append(row)
            is_scored = row.status == "ok"
            scored, failed = scored + is_scored, failed + (not is_scored)
            show(scored + failed)
    return Counts(scored, failed, 0)


def _write_missing(
    file: ScoreFile, listing: Listing, scorer: Scorer, console: Console | None
) -> Counts:
    """Scores what the file has no row of, and brings its rows into the order of the listing."""
    _drop_stale(file, listing, scorer)
    num_before = len(file)
    known = {_key(row.path): index for index, row in enumerate(file)}
    num_missing = sum(_key(_path_of(photo)) not in known for photo in listing)
    order = array("Q")

    def missing() -> Iterator[Path | PhotoError]:
        next_row = num_before
        for photo in listing:
            row = known.get(_key(_path_of(photo)))
            if row is None:
                row, next_row = next_row, next_row + 1
                yield photo
            order.append(row)

    counts = _write(scorer.rows(missing()), file.append, num_missing, console)
    listed = set(order) if num_before else ()
    others = array("Q", (row for row in range(num_before) if row not in listed))
    file.arrange(others + order)
    return counts._replace(there_already=len(order) - counts.scored - counts.failed)


def _drop_stale(file: ScoreFile, listing: Listing, scorer: Scorer) -> None:
    """Takes rows off that are to be made anew.

    These are rows of listed files that have changed since, or that had no score: it may be that
    only a package or a permission was missing.
    """
    stamps: dict[bytes, tuple[int, _Stamp | None]] = {}
    stale = set()
    for index, row in enumerate(file):
        if row.weights != scorer.weights:
            raise InputError(
                f"{file.path} holds scores by the weights {row.weights}.., not by these, "
                f"{scorer.weights}... Choose another --output, or replace it with --overwrite."
            )
        stamps[_key(row.path)] = (
            index,
            _Stamp(row.bytes, row.modified) if row.status == "ok" else None,
        )
    for photo in listing if stamps else ():
        known = stamps.get(_key(_path_of(photo)))
        if known and known[1] != _stamp_of(photo):
            stale.add(known[0])
    if stale:
        file.arrange(row for row in range(len(file)) if row not in stale)


def _best_first(file: ScoreFile) -> list[int]:
    """The numbers of the rows by falling score, those without one last."""
    scores = [-np.inf if row.mean is None else row.mean for row in file]
    return sorted(range(len(scores)), key=lambda row: -scores[row])


def _path_of(photo: Path | PhotoError) -> Path:
    return photo.path if isinstance(photo, PhotoError) else photo


def _key(path: str | Path) -> bytes:
    """What stands for a path in memory, where there may be a million of them."""
    return blake2b(shown(path).encode(), digest_size=16).digest()


def _stamp_of(photo: Path | PhotoError) -> _Stamp:
    try:
        status = _path_of(photo).stat()
    except OSError:
        return _Stamp(None, "")
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=status.st_mtime_ns // 1000)
    return _Stamp(status.st_size, moment.isoformat(timespec="microseconds"))
