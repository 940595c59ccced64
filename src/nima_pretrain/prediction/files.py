"""Score files that are appended row by row and survive a kill of the process.

Every row is one record, written at once. A killed process leaves at most one incomplete record at
the end, which is removed when the file is opened again.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from nima_pretrain.errors import InputError, cannot_write
from nima_pretrain.files import replacing
from nima_pretrain.prediction.formats import NOT_A_ROW, ScoreFormat
from nima_pretrain.prediction.row_writer import RowWriter
from nima_pretrain.prediction.score_row import ScoreRow, check_row

LONGEST_TORN = 2**16  # bytes of an incomplete record; more is no end of one


def check_output(file: Path | None, *, resume: bool, overwrite: bool) -> None:
    """Checks that an existing file is not replaced without a request.

    Args:
        file: the output file; None for standard output.
        resume: whether rows are appended to an existing file.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: the file exists, or the options contradict each other.
    """
    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")
    if resume and file is None:
        raise InputError("--resume goes on with a file. Expected --output FILE.")
    if file is not None and os.path.lexists(file) and not (resume or overwrite):
        raise InputError(
            f"{file} is there already. Go on with it with --resume, replace it with --overwrite, "
            "or choose another --output."
        )


def check_page(page: Path, output: Path | None) -> None:
    """Checks that an HTML page of the rows can be written, before they are computed.

    Args:
        page: the page.
        output: the file of the rows, or None.

    Raises:
        InputError: it is the same file or a folder, or its folder cannot be written.
    """
    if output is not None and page.absolute() == output.absolute():
        raise InputError(f"Expected --report to be another file than --output, received {page}.")
    if page.is_dir():
        raise InputError(f"Expected a file for --report, but {page} is a folder.")
    folder = next(folder for folder in page.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            f"Cannot write {page}: {folder} is no folder that you may write to. Choose another "
            "--report."
        )


def records_in(file: BinaryIO, style: ScoreFormat) -> Iterator[bytes]:
    """Yields the records of a score file, the last of which may be incomplete.

    Lines that become no record within 64 KiB, as after a lost quotation mark, are yielded together.

    Args:
        file: the file, after its head.
        style: its format.
    """
    lines = b""
    for line in file:
        if not lines and style.tail and line == style.tail:
            return
        lines += line
        if style.is_whole(lines) or len(lines) > LONGEST_TORN:
            yield lines
            lines = b""
    if lines:
        yield lines


class ScoreFile:
    """The rows of a score file; only their offsets are kept in memory.

    Attributes:
        path: the file.
        style: its format.
    """

    def __init__(self, path: Path, style: ScoreFormat, resume: bool = False) -> None:
        """Opens a file for more rows.

        Args:
            path: the file; its folder is created.
            style: its format.
            resume: whether the rows of an existing file are kept.

        Raises:
            InputError: the file has other content, or cannot be written.
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
            raise cannot_write(self.path, error, "; --resume goes on") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[ScoreRow]:
        with self.path.open("rb") as file:
            for index in range(len(self)):
                yield self.style.row(self._record(file, index))

    def append(self, row: ScoreRow) -> None:
        """Appends one row, flushed to the file.

        Raises:
            InputError: the file cannot be written. Earlier rows are kept.
        """
        try:
            self._ends.append(self._ends[-1] + self._writer.append(row))
        except OSError as error:
            raise cannot_write(self.path, error, "; --resume goes on") from error

    def arrange(self, order: Iterable[int]) -> None:
        """Rewrites the file with some of its rows in another order, and replaces it at once.

        Args:
            order: numbers of the rows to keep, from 0.

        Raises:
            InputError: the file cannot be written.
        """
        rows = array("Q", order)
        if len(rows) == len(self) and all(row == index for index, row in enumerate(rows)):
            return
        self._replace(self.style, lambda old: (self._record(old, row) for row in rows))

    def rewrite(self, rows: Iterable[ScoreRow], style: ScoreFormat | None = None) -> None:
        """Replaces all rows at once.

        Args:
            rows: the new ones, which may come from this file.
            style: their format; None for that of the file.

        Raises:
            InputError: the file cannot be written.
        """
        style = style or self.style
        self._replace(style, lambda _: map(style.record, rows))

    def _replace(
        self, style: ScoreFormat, records_of: Callable[[BinaryIO], Iterable[bytes]]
    ) -> None:
        self.close()
        ends = array("Q", [len(style.head)])
        with (
            replacing(self.path) as partial,
            self.path.open("rb") as old,
            partial.open("wb") as new,
        ):
            writer = RowWriter(new, style)
            for record in records_of(old):
                ends.append(ends[-1] + writer.append_record(record))
            writer.close()
        self.style, self._ends = style, ends
        self._open()

    def close(self) -> None:
        """Writes the tail and closes the file.

        Raises:
            InputError: the file cannot be written.
        """
        if self._handle.closed:
            return
        try:
            with self._handle:
                self._writer.close()
        except OSError as error:
            raise cannot_write(self.path, error, "; --resume goes on") from error

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
        style = self.style
        with self.path.open("rb") as file:
            head = file.read(len(style.head))
            if head and not style.head.startswith(head):
                raise self._not_a_score_file()
            for record in records_in(file, style):
                if style.is_whole(record):
                    self._check(record)
                    self._ends.append(self._ends[-1] + len(record))
                elif (
                    len(record) > LONGEST_TORN
                    or record[: len(style.start)] != (style.start[: len(record)])
                ):
                    raise self._not_a_score_file()
        if len(head) < len(style.head):  # incomplete within the first line
            self.path.write_bytes(style.head)

    def _check(self, record: bytes) -> None:
        try:
            check_row(self.style.row(record.removeprefix(self.style.between)))
        except NOT_A_ROW:
            raise self._not_a_score_file() from None

    def _not_a_score_file(self) -> InputError:
        return InputError(
            f"{self.path} is not a {self.style.name} file as predict writes it for these weights. "
            "Choose another --output, or replace it with --overwrite."
        )
