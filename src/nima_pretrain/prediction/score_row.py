"""A row of a score file."""

import math
import os
from dataclasses import dataclass

# The end of `weights` for scores with mirror images.
MIRRORED = "+mirrored"


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
        weights: first characters of the sha256 of the weights, and MIRRORED if the scores are means
            over a photo and its mirror image.
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


def check_row(row: ScoreRow) -> None:
    """Checks the types and numbers of a row that was read from a file.

    Raises:
        ValueError: it is not a row that `predict` writes.
    """
    texts = (row.path, row.status, row.error, row.note, row.explanation, row.modified, row.weights)
    numbers = [n for n in (row.mean, row.std, row.percentile, row.bytes) if n is not None]
    numbers += row.distribution or ()
    has_score = None not in (row.mean, row.std, row.distribution)
    if not (
        all(isinstance(text, str) and _is_utf8(text) for text in texts)
        and all(_is_number(number) for number in numbers)
        and row.status in ("ok", "error")
        and (has_score if row.status == "ok" else row.mean is None)
    ):
        raise ValueError("not a row of scores")


def _is_utf8(text: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in text)


def _is_number(value: object) -> bool:
    """Returns True for a finite number of 64 bits."""
    return (isinstance(value, float) and math.isfinite(value)) or (
        type(value) is int and abs(value) < 2**63
    )


def shown(path: str | os.PathLike[str]) -> str:
    """Returns a path as text in which bytes that are not UTF-8 are escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()
