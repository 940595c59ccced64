"""The scorer: from photographs to scores, with one model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from nima_pretrain.data.photos import MAX_PIXELS, Photo, read_photo
from nima_pretrain.errors import PhotoError
from nima_pretrain.metrics import percentile_of
from nima_pretrain.prediction.engines import Engine, load_engine
from nima_pretrain.prediction.explaining import Explainer, load_explainer
from nima_pretrain.prediction.mirrored import MirrorAveraged
from nima_pretrain.prediction.score_row import MIRRORED
from nima_pretrain.prediction.scoring import (
    BATCH_SIZE,
    Outputs,
    ReadPhoto,
    Score,
    outputs_of_photos,
    score_of,
)
from nima_pretrain.weights.finding import find_explainer, find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

_DIGEST_SHOWN = 8


@dataclass(frozen=True)
class Scorer:
    """A function from photographs to scores.

    Attributes:
        model: a NIMA model.
        side_car: the side-car of its weights.
        explainer: describes the distortions of a photo; or None.
        batch_size: photos per batch of the network.
        read: decodes a photo.
        threads: threads that decode photos; None for one per core.
    """

    model: Engine
    side_car: NimaCard
    explainer: Explainer | None = None
    batch_size: int = BATCH_SIZE
    read: ReadPhoto = read_photo
    threads: int | None = None

    @property
    def weights(self) -> str:
        """First characters of the weights' sha256, and MIRRORED for scores with mirror images."""
        suffix = MIRRORED if isinstance(self.model, MirrorAveraged) else ""
        return self.side_car.sha256[:_DIGEST_SHOWN] + suffix

    def __call__(self, photo: Path | str) -> Score:
        """Returns the score of one photograph.

        Raises:
            PhotoError: the file cannot be decoded.
        """
        (score,) = self.score([photo])
        if score.error:
            raise PhotoError(score.path, score.error)
        return score

    def score(
        self, photos: Iterable[Path | str | PhotoError], *, fingerprints: bool = False
    ) -> Iterator[Score]:
        """Yields one score per file, in the order of the files; an unreadable file has an error.

        Photos are decoded a little ahead, so memory does not depend on their number.

        Args:
            photos: the files, or errors of files known to be unreadable.
            fingerprints: whether scores have a fingerprint, for `find_groups`.
        """
        files = (Path(photo) if isinstance(photo, str) else photo for photo in photos)
        models = [self.model, *([self.explainer.model] if self.explainer else [])]
        quantiles = self.side_car.training_scores
        for path, outputs in outputs_of_photos(
            models, files, self.batch_size, self.read, self.threads, fingerprints=fingerprints
        ):
            score = score_of(path, outputs, self.side_car.score_scale)
            if score.mean is not None and quantiles:
                percentile = percentile_of(score.mean, np.array(quantiles))
                score = replace(score, percentile=percentile)
            if self.explainer and isinstance(outputs, Outputs):
                explanation = self.explainer.text(outputs.by_model[1])
                score = replace(score, explanation=explanation)
            yield score


def load_scorer(
    weights: Path | str | None = None,
    *,
    explain: Path | str | None = None,
    engine: str | None = None,
    with_mirrored: bool = False,
    max_pixels: int = MAX_PIXELS,
    full_size: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Scorer:
    """Returns a scorer, a function of photographs.

    Args:
        weights: a `nima.h5` with its side-car beside it, or the name of published weights; None
            for the scorer that comes with the package, or for the first weights at
            NIMA_PRETRAIN_WEIGHTS.
        explain: a `pretext.h5` with a regression head, the name of one, or "bundled" for the one
            that comes with the package; scores then have an explanation.
        engine: "litert" or "tensorflow"; None for LiteRT, which starts faster and scores more
            photos a second, where the weights have a `.tflite` file.
        with_mirrored: whether scores are means over a photo and its mirror image, which then get
            the same score; the network computes twice as much.
        max_pixels: a file whose header states more pixels is not decoded.
        full_size: whether large photos are decoded at full size: exact, but slower.
        batch_size: photos per batch of the network.

    Raises:
        InputError: there are no such weights, or they are of another kind.

    Example:
        >>> scorer = load_scorer()
        >>> scorer("photo.jpg").mean
        >>> for score in scorer.score(["a.jpg", "b.jpg"]):
        ...     print(score.path, score.mean, score.error)
    """
    file = find_scorer(weights)
    side_car = read_side_car(file, NimaCard)
    explainer = load_explainer(find_explainer(explain), engine) if explain is not None else None
    model = load_engine(file, side_car, engine)
    model = MirrorAveraged(model) if with_mirrored else model
    read = partial(_read, full_size=full_size, max_pixels=max_pixels)
    return Scorer(model, side_car, explainer, batch_size, read)


def _read(path: Path, size: int, *, full_size: bool, max_pixels: int) -> Photo:
    return read_photo(path, None if full_size else size, max_pixels)
