"""The formats of score files: CSV, JSON, JSON Lines and idealo's JSON, one record per row."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from nima_pretrain.errors import InputError
from nima_pretrain.prediction.score_row import ScoreRow

_DIGITS = 6

# Raised by `ScoreFormat.row` for a record that is no row.
NOT_A_ROW = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    csv.Error,
)


_GROUP_FIELDS = ("group", "best_of_group")


class ScoreFormat(ABC):
    """Base class of the formats.

    Args:
        has_groups: whether records contain the groups of photos.

    Attributes:
        name: its name on the command line.
        suffixes: suffixes of files in this format.
        head: start of a file, a complete line or nothing.
        tail: end of a finished file.
        between: prefix of every record but the first.
        start: beginning of every record, in a format that has no head to be recognized by.
        keeps_all: whether a record contains all fields of its row.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    head = b""
    tail = b""
    between = b""
    start = b""
    keeps_all = True

    def __init__(self, has_groups: bool = False) -> None:
        self.has_groups = has_groups

    @abstractmethod
    def record(self, row: ScoreRow) -> bytes:
        """Returns a row as one or more complete lines; nothing if the format cannot express it."""

    @abstractmethod
    def row(self, record: bytes) -> ScoreRow:
        """Returns the row of a record, with the fields that the format keeps."""

    def is_whole(self, lines: bytes) -> bool:
        """Returns True if lines form a complete record, False if its end is missing."""
        return lines.endswith(b"\n")

    def _fields(self, row: ScoreRow) -> dict[str, Any]:
        """Returns the fields of a record, with rounded numbers."""
        values = asdict(row)
        for name in () if self.has_groups else _GROUP_FIELDS:
            del values[name]
        for name in ("mean", "std", "percentile"):
            if values[name] is not None:
                values[name] = round(values[name], _DIGITS)
        if row.distribution is not None:
            values["distribution"] = [round(share, _DIGITS) for share in row.distribution]
        return values


class Csv(ScoreFormat):
    """CSV with a header: path, mean, std, percentile, p1 .. pn, status, ...

    Args:
        bins: n, the number of bins of the distribution.
        has_groups: see `ScoreFormat`.
    """

    name = "csv"
    suffixes: tuple[str, ...] = (".csv",)

    def __init__(self, bins: int, has_groups: bool = False) -> None:
        super().__init__(has_groups)
        self.columns: list[str] = []
        for field in fields(ScoreRow):
            if field.name in _GROUP_FIELDS and not has_groups:
                continue
            is_many = field.name == "distribution"
            self.columns += [f"p{bin + 1}" for bin in range(bins)] if is_many else [field.name]
        self.bins = bins
        self.head = self._line(self.columns)

    def record(self, row: ScoreRow) -> bytes:
        values = self._fields(row)
        if row.best_of_group is not None and self.has_groups:
            values["best_of_group"] = "yes" if row.best_of_group else "no"
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
        if self.has_groups:
            best = values["best_of_group"]
            values["best_of_group"] = {"yes": True, "no": False}.get(best)
            values["group"] = values["group"] if best else None
        return ScoreRow(**values)

    def is_whole(self, lines: bytes) -> bool:
        # A line break within quotes is part of a file name.
        return lines.endswith(b"\n") and lines.count(b'"') % 2 == 0

    @staticmethod
    def _line(cells: Iterable[Any]) -> bytes:
        line = io.StringIO()
        # With this terminator a carriage return in a name is quoted, too.
        csv.writer(line, lineterminator="\r\n").writerow(cells)
        return line.getvalue().removesuffix("\r\n").encode() + b"\n"


class JsonLines(ScoreFormat):
    """JSON Lines: one object per line."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")
    start = b'{"path": '

    def record(self, row: ScoreRow) -> bytes:
        return json.dumps(self._fields(row), ensure_ascii=False, allow_nan=False).encode() + b"\n"

    def row(self, record: bytes) -> ScoreRow:
        values = json.loads(record)
        shares = values.pop("distribution")
        return ScoreRow(**values, distribution=None if shares is None else tuple(shares))


class Json(JsonLines):
    """JSON: a list of objects, one per line, each but the first preceded by a comma."""

    name = "json"
    suffixes: tuple[str, ...] = (".json",)
    head = b"[\n"
    tail = b"]\n"
    between = b","
    start = b""


class Idealo(Json):
    """The JSON of idealo's Image Quality Assessment; it cannot express files without a score."""

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
        if not record:
            return ScoreRow(path="", status="error")
        entry = json.loads(record)
        return ScoreRow(path=entry["image_id"], mean=entry["mean_score_prediction"])


def format_of(
    name: str | None, output: Path | None, bins: int, has_groups: bool = False
) -> ScoreFormat:
    """Returns the format of a name, or else of a file's suffix, or else CSV.

    Args:
        name: name of the format, or None.
        output: the output file, or None.
        bins: number of bins of the distributions.
        has_groups: whether records contain the groups of photos.

    Raises:
        InputError: the name or the suffix is unknown.
    """
    formats = (Csv(bins, has_groups), Json(has_groups), JsonLines(has_groups), Idealo())
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
