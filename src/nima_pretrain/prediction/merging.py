"""Merging of score files, such as the shards of several machines, into one."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.locks import locked
from nima_pretrain.prediction.files import LONGEST_TORN, check_output, records_in
from nima_pretrain.prediction.formats import NOT_A_ROW, Csv, JsonLines, format_of
from nima_pretrain.prediction.row_writer import RowWriter
from nima_pretrain.prediction.score_row import ScoreRow, check_row
from nima_pretrain.progress import counting

_NAMED_CONFLICTS = 5
# Rows wait in this format, which keeps all fields and any number of bins.
_WAITING = JsonLines()


class MergedCounts(NamedTuple):
    """The numbers of photos with and without a score, and of rows that several files had."""

    scored: int
    failed: int
    doubled: int


def merge(
    parts: Sequence[Path | str],
    output: Path | str,
    *,
    sort: bool = False,
    top: int | None = None,
    overwrite: bool = False,
) -> MergedCounts:
    """Merges score files into one with one row per photo, ordered by path, and returns counts.

    The paths of a folder are in the order in which `predict` writes them. Rows wait in a temporary
    database on disk, so memory does not depend on their number.

    Args:
        parts: files that `predict` wrote, in any of the formats csv, json and jsonl.
        output: the file to write, at once; its suffix is its format.
        sort: whether rows are ordered by score, highest first, and rows without one last.
        top: number of best rows to keep; None for all.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: a file is missing, incomplete, of another kind or has groups, the files hold
            scores by different weights or different rows for a photo, or the output exists or
            cannot be written.

    Example:
        >>> merge(["part1.csv", "part2.csv"], "scores.csv")
    """
    output = Path(output)
    check_output(output, resume=False, overwrite=overwrite)
    format_of(None, output, bins=0)  # refuses the suffix of no format, before all the reading
    try:
        with locked(output, "--output"), closing(sqlite3.connect("")) as database:
            merged = _MergedRows(database)
            merged.add([Path(part) for part in parts])
            return merged.write(output, by_score=sort or top is not None, top=top)
    except sqlite3.OperationalError as error:
        raise InputError(
            f"Cannot keep the rows in the folder for temporary files: {error}. Make room there, or "
            "name another folder in TMPDIR."
        ) from error


class _MergedRows:
    """The rows of several files, one per path."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._bins: int | None = None
        self._doubled = 0
        # Nothing is ever rolled back. Bytes of UTF-8 are in the order of the paths' characters.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute(
            "CREATE TABLE rows (path BLOB PRIMARY KEY, mean REAL, part INTEGER, record BLOB)"
        )

    def add(self, parts: Sequence[Path]) -> None:
        """Adds the rows of files.

        Raises:
            InputError: see `merge`.
        """
        first: tuple[Path, ScoreRow] | None = None
        conflicts: list[str] = []
        with counting("merging rows", None) as show:
            count = 0
            for number, part in enumerate(parts):
                for row in self._rows_in(part):
                    first = first or (part, row)
                    if row.weights != first[1].weights:
                        raise InputError(
                            f"{part} holds scores by the weights {row.weights}, {first[0]} by "
                            f"{first[1].weights}. Score all parts with the same weights, and all "
                            "or none --with-mirrored."
                        )
                    other = self._add(row, number)
                    if other is not None:
                        conflicts.append(f"{row.path} ({parts[other]} and {part})")
                    count += 1
                    show(count)
        if conflicts:
            rest = len(conflicts) - _NAMED_CONFLICTS
            raise InputError(
                "Expected one row per photo, but two files have different rows for "
                f"{', '.join(conflicts[:_NAMED_CONFLICTS])}{f' and {rest} more' * (rest > 0)}. "
                "Leave out the file that is out of date."
            )

    def write(self, output: Path, *, by_score: bool, top: int | None) -> MergedCounts:
        """Writes rows into a file.

        Args:
            output: the file.
            by_score: whether rows are ordered by falling score; else by path.
            top: number of rows to keep, or None.

        Raises:
            InputError: the file cannot be written.
        """
        style = format_of(None, output, self._bins or 0)
        if isinstance(style, Csv) and self._bins is None:
            raise InputError(
                "None of the rows has a score, so the columns of a CSV file are unknown. Choose an "
                "--output that ends in .json or .jsonl."
            )
        order = "mean IS NULL, mean DESC, path" if by_score else "path"
        records = self._database.execute(
            f"SELECT record FROM rows ORDER BY {order} LIMIT ?", (-1 if top is None else top,)
        )
        scored = failed = 0
        with replacing(output) as partial, partial.open("wb") as file:
            writer = RowWriter(file, style)
            for (record,) in records:
                row = _WAITING.row(record)
                writer.append_record(style.record(row))
                scored, failed = scored + (row.status == "ok"), failed + (row.status != "ok")
            writer.close()
        return MergedCounts(scored, failed, self._doubled)

    def _add(self, row: ScoreRow, part: int) -> int | None:
        """Adds a row; returns the number of a file that has another row for the path, or None."""
        path = row.path.encode("utf-8", "surrogatepass")
        record = _WAITING.record(row)
        added = self._database.execute(
            "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)", (path, row.mean, part, record)
        )
        if added.rowcount:
            return None
        find = "SELECT part, record FROM rows WHERE path = ?"
        other, known = self._database.execute(find, (path,)).fetchone()
        self._doubled += known == record
        return None if known == record else other

    def _rows_in(self, part: Path) -> Iterator[ScoreRow]:
        try:
            with part.open("rb") as file:
                yield from self._rows_of(part, file)
        except OSError as error:
            raise InputError(f"Cannot read the score file {part}: {error.strerror}.") from None

    def _rows_of(self, part: Path, file: BinaryIO) -> Iterator[ScoreRow]:
        head = file.readline()
        bins = len(re.findall(rb"(?<=,)p[0-9]+(?=,)", head))
        style = format_of(None, part, bins, has_groups=head.endswith(b",best_of_group\n"))
        if not head.startswith(style.head):
            raise _not_a_score_file(part, style.name)
        if isinstance(style, Csv):
            self._check_bins(part, bins)
        file.seek(len(style.head))
        for record in records_in(file, style):
            if not style.is_whole(record):
                if len(record) > LONGEST_TORN:
                    raise _not_a_score_file(part, style.name)
                raise InputError(
                    f"{part} ends within a row, so its run was stopped. Go on with it by predict "
                    "--resume, and merge then."
                )
            try:
                row = style.row(record.removeprefix(style.between))
                check_row(row)
            except NOT_A_ROW:
                raise _not_a_score_file(part, style.name) from None
            if row.best_of_group is not None:
                raise InputError(
                    f"{part} holds the groups of one run, which know nothing of other files. Merge "
                    "files that predict wrote without --group."
                )
            if row.distribution is not None:
                self._check_bins(part, len(row.distribution))
            yield row

    def _check_bins(self, part: Path, bins: int) -> None:
        self._bins = self._bins or bins
        if bins != self._bins:
            raise InputError(
                f"{part} holds distributions of {bins} scores, the files before it of "
                f"{self._bins}. Score all parts with the same weights."
            )


def _not_a_score_file(part: Path, name: str) -> InputError:
    return InputError(
        f"{part} is not a {name} file as predict writes it. Expected an --output of predict."
    )
