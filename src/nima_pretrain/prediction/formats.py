"""How scores become bytes: CSV, JSON, JSON Lines, and idealo's JSON, a record a row."""

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nima_pretrain.errors import InputError

_DIGITS = 6


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
        """Returns the row of a record, as far as the format keeps it."""

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
        if not record:
            return ScoreRow(path="", status="error")
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
