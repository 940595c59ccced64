"""Strict readers of ratings files: an oracle for what the loaders take.

They know nothing of the package, refuse a file for the first doubt, and are as slow as they like.
A file that a loader takes without a problem must be read by one of them, to the same values.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np

_PATHS = ("path", "image_id", "image", "name", "file", "filename")
_PARTS = ("train", "training", "val", "valid", "validation", "test")


class Entry(NamedTuple):
    """A rating: the image, and either its votes or its mean."""

    image: str
    votes: tuple[float, ...] | None
    mean: float | None = None

    def fits(self, image: str, distribution: np.ndarray, scores: np.ndarray) -> bool:
        """Returns True if a loader has read the same."""
        if image != self.image:
            return False
        if self.mean is not None:
            return bool(abs(distribution @ scores - self.mean) < 1e-4)
        votes = np.array(self.votes)
        if votes.shape != distribution.shape:
            return False
        return np.allclose(votes / votes.sum(), distribution, atol=1e-9)


def readings(text: str) -> Iterator[list[Entry]]:
    """Yields what a file says, by every format that it has."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for read in (_ava, _tid, _json, *(_csv_by(separator) for separator in ",;\t")):
        try:
            yield read(text)
        except (ValueError, LookupError, RecursionError, TypeError, csv.Error, StopIteration):
            continue


def _number(text: str) -> float:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII):
        raise ValueError(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not np.isfinite(float(value)):
        raise ValueError(text)
    return float(value)


def _votes(cells: list[float]) -> tuple[float, ...]:
    if len(cells) < 2 or min(cells) < 0 or not 0 < sum(cells) < float("inf"):
        raise ValueError(cells)
    return tuple(cells)


def _rows(text: str) -> list[list[str]]:
    rows = [line.split() for line in text.split("\n") if line.strip()]
    if not rows:
        raise ValueError("no rows")
    return rows


def _ava(text: str) -> list[Entry]:
    entries = []
    for cells in _rows(text):
        if len(cells) != 15 or any(int(_number(cell)) != _number(cell) for cell in cells):
            raise ValueError(cells)
        if not re.fullmatch("[0-9]+", cells[1]):
            raise ValueError(cells)
        entries.append(Entry(cells[1], _votes([_number(cell) for cell in cells[2:12]])))
    return entries


def _tid(text: str) -> list[Entry]:
    entries = []
    for mean, image in _rows(text):
        entries.append(Entry(image, None, _number(mean)))
    return entries


def _csv_by(separator: str) -> Any:
    def read(text: str) -> list[Entry]:
        reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        rows = [[cell.strip() for cell in row] for row in reader]
        header, *rows = [row for row in rows if any(row)]
        header = [name.lower() for name in header]
        if len(set(header)) < len(header) or not rows:
            raise ValueError(header)
        path = next(name for name in _PATHS if name in header)
        bins = sum(bool(re.fullmatch(r"p[0-9]+", name)) for name in header)
        entries = []
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            part = next((cells[name] for name in ("split", "part") if name in cells), "test")
            if not cells[path] or part.lower() not in _PARTS:
                raise ValueError(row)
            if bins:
                votes = [_number(cells[f"p{number + 1}"]) for number in range(bins)]
                entries.append(Entry(cells[path], _votes(votes)))
            else:
                mean = next(cells[name] for name in ("mean", "mos") if name in cells)
                if "std" in cells and _number(cells["std"]) < 0:
                    raise ValueError(row)
                entries.append(Entry(cells[path], None, _number(mean)))
        return entries

    return read


def _json(text: str) -> list[Entry]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError(pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    content = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    entries = []
    parts = []
    for entry in content:
        if type(entry["image_id"]) not in (str, int):
            raise ValueError(entry)
        if any(type(vote) not in (int, float) for vote in entry["label"]):
            raise ValueError(entry)
        parts.append(entry.get("split", entry.get("part")))
        entries.append(
            Entry(str(entry["image_id"]), _votes([_number(repr(vote)) for vote in entry["label"]]))
        )
    if any(parts) and not all(str(part).strip().lower() in _PARTS for part in parts):
        raise ValueError(parts)
    if len({len(entry.votes or ()) for entry in entries}) != 1:
        raise ValueError("labels of several lengths")
    return entries
