"""What turns files into rows of scores."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.data.photos import PhotoError, read_photo
from nima_pretrain.metrics import mean_score, percentile_of, score_spread
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.explaining import Explainer
from nima_pretrain.prediction.formats import ScoreRow, shown
from nima_pretrain.prediction.scoring import BATCH_SIZE, ReadPhoto, Score, score_photos
from nima_pretrain.weights.side_car import SideCar

_DIGEST_SHOWN = 8


class Stamp(NamedTuple):
    """What tells whether a file is still the same."""

    bytes: int | None
    modified: str


@dataclass(frozen=True)
class Scorer:
    """What turns files into rows.

    Attributes:
        model: a NIMA model.
        side_car: of its weights.
        explainer: says what else is to be seen in a photo; or None.
        batch_size: photos that go through the network at once.
        read: decodes a photo.
    """

    model: PhotoModel
    side_car: SideCar
    explainer: Explainer | None = None
    batch_size: int = BATCH_SIZE
    read: ReadPhoto = read_photo

    @property
    def weights(self) -> str:
        """What rows call the weights."""
        return self.side_car.sha256[:_DIGEST_SHOWN]

    def rows(self, photos: Iterable[Path | PhotoError]) -> Iterator[ScoreRow]:
        """Yields one row a file, in the order of the files."""
        stamps: deque[Stamp] = deque()

        def stamped() -> Iterator[Path | PhotoError]:
            for photo in photos:
                # Before it is read: a file that changes meanwhile is to be scored again.
                stamps.append(stamp_of(photo))
                yield photo

        explainer = self.explainer
        levels_model = explainer.model if explainer else None
        for score in score_photos(self.model, stamped(), self.batch_size, self.read, levels_model):
            stamp = stamps.popleft()
            yield replace(self._row(score), bytes=stamp.bytes, modified=stamp.modified)

    def _row(self, score: Score) -> ScoreRow:
        row = ScoreRow(shown(score.path), note="; ".join(score.notes), weights=self.weights)
        if score.distribution is None:
            return replace(row, status="error", error=score.error)
        scale, quantiles = self.side_car.score_scale, self.side_car.training_scores
        distribution = score.distribution.astype(np.float64)
        mean = float(mean_score(distribution, scale.scores))
        explanation = ""
        if self.explainer is not None and score.levels is not None:
            explanation = self.explainer.text(score.levels)
        return replace(
            row,
            mean=mean,
            std=float(score_spread(distribution, scale.scores)),
            percentile=percentile_of(mean, np.array(quantiles)) if quantiles else None,
            distribution=tuple(distribution.tolist()),
            explanation=explanation,
        )


def path_of(photo: Path | PhotoError) -> Path:
    """Returns the path of a file, or of one that cannot be read."""
    return photo.path if isinstance(photo, PhotoError) else photo


def stamp_of(photo: Path | PhotoError) -> Stamp:
    """Returns size and time of a file; neither if it is not there."""
    try:
        status = path_of(photo).stat()
    except OSError:
        return Stamp(None, "")
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=status.st_mtime_ns // 1000)
    return Stamp(status.st_size, moment.isoformat(timespec="microseconds"))
