"""The formats of score files: CSV, JSON, JSON Lines and idealo's JSON, one record per row."""

import csv
import io
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nima_pretrain.errors import InputError

_DIGITS = 6

# What `ScoreFormat.row` raises for a record that is no row.
NOT_A_ROW = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    csv.Error,
)


@dataclass(frozen=True)
class ScoreRow:
    """A row of a score file.

    Attributes:
        path: as given or found; bytes that are not UTF-8 are written as \\udcXX.
        mean: mean score in points; None on an error, as the next three.
        std: standard deviation of the predicted ratings, in points.
        percentile: of the mean among the training ratings of the model, 0 to 100.
        distribution: shares of the bins, lowest score first; they sum to 1.
        status: "ok" or "error".
        error: reason for a missing score.
        note: remarks on decoding.
        explanation: the strongest distortions detected by a pretext model.
        bytes: size of the file; with `modified` it detects changes of the file.
        modified: time of its last change, ISO 8601, UTC.
        weights: first characters of the sha256 of the weights.
        group: identifier of the group of near-duplicates; "" for a photo alone, None if photos
            were not grouped.
        best_of_group: whether it has the highest score of its group, as a photo alone has; None
            if photos were not grouped.
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
    group: str | None = None
    best_of_group: bool | None = None


_GROUP_FIELDS = ("group", "best_of_group")


def check_row(row: ScoreRow) -> None:
    """Checks the types and numbers of a row that was read from a file.

    Raises:
        ValueError: it is not a row that `predict` writes.
    """
    texts = (row.path, row.status, row.error, row.note, row.explanation, row.modified, row.weights)
    numbers = [value for value in (row.mean, row.std, row.percentile) if value is not None]
    numbers += row.distribution or ()
    has_score = None not in (row.mean, row.std, row.distribution)
    if not (
        all(isinstance(text, str) for text in texts)
        and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
        and row.status in ("ok", "error")
        and (has_score if row.status == "ok" else row.mean is None)
    ):
        raise ValueError("not a row of scores")


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
        keeps_all: whether a record contains all fields of its row.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    head = b""
    tail = b""
    between = b""
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


def shown(path: str | os.PathLike[str]) -> str:
    """Returns a path as text in which bytes that are not UTF-8 are escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()
