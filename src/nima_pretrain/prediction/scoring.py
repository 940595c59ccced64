"""Scoring of photographs: from files to score distributions, in the order of the files."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nima_pretrain.data.capture_time import CaptureTime
from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import Photo, read_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import PhotoError
from nima_pretrain.metrics import mean_score, score_spread
from nima_pretrain.prediction.engines import Engine
from nima_pretrain.prediction.fingerprints import Fingerprint, fingerprint_of

if TYPE_CHECKING:
    import pandas as pd  # scoring begins without it

BATCH_SIZE = 32

# A decoder: (path, side of the network's input in pixels) -> photo.
ReadPhoto = Callable[[Path, int], Photo]


@dataclass(frozen=True)
class Score:
    """The score of one file, or the error.

    Attributes:
        path: the file.
        mean: expected score, in points of the model's scale; None on an error, as the next three.
        std: standard deviation of the predicted ratings, in points.
        distribution: shares of the scores, (n,) float32, lowest score first; they sum to 1.
        percentile: of the mean among the training ratings of the model, 0 to 100; None if the
            weights do not record them.
        error: reason for a missing score; "" without an error.
        notes: remarks on decoding.
        explanation: the strongest distortions detected by a pretext model, if one is used.
        fingerprint: for `grouping.find_groups`; None unless it was asked for.
    """

    path: Path
    mean: float | None = None
    std: float | None = None
    distribution: np.ndarray | None = None
    percentile: float | None = None
    error: str = ""
    notes: tuple[str, ...] = ()
    explanation: str = ""
    fingerprint: Fingerprint | None = None


class Outputs(NamedTuple):
    """The models' outputs for one photo, (n,) float32 each, and notes on decoding.

    Attributes:
        fingerprint: of the first model's input and features, if it was asked for.
    """

    by_model: tuple[np.ndarray, ...]
    notes: tuple[str, ...]
    fingerprint: Fingerprint | None = None


class _Inputs(NamedTuple):
    """The input of each model for one photo, (S, S, 3) uint8 RGB."""

    by_model: tuple[np.ndarray, ...]
    notes: tuple[str, ...]
    captured: CaptureTime


def score_photos(
    model: Engine,
    scale: ScoreScale,
    photos: Iterable[Path | PhotoError],
    batch_size: int = BATCH_SIZE,
    read: ReadPhoto = read_photo,
) -> Iterator[Score]:
    """Yields one score per file, in the order of the files; an unreadable file has an error.

    Args:
        model: a NIMA model.
        scale: its score scale.
        photos: the files, or errors of files known to be unreadable.
        batch_size: photos per batch of the network.
        read: decodes a photo.
    """
    for path, outputs in outputs_of_photos([model], photos, batch_size, read):
        yield score_of(path, outputs, scale)


def score_of(path: Path, outputs: "Outputs | PhotoError", scale: ScoreScale) -> Score:
    """Returns the score of a file by the outputs of the first model."""
    if isinstance(outputs, PhotoError):
        return Score(path, error=outputs.reason)
    distribution = outputs.by_model[0]
    if not np.isfinite(distribution).all():
        return Score(path, error="the model's scores are not finite", notes=outputs.notes)
    return Score(
        path,
        float(mean_score(distribution, scale.scores)),
        float(score_spread(distribution, scale.scores)),
        distribution,
        notes=outputs.notes,
        fingerprint=outputs.fingerprint,
    )


def outputs_of_photos(
    models: Sequence[Engine],
    photos: Iterable[Path | PhotoError],
    batch_size: int = BATCH_SIZE,
    read: ReadPhoto = read_photo,
    threads: int | None = None,
    *,
    fingerprints: bool = False,
) -> Iterator[tuple[Path, Outputs | PhotoError]]:
    """Yields every file with the models' outputs for it, or the error.

    Photos are decoded by several threads, up to two batches ahead of the models, so memory
    does not depend on their number. Models that allow it are run by the same threads.

    Args:
        models: the models, each applied to every photo.
        photos: see `score_photos`.
        batch_size: photos per batch of the networks.
        read: decodes a photo.
        threads: threads that decode photos; None for one per core.
        fingerprints: whether outputs have a fingerprint, by the first model's features.
    """
    compute = partial(_computed, models=models, fingerprints=fingerprints)
    inputs_of = partial(_inputs_of, models=models, read=read)
    with ThreadPoolExecutor(threads or os.cpu_count()) as executor:
        if all(model.scores_in_threads for model in models):

            def outputs_of(photo: Path | PhotoError) -> tuple[Path, Outputs | PhotoError]:
                path, item = inputs_of(photo)
                return path, compute([item])[0] if isinstance(item, _Inputs) else item

            yield from ordered_map(executor, outputs_of, photos, ahead=2 * batch_size)
            return
        loaded = ordered_map(executor, inputs_of, photos, ahead=2 * batch_size)
        while batch := list(islice(loaded, batch_size)):
            outputs = iter(compute([item for _, item in batch if isinstance(item, _Inputs)]))
            for path, item in batch:
                yield path, next(outputs) if isinstance(item, _Inputs) else item


def predictions_table(scores: Sequence[Score], scale: ScoreScale) -> "pd.DataFrame":
    """Returns a table of scores: path, mean, std, p1 .. pn, status, error."""
    import pandas as pd

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


def _computed(
    inputs: Sequence[_Inputs], models: Sequence[Engine], fingerprints: bool
) -> list[Outputs]:
    """Returns the outputs of all models for a batch of photos."""
    if not inputs:
        return []
    batches = [np.stack(of) for of in zip(*(item.by_model for item in inputs), strict=True)]
    first, *others = models
    features = None
    if fingerprints:
        of_first, features = first.with_features(batches[0])
    else:
        of_first = first(batches[0])
    by_model = [of_first, *(model(batch) for model, batch in zip(others, batches[1:], strict=True))]
    outputs = []
    for row, item in enumerate(inputs):
        fingerprint = None
        if features is not None:
            fingerprint = fingerprint_of(item.by_model[0], features[row], item.captured)
        outputs.append(Outputs(tuple(of[row] for of in by_model), item.notes, fingerprint))
    return outputs


def _inputs_of(
    photo: Path | PhotoError, models: Sequence[Engine], read: ReadPhoto
) -> tuple[Path, _Inputs | PhotoError]:
    if isinstance(photo, PhotoError):
        return photo.path, photo
    networks = [model.network for model in models]
    try:
        image = read(photo, max(network.input_size for network in networks))
    except PhotoError as error:
        return photo, error
    fitted = tuple(image.fitted(network.input_size, network.fit) for network in networks)
    return photo, _Inputs(fitted, image.notes, image.captured)
