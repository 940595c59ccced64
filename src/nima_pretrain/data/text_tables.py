"""Tables in text files from anywhere: every cell as text, numbers parsed strictly."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nima_pretrain.errors import InputError, shortened

_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"


def whitespace_table(text: str, columns: int) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Returns the cells of the lines of a file without header, see `_table`.

    Args:
        text: the file's content.
        columns: number of cells that a line should have; they are named 0, 1, ..
    """
    lines = ((number, line.split()) for number, line in enumerate(text.split("\n"), start=1))
    return _table(lines, list(range(columns)))


def comma_table(
    text: str, separator: str, file: Path
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Returns the cells of a CSV file by the names in its first line, in lower case, see `_table`.

    Args:
        text: the file's content.
        separator: of the cells.
        file: the file, for errors.

    Raises:
        InputError: the text is not CSV, or names a column twice.
    """
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise InputError(f"Cannot read {file} as CSV: line {reader.line_num}: {error}.") from None
    filled = ((number, cells) for number, cells in lines if any(map(str.strip, cells)))
    _, header = next(filled, (0, []))
    if not header:
        raise InputError(f"Expected a header and rows in {file}, received empty cells alone.")
    names = [name.strip().lower() for name in header]
    if len(set(names)) < len(names):
        raise InputError(f"Expected each column once in {file}, received {shortened(names)}.")
    return _table(filled, names)


def _table(
    lines: Iterable[tuple[int, list[str]]], names: Sequence[Any]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Returns all cells as text, by column and line number, and masks of unusable lines by reason.

    A line with too few or too many cells is refused as a whole: where a comma separates cells and
    decimals, its first cells would be mistaken for others.
    """
    kept = [(number, cells) for number, cells in lines if cells]
    width = len(names)
    counts = np.array([len(cells) for _, cells in kept], int)
    table = pd.DataFrame(
        [[*cells, *[""] * width][:width] for _, cells in kept],
        index=pd.Index([number for number, _ in kept], dtype=int),
        columns=pd.Index(names),
        dtype=str,
    )
    reason = (
        f"expected {width} cells, received more or fewer (a comma may not be both the decimal sign "
        "and the separator): {}"
    )
    return table, {reason: counts != width}


def numbers_in(table: pd.DataFrame) -> np.ndarray:
    """Returns the cells as float64; NaN for a cell that is no finite number."""
    known: dict[str, float] = {}

    def number(cell: str) -> float:
        # Not by pandas: its parser wraps large exponents around, and crashes on larger ones.
        if cell not in known:
            is_number = re.fullmatch(_NUMBER, cell.strip(), re.ASCII)
            value = float(cell) if is_number else math.nan
            known[cell] = value if math.isfinite(value) else math.nan
        return known[cell]

    return np.array(
        [[number(cell) for cell in column] for _, column in table.items()], np.float64
    ).T.reshape(len(table), len(table.columns))
