"""Writing of rows, one record each, into a pipe or a file."""

from typing import BinaryIO

from nima_pretrain.prediction.formats import ScoreFormat
from nima_pretrain.prediction.score_row import ScoreRow


class RowWriter:
    """A writer of rows into a pipe or a file.

    Args:
        handle: the output.
        style: the format.
        count: number of existing records; None for an empty output without a head.
    """

    def __init__(self, handle: BinaryIO, style: ScoreFormat, count: int | None = None) -> None:
        self._handle = handle
        self._style = style
        self._count = count or 0
        if count is None:
            handle.write(style.head)

    def append(self, row: ScoreRow) -> int:
        """Writes and flushes a row, and returns the number of bytes."""
        size = self.append_record(self._style.record(row))
        self._handle.flush()
        return size

    def append_record(self, record: bytes) -> int:
        """Writes an encoded record, which may be empty, and returns the number of bytes."""
        if not record:
            return 0
        whole = self._style.between + record if self._count else record
        self._handle.write(whole)
        self._count += 1
        return len(whole)

    def close(self) -> None:
        """Writes the tail of a finished file."""
        self._handle.write(self._style.tail)
        self._handle.flush()
