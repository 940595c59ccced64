"""Score rows: a score with the hash of the weights and the size and time of the file."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import PhotoError
from nima_pretrain.prediction.fingerprint_file import FingerprintFile
from nima_pretrain.prediction.score_row import ScoreRow, shown
from nima_pretrain.prediction.scorer import Scorer


class Stamp(NamedTuple):
    """Size in bytes and time of change of a file, for detecting changes."""

    bytes: int | None
    modified: str


def rows_of(
    scorer: Scorer,
    photos: Iterable[Path | PhotoError],
    raws_of: Callable[[Path], Sequence[str]] = lambda photo: (),
    fingerprints: FingerprintFile | None = None,
) -> Iterator[ScoreRow]:
    """Yields one row per file, in the order of the files.

    Args:
        scorer: the scorer.
        photos: see `Scorer.score`.
        raws_of: returns the names of the RAW files that a photo also stands for, for its note.
        fingerprints: receives those of all scored photos, each before its row; or None.
    """
    stamps: deque[Stamp] = deque()

    def stamped() -> Iterator[Path | PhotoError]:
        for photo in photos:
            # Taken before reading, so that a file that changes meanwhile is scored again.
            stamps.append(stamp_of(photo))
            yield photo

    for score in scorer.score(stamped(), fingerprints=fingerprints is not None):
        stamp = stamps.popleft()
        raws = raws_of(score.path)
        notes = (*score.notes, f"with {', '.join(map(shown, raws))}") if raws else score.notes
        shares = None if score.distribution is None else map(float, score.distribution)
        row = ScoreRow(
            path=shown(score.path),
            mean=score.mean,
            std=score.std,
            percentile=score.percentile,
            distribution=None if shares is None else tuple(shares),
            status="error" if score.error else "ok",
            error=score.error,
            note="; ".join(notes),
            explanation=score.explanation,
            bytes=stamp.bytes,
            modified=stamp.modified,
            weights=scorer.weights,
        )
        if fingerprints is not None and score.fingerprint is not None:
            fingerprints.append(row, score.fingerprint)
        yield row


def path_of(photo: Path | PhotoError) -> Path:
    """Returns the path of a file, or of an error."""
    return photo.path if isinstance(photo, PhotoError) else photo


def stamp_of(photo: Path | PhotoError) -> Stamp:
    """Returns size and time of a file; (None, "") if it does not exist."""
    try:
        status = path_of(photo).stat()
    except OSError:
        return Stamp(None, "")
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=status.st_mtime_ns // 1000)
    return Stamp(status.st_size, moment.isoformat(timespec="microseconds"))
