"""The speed of scoring on this machine: decoding, each engine, and the whole."""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.prediction.engines import ENGINES, engine_for, load_engine
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.prediction.scoring import BATCH_SIZE
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

_MOST_PHOTOS = 200
Item = TypeVar("Item")


class Speed(NamedTuple):
    """The speed of one part of scoring.

    Attributes:
        part: "decoding", "model" or "whole".
        engine: "litert" or "tensorflow"; None for decoding.
        threads: threads that share the work.
        per_second: photos a second.
    """

    part: str
    engine: str | None
    threads: int
    per_second: float


def benchmark(
    photos: Path | str | None = None,
    *,
    weights: Path | str | None = None,
    seconds: float = 3.0,
) -> list[Speed]:
    """Returns the speeds of decoding, of the model on decoded photos, and of both.

    Args:
        photos: folder of photographs, of which up to 200 are used; None for sample photos of
            installed packages.
        weights: see `load_scorer`.
        seconds: duration of each measurement, after a warm-up.

    Raises:
        InputError: photos or weights are missing or cannot be read.
    """
    paths = (embedded_photos() if photos is None else find_photos(Path(photos)))[:_MOST_PHOTOS]
    file = find_scorer(weights)
    card = read_side_car(file, NimaCard)
    size, fit = card.network.input_size, card.network.fit
    cores = os.cpu_count() or 1

    def decode(path: Path) -> np.ndarray | None:
        try:
            return load_fitted(path, size, fit)
        except PhotoError:
            return None

    decoded = [pixels for pixels in map(decode, paths) if pixels is not None]
    if not decoded:
        raise InputError(f"None of the {len(paths)} photos can be read.")
    counts = sorted({1, cores})
    speeds = [
        Speed("decoding", None, threads, _rate(decode, paths, threads, seconds))
        for threads in counts
    ]
    for engine in ENGINES:
        if engine == "litert" and engine_for(file, card) != "litert":
            continue
        model = load_engine(file, card, engine)
        if model.scores_in_threads:
            ones = [pixels[None] for pixels in decoded]
            rates = {threads: _rate(model, ones, threads, seconds) for threads in counts}
        else:  # it uses all cores itself
            batch = np.stack(list(itertools.islice(itertools.cycle(decoded), BATCH_SIZE)))
            rates = {cores: BATCH_SIZE * _rate(model, [batch], 1, seconds)}
        speeds += [Speed("model", engine, threads, rate) for threads, rate in rates.items()]
        scorer = load_scorer(file, engine=engine)
        scores = scorer.score(_until(itertools.cycle(paths), seconds))
        speeds.append(Speed("whole", engine, cores, _counted(scores)))
    return speeds


def _rate(
    work: Callable[[Item], object], items: Sequence[Item], threads: int, seconds: float
) -> float:
    """Returns the items per second of a function that threads call."""
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(work, [items[0]] * threads))  # warms up
        endless = _until(itertools.cycle(items), seconds)
        return _counted(ordered_map(executor, work, endless, ahead=4 * threads))


def _counted(results: Iterator[object]) -> float:
    started = time.perf_counter()
    count = sum(1 for _ in results)
    return count / (time.perf_counter() - started)


def _until(items: Iterator[Item], seconds: float) -> Iterator[Item]:
    end = time.perf_counter() + seconds
    return itertools.takewhile(lambda _: time.perf_counter() < end, items)
