"""Scoring of folders into files, which can be resumed, sorted and cut."""

import logging
import shutil
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.data.finding import Listing, listing_of
from nima_pretrain.data.photos import MAX_PIXELS, PhotoError
from nima_pretrain.data.shards import Shard
from nima_pretrain.errors import InputError
from nima_pretrain.files import locked
from nima_pretrain.prediction.files import RowWriter, ScoreFile, check_output
from nima_pretrain.prediction.fingerprint_file import FingerprintFile, fingerprint_path
from nima_pretrain.prediction.formats import ScoreFormat, ScoreRow, format_of, shown
from nima_pretrain.prediction.grouping import best_first, fit_columns, write_groups
from nima_pretrain.prediction.rows import Stamp, path_of, rows_of, stamp_of
from nima_pretrain.prediction.scorer import Scorer, load_scorer
from nima_pretrain.prediction.scoring import BATCH_SIZE
from nima_pretrain.progress import counting
from nima_pretrain.weights.cache import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """The numbers of files that were scored, that failed, and that had a row already."""

    scored: int
    failed: int
    there_already: int


def predict(
    photos: Listing | Path | str | Sequence[Path | str],
    *,
    weights: Path | str | None = None,
    output: Path | str | None = None,
    format: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shard: str | None = None,
    sort: bool = False,
    top: int | None = None,
    group: bool = False,
    explain: Path | str | None = None,
    report: Path | str | None = None,
    engine: str | None = None,
    max_pixels: int = MAX_PIXELS,
    full_size: bool = False,
    batch_size: int = BATCH_SIZE,
    on_rows: Callable[[Iterable[ScoreRow]], object] | None = None,
) -> Counts:
    """Scores photographs, writes one row per file in the order of the listing, and returns counts.

    Rows are written as soon as they are computed.

    Args:
        photos: files, folders (searched recursively) and patterns; or a listing.
        weights: see `scorer.load_scorer`.
        output: file of the rows; None for standard output.
        format: "csv", "json", "jsonl" or "idealo"; None for the format of the file's suffix.
        resume: whether to keep an existing file, and score only photos without a row, that failed
            or that have changed since.
        overwrite: whether an existing file is replaced.
        shard: "3/8" to score the third of eight parts of the photos, which `merge` puts together;
            None for all photos.
        sort: whether rows are sorted by score at the end, highest first.
        top: number of best rows to keep at the end; None for all. With groups, only the best
            photo of each group counts.
        group: whether rows have the group of near-duplicates of a photo, see
            `grouping.find_groups`. A file that is resumed keeps its groups in any case.
        explain: see `scorer.load_scorer`.
        report: HTML page of thumbnails to write, too, before `top` removes rows; or None.
        engine: see `scorer.load_scorer`.
        max_pixels: see `scorer.load_scorer`.
        full_size: see `scorer.load_scorer`.
        batch_size: see `scorer.load_scorer`.
        on_rows: called with all rows at the end, before `top` removes rows; or None.

    Raises:
        InputError: arguments contradict each other, photos or weights are missing, or the output
            exists, has other content, cannot be written or is being written by another process.

    Example:
        >>> predict("my_photos", weights="runs/nima/nima.h5", output="scores.csv", sort=True)
    """
    file = Path(output) if output is not None else None
    check_output(file, resume=resume, overwrite=overwrite)
    part = Shard.parse(shard) if shard is not None else None
    listing = photos if isinstance(photos, Listing) else listing_of(_arguments(photos))
    if next(iter(listing), None) is None:
        raise InputError(
            "Found no photos in the folders given: expected names that end in jpg, png, webp, heic "
            "or another known format, in either case."
        )
    if part is not None:
        listing = replace(listing, shard=part)  # which may hold none of few photos
    weights = find_scorer(weights)
    bins = read_side_car(weights, NimaCard).score_scale.bins
    style_of = partial(format_of, format, file, bins)
    style = style_of(group)
    if not style.keeps_all and (resume or report or on_rows or group):
        raise InputError(
            f"--format {style.name} keeps no more than names and means, which is too little for "
            "--resume, --report, --xmp and --group. Choose csv, json or jsonl."
        )
    scorer = load_scorer(
        weights,
        explain=explain,
        engine=engine,
        max_pixels=max_pixels,
        full_size=full_size,
        batch_size=batch_size,
    )
    with ExitStack() as stack:
        if file:
            stack.enter_context(locked(file, "--output"))
            check_output(file, resume=resume, overwrite=overwrite)  # it may be new by now
        if file is None and not (sort or top is not None or report or on_rows or group):
            return _stream(scorer, listing, style)
        path = file
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "scores")
        style = fit_columns(path, style_of, group) if resume else style
        rows = stack.enter_context(ScoreFile(path, style, resume))
        fingerprints = (
            stack.enter_context(FingerprintFile(fingerprint_path(path), scorer.weights, resume))
            if style.has_groups
            else None
        )
        counts = _write_missing(rows, listing, scorer, fingerprints)
        if fingerprints is not None:
            write_groups(rows, fingerprints)
        if report:
            from nima_pretrain.prediction.page import write_score_report

            write_score_report(Path(report), rows, scorer.side_car.score_scale)
        if on_rows:
            on_rows(rows)
        if sort or top is not None:
            rows.arrange(best_first(rows, only_best=top is not None)[:top])
        rows.close()
        if file is None:
            with path.open("rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return counts


def _stream(scorer: Scorer, listing: Listing, style: ScoreFormat) -> Counts:
    """Scores photos to standard output, each row as soon as it is there."""
    try:
        writer = RowWriter(sys.stdout.buffer, style)
        total = sum(1 for _ in listing)
        counts = _write(rows_of(scorer, listing, listing.raws_of), writer.append, style, total)
        writer.close()
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        raise InputError(f"Cannot write to standard output: {error.strerror}.") from error
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


def _write_missing(
    file: ScoreFile, listing: Listing, scorer: Scorer, fingerprints: FingerprintFile | None
) -> Counts:
    """Scores the photos without a row, and sorts the file's rows in the order of the listing."""
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
        if row.weights != scorer.weights:
            raise InputError(
                f"{file.path} holds scores by the weights {row.weights}.., not by these, "
                f"{scorer.weights}... Choose another --output, or replace it with --overwrite."
            )
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


def _key(path: str | Path) -> bytes:
    """Returns a short hash of a path, which saves memory for a million of them."""
    return blake2b(shown(path).encode(), digest_size=16).digest()


def _arguments(photos: Path | str | Sequence[Path | str]) -> list[str]:
    if isinstance(photos, Path | str):
        return [str(photos)]
    return [str(photo) for photo in photos]
