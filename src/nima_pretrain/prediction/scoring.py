"""Scores for photographs: files in, distributions out, in the order of the files."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import Photo, PhotoError, read_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.metrics import mean_score, score_spread
from nima_pretrain.networks.photo_model import PhotoModel

BATCH_SIZE = 32

# Decodes the photo of a path, for a network with an input of so many pixels a side.
ReadPhoto = Callable[[Path, int], Photo]


class Score(NamedTuple):
    """What came out for one file: a distribution, (n,) float32, or the reason why none did.

    Attributes:
        path: of the file.
        distribution: of the scores; None if the file cannot be decoded.
        error: why it cannot.
        notes: what to know of its decoding.
        levels: of distortions, (D,) float32, if a model was asked that tells them.
    """

    path: Path
    distribution: np.ndarray | None
    error: str = ""
    notes: tuple[str, ...] = ()
    levels: np.ndarray | None = None


class Outputs(NamedTuple):
    """What models say of one photo, (n,) float32 each, and notes on its decoding."""

    by_model: tuple[np.ndarray, ...]
    notes: tuple[str, ...]


class _Inputs(NamedTuple):
    """One photo in the form of each model, (S, S, 3) uint8."""

    by_model: tuple[np.ndarray, ...]
    notes: tuple[str, ...]


def score_photos(
    model: PhotoModel,
    photos: Iterable[Path | PhotoError],
    batch_size: int = BATCH_SIZE,
    read: ReadPhoto = read_photo,
    levels_model: PhotoModel | None = None,
) -> Iterator[Score]:
    """Yields one score a file, in the order of the files; a bad file never costs another one.

    Args:
        model: a NIMA model.
        photos: the files; for one of which it is known that it cannot be read, the reason.
        batch_size: photos that go through the network at once.
        read: decodes a photo.
        levels_model: one that tells the levels of distortions, or None.
    """
    models = [model] if levels_model is None else [model, levels_model]
    for path, outputs in outputs_of_photos(models, photos, batch_size, read):
        if isinstance(outputs, PhotoError):
            yield Score(path, None, outputs.reason)
        else:
            distribution, *levels = outputs.by_model
            yield Score(path, distribution, "", outputs.notes, levels[0] if levels else None)


def outputs_of_photos(
    models: Sequence[PhotoModel],
    photos: Iterable[Path | PhotoError],
    batch_size: int = BATCH_SIZE,
    read: ReadPhoto = read_photo,
) -> Iterator[tuple[Path, Outputs | PhotoError]]:
    """Yields every file and what models say of it, or why they cannot.

    Photos are decoded by as many threads as there are cores, up to two batches ahead of the
    models, so that the memory that this takes does not depend on their number.

    Args:
        models: each is asked about every photo.
        photos: see `score_photos`.
        batch_size: photos that go through a network at once.
        read: decodes a photo.
    """
    inputs_of = partial(_inputs_of, models=models, read=read)
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        loaded = ordered_map(executor, inputs_of, photos, ahead=2 * batch_size)
        while batch := list(islice(loaded, batch_size)):
            inputs = [item.by_model for _, item in batch if isinstance(item, _Inputs)]
            by_model = [
                model(np.stack(of_model))
                for model, of_model in zip(models, zip(*inputs, strict=True), strict=bool(inputs))
            ]
            by_photo = iter(zip(*by_model, strict=True))
            for path, item in batch:
                if isinstance(item, _Inputs):
                    yield path, Outputs(next(by_photo), item.notes)
                else:
                    yield path, item


def predictions_table(scores: Sequence[Score], scale: ScoreScale) -> pd.DataFrame:
    """Returns a table of scores: path, mean, std, p1 .. pn, status, error."""
    table = pd.DataFrame({"path": [str(score.path) for score in scores]})
    missing = np.full(scale.bins, np.nan)
    distributions = np.array(
        [missing if score.distribution is None else score.distribution for score in scores],
        np.float64,
    ).reshape(-1, scale.bins)
    table["mean"] = mean_score(distributions, scale.scores)
    table["std"] = score_spread(distributions, scale.scores)
    for column in range(scale.bins):
        table[f"p{column + 1}"] = distributions[:, column]
    table["status"] = ["ok" if score.distribution is not None else "error" for score in scores]
    table["error"] = [score.error for score in scores]
    return table


def _inputs_of(
    photo: Path | PhotoError, models: Sequence[PhotoModel], read: ReadPhoto
) -> tuple[Path, _Inputs | PhotoError]:
    if isinstance(photo, PhotoError):
        return photo.path, photo
    networks = [model.network for model in models]
    try:
        image = read(photo, max(network.input_size for network in networks))
    except PhotoError as error:
        return photo, error
    fitted = tuple(image.fitted(network.input_size, network.fit) for network in networks)
    return photo, _Inputs(fitted, image.notes)
