"""The rows so far, in files that a stopped run goes on with, and the results in Parquet."""

import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.formats import Csv
from nima_pretrain.prediction.row_writer import RowWriter
from nima_pretrain.prediction.rows import Stamp, stamp_of

PHOTOS_PER_PART = 10_000


class Parts:
    """The rows so far: files as `predict` writes them, each of which appears at once.

    Attributes:
        folder: folder of the files.
        style: their format.
        seconds: after which rows are written, even if they are few.
    """

    def __init__(self, folder: Path, style: Csv, seconds: float) -> None:
        self.folder = folder
        self.style = style
        self.seconds = seconds
        self._records: list[bytes] = []
        self._written = time.monotonic()

    def files(self) -> list[Path]:
        """Returns the files, sorted."""
        return sorted(self.folder.glob("[0-9]*.csv"))

    def keep_valid(self, sha256: str, is_remote: bool) -> set[str]:
        """Removes rows of photos that failed, changed or are gone; returns the other paths.

        Args:
            sha256: first characters of the sha256 of the weights.
            is_remote: whether photos are in an object store; those are taken for unchanged.

        Raises:
            InputError: a file has rows by other weights, or other content.
        """
        kept: set[str] = set()
        for file in self.files():
            with ScoreFile(file, self.style, resume=True) as rows:
                order = []
                for index, row in enumerate(rows):
                    if row.weights != sha256:
                        raise InputError(
                            f"{file} holds scores by the weights {row.weights}.., not by these, "
                            f"{sha256}... Choose another --output."
                        )
                    stamp = Stamp(row.bytes, row.modified)
                    is_same = is_remote or stamp == stamp_of(Path(row.path))
                    if row.status == "ok" and is_same and row.path not in kept:
                        order.append(index)
                        kept.add(row.path)
                rows.arrange(order)
        return kept

    def append(self, records: Iterable[bytes]) -> None:
        """Adds rows; a file is written when rows are many or old."""
        self._records += records
        is_late = time.monotonic() - self._written > self.seconds
        if is_late or len(self._records) >= PHOTOS_PER_PART:
            self.write()

    def write(self) -> None:
        """Writes the rows that were added since the last file."""
        if self._records:
            number = max((int(file.stem) for file in self.files()), default=-1) + 1
            with replacing(self.folder / f"{number:06}.csv") as partial, partial.open("wb") as file:
                writer = RowWriter(file, self.style)
                for record in self._records:
                    writer.append_record(record)
                writer.close()
        self._records, self._written = [], time.monotonic()


def write_parquet(scores: Path, output: Path, style: Csv) -> None:
    """Writes the rows of a CSV file as Parquet, block by block."""
    numbers = {"mean", "std", "percentile", *(f"p{bin + 1}" for bin in range(style.bins))}
    types = {
        name: pa.float64() if name in numbers else pa.int64() if name == "bytes" else pa.string()
        for name in style.columns
    }
    reader = csv.open_csv(
        scores,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types),
    )
    with replacing(output) as partial, parquet.ParquetWriter(partial, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
