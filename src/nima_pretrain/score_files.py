"""Scores in files: CSV, JSON and JSON Lines that grow row by row, and are whole at any moment.

Every row is one record, written at once. A program that is killed leaves at most one torn record
at the end, which is taken off when the file is opened again.
"""

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Self

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing

_DIGITS = 6
_LONGEST_TORN = 2**16


@dataclass(frozen=True)
class ScoreRow:
    """What is written about one file.

    Attributes:
        path: as it was given or found; bytes that are no UTF-8 stand as \\udcXX.
        mean: the mean score; None, as all that follows from it, where there is an error.
        std: standard deviation of the predicted ratings, in points.
        percentile: of the mean among the ratings that the model was trained on, 0 to 100.
        distribution: shares of the bins, lowest score first.
        status: "ok" or "error".
        error: why there is no score.
        note: what to know of the decoding.
        explanation: the strongest distortions that a pretext model sees.
        bytes: size of the file; with `modified` it tells whether the file is still the same.
        modified: time of its last change, ISO 8601, UTC.
        weights: first characters of the sha256 of the weights.
    """

    path: str
    mean: float | None = None
    std: float | None = None
    percentile: float | None = None
    distribution: tuple[float, ...] | None = None
    status: str = "ok"
    error: str = ""
    note: str = ""
    explanation: str = ""
    bytes: int | None = None
    modified: str = ""
    weights: str = ""


class ScoreFormat(ABC):
    """How rows become bytes.

    Attributes:
        name: on the command line.
        suffixes: of files in this format.
        head: of a file, a whole line or nothing.
        tail: of a finished file.
        between: what a record begins with if it is not the first.
        keeps_all: whether a row can be read from its record.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    head = b""
    tail = b""
    between = b""
    keeps_all = True

    @abstractmethod
    def record(self, row: ScoreRow) -> bytes:
        """Returns a row as one or more whole lines; nothing if the format has no place for it."""

    @abstractmethod
    def row(self, record: bytes) -> ScoreRow:
        """Returns the row of a record."""

    def is_whole(self, lines: bytes) -> bool:
        """Whether some lines make a record, or its end is still to come."""
        return lines.endswith(b"\n")


class Csv(ScoreFormat):
    """A line a row, below names: path, mean, std, percentile, p1 .. pn, status, ...

    Args:
        bins: n.
    """

    name = "csv"
    suffixes: tuple[str, ...] = (".csv",)

    def __init__(self, bins: int) -> None:
        self.columns: list[str] = []
        for field in fields(ScoreRow):
            is_many = field.name == "distribution"
            self.columns += [f"p{bin + 1}" for bin in range(bins)] if is_many else [field.name]
        self.bins = bins
        self.head = self._line(self.columns)

    def record(self, row: ScoreRow) -> bytes:
        values = _rounded(row)
        place = list(values).index("distribution")
        distribution = values.pop("distribution") or [None] * self.bins
        cells = list(values.values())
        return self._line(cells[:place] + list(distribution) + cells[place:])

    def row(self, record: bytes) -> ScoreRow:
        (cells,) = csv.reader(io.StringIO(record.decode(), newline=""), strict=True)
        values: dict[str, Any] = dict(zip(self.columns, cells, strict=True))
        shares = [values.pop(f"p{bin + 1}") for bin in range(self.bins)]
        for name in ("mean", "std", "percentile"):
            values[name] = float(values[name]) if values[name] else None
        values["bytes"] = int(values["bytes"]) if values["bytes"] else None
        values["distribution"] = tuple(map(float, shares)) if shares[0] else None
        return ScoreRow(**values)

    def is_whole(self, lines: bytes) -> bool:
        # A line break within quotes belongs to a file's name.
        return lines.endswith(b"\n") and lines.count(b'"') % 2 == 0

    @staticmethod
    def _line(cells: Iterable[Any]) -> bytes:
        line = io.StringIO()
        # So that a carriage return in a name is quoted, too.
        csv.writer(line, lineterminator="\r\n").writerow(cells)
        return line.getvalue().removesuffix("\r\n").encode() + b"\n"


class JsonLines(ScoreFormat):
    """An object a line."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")

    def record(self, row: ScoreRow) -> bytes:
        return json.dumps(_rounded(row), ensure_ascii=False, allow_nan=False).encode() + b"\n"

    def row(self, record: bytes) -> ScoreRow:
        values = json.loads(record)
        shares = values.pop("distribution")
        return ScoreRow(**values, distribution=None if shares is None else tuple(shares))


class Json(JsonLines):
    """A list of objects, an object a line; the comma stands before it."""

    name = "json"
    suffixes: tuple[str, ...] = (".json",)
    head = b"[\n"
    tail = b"]\n"
    between = b","


class Idealo(Json):
    """The JSON of idealo's Image Quality Assessment; it has no place for files without a score."""

    name = "idealo"
    suffixes: tuple[str, ...] = ()
    keeps_all = False

    def record(self, row: ScoreRow) -> bytes:
        if row.mean is None:
            return b""
        entry = {
            "image_id": Path(row.path).stem,
            "mean_score_prediction": round(row.mean, _DIGITS),
        }
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"

    def row(self, record: bytes) -> ScoreRow:
        entry = json.loads(record)
        return ScoreRow(path=entry["image_id"], mean=entry["mean_score_prediction"])


