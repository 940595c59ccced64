"""Scores for photographs: files in, distributions out, in the order of the files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import PhotoError, load_fitted
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.metrics import mean_score, score_spread


class Score(NamedTuple):
    """What came out for one file: a distribution, (n,) float32, or the reason why none did."""

    path: Path
    distribution: np.ndarray | None
    error: str = ""


def score_photos(
    model: keras.Model, network: NetworkConfig, paths: Sequence[Path], batch_size: int = 64
) -> Iterator[Score]:
    """Yields one score a file, in the order of the files; a bad file never costs another one.

    Args:
        model: a NIMA model.
        network: size and fit of its input, from the side-car.
        paths: the files.
        batch_size: photos that go through the network at once.
    """
    outputs = outputs_of_photos(model, network, paths, batch_size)
    for path, output in zip(paths, outputs, strict=True):
        if isinstance(output, PhotoError):
            yield Score(path, None, output.reason)
        else:
            yield Score(path, output)


def outputs_of_photos(
    model: keras.Model, network: NetworkConfig, paths: Sequence[Path], batch_size: int = 64
) -> Iterator[np.ndarray | PhotoError]:
    """Yields what a model says of each file, (n,) float32, or why it cannot.

    Args:
        model: one that takes photos.
        network: size and fit of its input.
        paths: the files.
        batch_size: photos that go through the network at once.
    """
    read = partial(_read, size=network.input_size, fit=network.fit)
    with ThreadPoolExecutor() as executor:
        loaded = ordered_map(executor, read, paths, ahead=2 * batch_size)
        while batch := list(islice(loaded, batch_size)):
            photos = [photo for photo in batch if isinstance(photo, np.ndarray)]
            outputs = iter(model.predict_on_batch(np.stack(photos)) if photos else ())
            for photo in batch:
                yield photo if isinstance(photo, PhotoError) else next(outputs)


def predictions_table(scores: Sequence[Score], scale: ScoreScale) -> pd.DataFrame:
    """Returns the table that `predict` writes: path, mean, std, p1 .. pn, status, error."""
    table = pd.DataFrame({"path": [str(score.path) for score in scores]})
    missing = np.full(scale.bins, np.nan)
    distributions = np.array(
        [missing if score.distribution is None else score.distribution for score in scores],
        np.float64,
    ).reshape(-1, scale.bins)
    table["mean"] = mean_score(distributions, scale)
    table["std"] = score_spread(distributions, scale)
    for column in range(scale.bins):
        table[f"p{column + 1}"] = distributions[:, column]
    table["status"] = ["ok" if score.distribution is not None else "error" for score in scores]
    table["error"] = [score.error for score in scores]
    return table


def _read(path: Path, size: int, fit: str) -> np.ndarray | PhotoError:
    try:
        return load_fitted(path, size, fit)  # type: ignore[arg-type]
    except PhotoError as error:
        return error
