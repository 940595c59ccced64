"""Scoring of folders into files, which can be resumed, sorted and cut."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from nima_pretrain.data.finding import Listing, listing_of
from nima_pretrain.data.photos import MAX_PIXELS
from nima_pretrain.data.shards import Shard
from nima_pretrain.errors import InputError
from nima_pretrain.locks import locked
from nima_pretrain.prediction.files import ScoreFile, check_output, check_page
from nima_pretrain.prediction.fingerprint_file import FingerprintFile, fingerprint_path
from nima_pretrain.prediction.formats import format_of
from nima_pretrain.prediction.grouping import best_first, fit_columns, write_groups
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.prediction.scoring import BATCH_SIZE
from nima_pretrain.prediction.scoring_rows import (
    Counts,
    standard_output,
    stream_rows,
    write_missing_rows,
)
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard


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
    with_mirrored: bool = False,
    max_pixels: int = MAX_PIXELS,
    full_size: bool = False,
    batch_size: int = BATCH_SIZE,
    allow_empty: bool = False,
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
        with_mirrored: see `scorer.load_scorer`.
        max_pixels: see `scorer.load_scorer`.
        full_size: see `scorer.load_scorer`.
        batch_size: see `scorer.load_scorer`.
        allow_empty: whether folders without photos give an output without rows.
        on_rows: called with the rows of these photos at the end, before `top` removes rows; or
            None. Rows of other photos, which a file that is resumed may hold, are not among them.

    Raises:
        InputError: arguments contradict each other, photos or weights are missing, or the output
            exists, has other content, cannot be written or is being written by another process.

    Example:
        >>> predict("my_photos", weights="runs/nima/nima.h5", output="scores.csv", sort=True)
    """
    file = Path(output) if output is not None else None
    check_output(file, resume=resume, overwrite=overwrite)
    if report:
        check_page(Path(report), file)
    if file is None and sys.stdout is None:
        raise InputError("Standard output is closed. Expected --output FILE.")
    listing = _listing(photos, shard, group, allow_empty)
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
        with_mirrored=with_mirrored,
        max_pixels=max_pixels,
        full_size=full_size,
        batch_size=batch_size,
    )
    with ExitStack() as stack:
        if file:
            stack.enter_context(locked(file, "--output"))
            check_output(file, resume=resume, overwrite=overwrite)  # it may be new by now
        if file is None and not (sort or top is not None or report or on_rows or group):
            return stream_rows(scorer, listing, style)
        path = file
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "scores")
        style = fit_columns(path, style_of, group, scorer.weights) if resume else style
        rows = stack.enter_context(ScoreFile(path, style, resume))
        fingerprints = (
            stack.enter_context(FingerprintFile(fingerprint_path(path), scorer.weights, resume))
            if style.has_groups
            else None
        )
        counts = write_missing_rows(rows, listing, scorer, fingerprints)
        if fingerprints is not None:
            write_groups(rows, fingerprints)
        if report:
            from nima_pretrain.prediction.page import write_score_report

            write_score_report(Path(report), rows, scorer.side_car.score_scale)
        if on_rows:
            on_rows(islice(rows, len(rows) - sum(counts), None))  # the others come first
        if sort or top is not None:
            rows.arrange(best_first(rows, only_best=top is not None)[:top])
        rows.close()
        if file is None:
            with path.open("rb") as written, standard_output() as out:
                shutil.copyfileobj(written, out)
        return counts


def _listing(
    photos: Listing | Path | str | Sequence[Path | str],
    shard: str | None,
    group: bool,
    allow_empty: bool,
) -> Listing:
    part = Shard.parse(shard) if shard is not None else None
    if part is not None and group:
        raise InputError(
            "--group finds similar photos among all photos, a shard has a part of them. Leave out "
            "--group or --shard."
        )
    listing = photos if isinstance(photos, Listing) else listing_of(_arguments(photos))
    if not allow_empty and next(iter(listing), None) is None:
        raise InputError(
            "Found no photos in the folders given: expected names that end in jpg, png, webp, heic "
            "or another known format, in either case. --allow-empty takes them as they are."
        )
    # A shard may hold none of few photos.
    return replace(listing, shard=part) if part is not None else listing


def _arguments(photos: Path | str | Sequence[Path | str]) -> list[str]:
    if isinstance(photos, Path | str):
        return [str(photos)]
    return [str(photo) for photo in photos]