def format_of(name: str | None, output: Path | None, bins: int) -> ScoreFormat:
    """Returns the format that is asked for by name, or else by a file's suffix; CSV otherwise.

    Raises:
        InputError: there is no such format.
    """
    formats = (Csv(bins), Json(), JsonLines(), Idealo())
    names = ", ".join(known.name for known in formats)
    if name is not None:
        found = [known for known in formats if known.name == name]
        if not found:
            raise InputError(f"Expected --format to be one of {names}, received {name!r}.")
        return found[0]
    if output is None:
        return formats[0]
    found = [known for known in formats if output.suffix.lower() in known.suffixes]
    if not found:
        raise InputError(
            f"Expected a file that ends in .csv, .json or .jsonl, received {output}. "
            f"Rename it, or say --format with one of {names}."
        )
    return found[0]


class RowWriter:
    """Rows on their way into a pipe or a file.

    Args:
        handle: where they go.
        style: how they are written.
        count: of records that are there already; None for nothing, not even a head.
    """

    def __init__(self, handle: BinaryIO, style: ScoreFormat, count: int | None = None) -> None:
        self._handle = handle
        self._style = style
        self._count = count or 0
        if count is None:
            handle.write(style.head)

    def append(self, row: ScoreRow) -> int:
        """Writes a row, at once, and returns how many bytes it took."""
        size = self.append_record(self._style.record(row))
        self._handle.flush()
        return size

    def append_record(self, record: bytes) -> int:
        """Writes a record that is there already, or nothing, and returns how many bytes it took."""
        if not record:
            return 0
        whole = self._style.between + record if self._count else record
        self._handle.write(whole)
        self._count += 1
        return len(whole)

    def close(self) -> None:
        """Writes what ends a finished file."""
        self._handle.write(self._style.tail)
        self._handle.flush()


class ScoreFile:
    """Rows in a file, in any number: only where each begins is kept in memory.

    Attributes:
        path: of the file.
        style: its format.
    """

    def __init__(self, path: Path, style: ScoreFormat, resume: bool = False) -> None:
        """Opens a file for more rows.

        Args:
            path: of the file; its folder is made.
            style: its format.
            resume: whether rows that are there stay; without any file there are none.

        Raises:
            InputError: the file holds something else, or cannot be written.
        """
        self.path = path
        self.style = style
        self._ends = array("Q", [len(style.head)])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if resume and path.exists():
                self._find_records()
            self._open(is_new=not resume or not path.exists())
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[ScoreRow]:
        with self.path.open("rb") as file:
            for index in range(len(self)):
                if record := self._record(file, index):
                    yield self.style.row(record)

    def append(self, row: ScoreRow) -> None:
        """Writes one more row; it is in the file when this returns.

        Raises:
            InputError: the file system takes no more. The rows before are there.
        """
        try:
            self._ends.append(self._ends[-1] + self._writer.append(row))
        except OSError as error:
            raise self._cannot_write(error) from error

    def arrange(self, order: Iterable[int]) -> None:
        """Writes the file anew with some of its rows in another order, and puts it in its place.

        Args:
            order: numbers of the rows that stay.
        """
        rows = array("Q", order)
        if len(rows) == len(self) and all(row == index for index, row in enumerate(rows)):
            return
        self.close()
        ends = array("Q", [len(self.style.head)])
        with (
            replacing(self.path) as partial,
            self.path.open("rb") as old,
            partial.open("wb") as new,
        ):
            writer = RowWriter(new, self.style)
            for row in rows:
                ends.append(ends[-1] + writer.append_record(self._record(old, row)))
            writer.close()
        self._ends = ends
        self._open()

    def close(self) -> None:
        """Ends the file; nothing can be written any more."""
        if self._handle.closed:
            return
        try:
            with self._handle:
                self._writer.close()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _open(self, is_new: bool = False) -> None:
        self._handle = self.path.open("wb" if is_new else "r+b")
        self._handle.seek(0 if is_new else self._ends[-1])
        self._handle.truncate()
        self._writer = RowWriter(self._handle, self.style, None if is_new else len(self))

    def _record(self, file: BinaryIO, index: int) -> bytes:
        file.seek(self._ends[index])
        record = file.read(self._ends[index + 1] - self._ends[index])
        return record.removeprefix(self.style.between)

    def _find_records(self) -> None:
        style, lines = self.style, b""
        with self.path.open("rb") as file:
            head = file.read(len(style.head))
            if head and not style.head.startswith(head):
                raise self._is_other()
            for line in file:
                if not lines and style.tail and line == style.tail:
                    break
                lines += line
                if style.is_whole(lines):
                    self._check(lines)
                    self._ends.append(self._ends[-1] + len(lines))
                    lines = b""
        if len(lines) > _LONGEST_TORN:  # more than the end of one record
            raise self._is_other()
        if len(head) < len(style.head):  # torn within its very first line
            self.path.write_bytes(style.head)

    def _check(self, record: bytes) -> None:
        try:
            self.style.row(record.removeprefix(self.style.between))
        except (ValueError, TypeError, csv.Error):
            raise self._is_other() from None

    def _is_other(self) -> InputError:
        return InputError(
            f"{self.path} is not a {self.style.name} file as predict writes it for these weights. "
            "Choose another --output, or replace it with --overwrite."
        )

    def _cannot_write(self, error: OSError) -> InputError:
        return InputError(
            f"Cannot write {self.path}: {error.strerror or error}. "
            "Make room, or choose another place; --resume goes on."
        )


def shown(path: str | os.PathLike[str]) -> str:
    """Returns a path as text that can be written anywhere: bytes that are no UTF-8 are escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def _rounded(row: ScoreRow) -> dict[str, Any]:
    values = asdict(row)
    for name in ("mean", "std", "percentile"):
        if values[name] is not None:
            values[name] = round(values[name], _DIGITS)
    if values["distribution"] is not None:
        values["distribution"] = [round(share, _DIGITS) for share in values["distribution"]]
    return values
