"""Reading of score files that predict has written, as CSV, JSON or JSON Lines."""

import csv
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nima_pretrain.errors import InputError
from nima_pretrain.files import parse_json, read_text
from nima_pretrain.prediction.formats import Csv, Json, JsonLines
from nima_pretrain.prediction.score_row import ScoreRow

_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")
_MOST_BYTES = 2**32  # some twenty million rows
_NEEDED = ("path", "mean", "percentile", "status", "error")


def read_scores(path: Path) -> list[ScoreRow]:
    """Returns the rows of a score file: path, mean, percentile, status and error of each.

    Columns are found by name, so files with more or fewer of the others are read, too.

    Args:
        path: the file; its suffix names the format.

    Raises:
        InputError: the file cannot be read, or is no score file.
    """
    suffix = path.suffix.lower()
    if suffix not in (*Csv.suffixes, *Json.suffixes, *JsonLines.suffixes):
        raise InputError(
            f"Expected a score file that ends in .csv, .json or .jsonl, received {path}."
        )
    text = read_text(path, "score file", _MOST_BYTES)
    records: Any
    if suffix in Csv.suffixes:
        records = _csv_records(text, path)
    elif suffix in Json.suffixes:
        records = parse_json(text, path, "score file")
    else:
        records = [
            parse_json(line, path, "score file") for line in text.split("\n") if line.strip()
        ]
    if not isinstance(records, Sequence):
        raise _not_a_score_file(path, "it is JSON, but no list")
    return [_row(record, number, path) for number, record in enumerate(records, start=1)]


def photo_of(row: ScoreRow) -> Path:
    """Returns the path of the photo of a row, with its bytes that are not UTF-8.

    The path is relative to the working directory, as it was when predict ran.
    """
    path = Path(row.path)
    if os.path.lexists(path):
        return path
    return Path(_ESCAPED_BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), row.path))


def _csv_records(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        # Line breaks within quotes are part of a file name.
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        records, columns = list(reader), reader.fieldnames or ()
    except csv.Error as error:
        raise _not_a_score_file(path, str(error)) from None
    missing = [name for name in _NEEDED if name not in columns]
    if missing:  # also where there is no row to miss it
        raise _not_a_score_file(path, f"its first line has no {missing[0]}")
    for number, record in enumerate(records, start=1):
        if None in record or None in record.values():  # as in a line that was cut off
            raise _not_a_score_file(path, f"row {number} has not as many cells as the first line")
    return records


def _row(record: Any, number: int, path: Path) -> ScoreRow:
    if not isinstance(record, Mapping):
        raise _not_a_score_file(path, f"row {number} is no object with names")
    for name in _NEEDED:
        if not isinstance(record.get(name, ...), str | float | int | None):
            raise _not_a_score_file(path, f"row {number} has no {name}")
    mean, percentile = (_number(record, name, number, path) for name in ("mean", "percentile"))
    return ScoreRow(
        str(record["path"]),
        mean=mean,
        percentile=percentile,
        status=str(record["status"]),
        error=str(record["error"]),
    )


def _number(record: Mapping[str, Any], name: str, number: int, path: Path) -> float | None:
    if record[name] in ("", None):
        return None
    try:
        value = float(record[name])
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise _not_a_score_file(path, f"{name} of row {number} is {record[name]!r}, not a number")
    return value


def _not_a_score_file(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not a score file as predict writes it: {reason}. Expected the columns "
        f"{', '.join(_NEEDED)}; --format idealo keeps too little."
    )
