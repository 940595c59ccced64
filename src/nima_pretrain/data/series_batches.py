"""The batches of pretext training on samples: a few random series of each photo.

The losses of a bank are sums over its series. So a few series of each photo estimate the same
gradient as all of them, from a fraction of the images, and the same number of images makes many
more training steps.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np

from nima_pretrain.data.rendering import Job, rendered
from nima_pretrain.data.share import WHOLE, Share
from nima_pretrain.data.view_batches import number_of
from nima_pretrain.distortions import DistortionBank
from nima_pretrain.distortions.augmentations import NO_AUGMENTATION, Augmentation
from nima_pretrain.distortions.geometry import Fit

# Follows the seed of a photo and an epoch for the order of its series.
_OF_ORDER = 2**31 + 1


class SeriesSample(TypedDict):
    """A batch of B photos in a sample of their series, or a share of it.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, 0 to 255.
        places: (N, 2) int32, the photo of every image, counted in the whole batch, and its index
            among the bank's views.
        series_weights: (B, series) float32: for k sampled series of a photo the number of all
            series over k, and 0 for the others; the mean over all samples is 1.
    """

    images: np.ndarray
    places: np.ndarray
    series_weights: np.ndarray


class _Visit(NamedTuple):
    """One photo, its row in the batch, and the indices of its series and views."""

    row: int
    name: str
    number: int
    series: tuple[int, ...]
    views: tuple[int, ...]


@dataclass(frozen=True)
class SeriesBatches:
    """An infinite iterable of samples of series; see `SeriesSample`.

    An epoch visits every photo as often as it takes to show all of its series once, in random
    order, in visits of nearly equal length. Only the sampled views are rendered.

    Attributes:
        root: see `ViewBatches`, as for the attributes that are not listed.
        names: the photos.
        bank: the bank.
        series_per_photo: largest number of series per visit.
        photos_per_batch: B, visits of photos; two may be of one photo.
        augmentation: random change of a photo, anew at every visit.
    """

    root: Path
    names: Sequence[str]
    bank: DistortionBank
    series_per_photo: int
    photos_per_batch: int
    seed: int
    size: int
    fit: Fit
    num_workers: int | None = None
    augmentation: Augmentation = NO_AUGMENTATION
    first: int = 0
    share: Share = WHOLE

    @property
    def visits_per_epoch(self) -> int:
        """The number of visits of one photo."""
        return -(-len(self.bank.series) // self.series_per_photo)

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.names) * self.visits_per_epoch // self.photos_per_batch)

    def __iter__(self) -> Iterator[SeriesSample]:
        ahead = self.photos_per_batch
        with closing(rendered(self._jobs(), self.num_workers, ahead)) as views:
            for visits in self._batches():
                yield self._sample(visits, list(islice(views, len(visits))))

    def _batches(self) -> Iterator[list[_Visit]]:
        epoch, skipped = divmod(self.first, self.batches_per_epoch)
        start = skipped * self.photos_per_batch
        for current in count(epoch):
            visits = self._visits(current)
            for first in range(start, len(visits), self.photos_per_batch):
                batch = visits[first : first + self.photos_per_batch]
                placed = [visit._replace(row=row) for row, visit in enumerate(batch)]
                yield placed[self.share.of(len(placed))]
            start = 0

    def _visits(self, epoch: int) -> list[_Visit]:
        """Returns all visits of an epoch in their order."""
        num_visits = self.visits_per_epoch
        visits = []
        for name in self.names:
            rng = np.random.default_rng([self.seed, epoch, number_of(name), _OF_ORDER])
            parts = np.array_split(rng.permutation(len(self.bank.series)), num_visits)
            for visit, part in enumerate(parts):
                series = tuple(sorted(part.tolist()))
                views = {
                    view
                    for chosen in (self.bank.series[index] for index in series)
                    for view in (chosen.reference, *chosen.views)
                }
                visits.append(
                    _Visit(0, name, epoch * num_visits + visit, series, tuple(sorted(views)))
                )
        order = np.random.default_rng([self.seed, epoch]).permutation(len(visits))
        return [visits[index] for index in order]

    def _jobs(self) -> Iterator[Job]:
        for visits in self._batches():
            for visit in visits:
                yield Job(
                    self.root / visit.name,
                    self.bank,
                    self.size,
                    self.fit,
                    (self.seed, visit.number, number_of(visit.name)),
                    self.augmentation,
                    visit.views,
                )

    def _sample(self, visits: list[_Visit], views: list[np.ndarray]) -> SeriesSample:
        num_series = len(self.bank.series)
        weights = np.zeros((len(visits), num_series), np.float32)
        for row, visit in enumerate(visits):
            weights[row, list(visit.series)] = num_series / len(visit.series)
        places = [(visit.row, view) for visit in visits for view in visit.views]
        none = np.zeros((0, self.size, self.size, 3), np.uint8)  # a share may be empty
        return {
            "images": np.concatenate(views) if views else none,
            "places": np.array(places, np.int32).reshape(-1, 2),
            "series_weights": weights,
        }
