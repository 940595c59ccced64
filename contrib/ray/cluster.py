"""Scoring by the actors of a Ray cluster: from paths to rows."""

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import sources
from sources import Source

from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.prediction.formats import Csv
from nima_pretrain.prediction.rows import rows_of
from nima_pretrain.prediction.score_row import ScoreRow, shown
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.reproduction.ray_tasks import connect

# A block is one task of an actor: some seconds of work, which a killed worker loses.
PHOTOS_PER_BLOCK = 128
# A photo that kills its worker must not do so for ever.
MOST_RETRIES = 10
# Remote photos that an actor copies at the same time, and has on its disk.
_COPIES = 32


class ScorePhotos:
    """An actor with one scorer, from blocks of paths to rows.

    Args:
        weights: as in `load_scorer`.
        sha256: first characters of the sha256 that the weights have on the driver's machine.
        source: the file system of the photos.
        threads: threads that decode and score.
    """

    def __init__(self, weights: str | None, sha256: str, source: Source, threads: int) -> None:
        self.scorer = replace(load_scorer(weights), threads=threads)
        if self.scorer.weights != sha256:
            raise InputError(
                f"The weights on this machine are {self.scorer.weights}.., those of the driver "
                f"{sha256}... Install the same files on all machines."
            )
        self.style = Csv(self.scorer.side_car.score_scale.bins)
        self.source = source

    def __call__(self, block: pa.Table) -> pa.Table:
        """Returns the numbers of the photos with their rows, as bytes of CSV."""
        paths = [Path(os.fsdecode(path)) for path in block["path"].to_pylist()]
        rows = self._remote_rows(paths) if self.source.files else rows_of(self.scorer, paths)
        records = pa.array((self.style.record(row) for row in rows), pa.binary())
        return pa.table({"number": block["number"], "record": records})

    def _remote_rows(self, paths: Sequence[Path]) -> Iterator[ScoreRow]:
        for start in range(0, len(paths), _COPIES):
            some = paths[start : start + _COPIES]
            with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_COPIES) as executor:
                files = [Path(folder, str(number)) for number in range(len(some))]
                copies = list(executor.map(self._copied, some, files))
                for path, row in zip(some, rows_of(self.scorer, copies), strict=True):
                    yield replace(row, path=self.source.prefix + shown(path))

    def _copied(self, path: Path, file: Path) -> Path | PhotoError:
        """Returns a copy of a remote photo, with its time of change, or the error."""
        assert self.source.files is not None
        try:
            (info,) = self.source.files.get_file_info([os.fspath(path)])
            stream = self.source.files.open_input_stream(os.fspath(path))
            with stream as remote, file.open("wb") as local:
                shutil.copyfileobj(remote, local)
            if info.mtime_ns is not None:
                os.utime(file, ns=(info.mtime_ns, info.mtime_ns))
        except OSError as error:
            return PhotoError(file, str(error))
        return file


def rows_from_cluster(
    photos: Sequence[Path], actor: dict[str, Any], address: str | None, cpus_per_actor: int
) -> Iterator[dict[int, bytes]]:
    """Yields the rows of some photos by their numbers, as they are done.

    Args:
        photos: their paths.
        actor: arguments of `ScorePhotos`.
        address: of the cluster; None for RAY_ADDRESS, or else for this machine alone.
        cpus_per_actor: cores of an actor.

    Raises:
        InputError: the cluster cannot be reached, or the work has failed.
    """
    if not photos:
        return
    # The machines of a cluster need nima-pretrain alone; these modules travel with the actor.
    for module in (sys.modules[__name__], sources):
        ray.cloudpickle.register_pickle_by_value(module)
    # Ray 2.60 has no other parameter for the number of retries.
    warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
    connect(address)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised
    num_actors = max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus_per_actor)
    try:
        rows = ray.data.from_arrow(list(_blocks_of(photos))).map_batches(
            ScorePhotos,
            fn_constructor_kwargs=actor,
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=num_actors, initial_size=num_actors
            ),
            num_cpus=cpus_per_actor,
            batch_size=None,
            batch_format="pyarrow",
            max_task_retries=MOST_RETRIES,
        )
        for block in rows.iter_batches(batch_size=None, batch_format="pyarrow"):
            numbers, records = block["number"].to_pylist(), block["record"].to_pylist()
            yield dict(zip(numbers, records, strict=True))
    except ray.exceptions.RayError as error:
        raise InputError(
            f"The cluster failed: {str(error).strip().splitlines()[-1]} Run the same command again."
        ) from error
    finally:
        ray.shutdown()


def _blocks_of(photos: Sequence[Path]) -> Iterator[pa.Table]:
    for start in range(0, len(photos), PHOTOS_PER_BLOCK):
        paths = [os.fsencode(path) for path in photos[start : start + PHOTOS_PER_BLOCK]]
        numbers = range(start, start + len(paths))
        yield pa.table({"number": pa.array(numbers, pa.int64()), "path": pa.array(paths)})
