"""The batches of fine-tuning: photos in the network's format, with their ratings."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.share import WHOLE, Share
from nima_pretrain.distortions.geometry import Fit

# Decoded photos are cached across epochs if all of them fit into this much memory.
_CACHE_BYTES = 2 * 2**30


class _Item(NamedTuple):
    """One photo of an epoch: its row, a mirroring flag, and the top-left corner of its window."""

    row: int
    flipped: bool
    place: tuple[int, int]


@dataclass(frozen=True)
class RatedBatches:
    """An infinite iterable of photos (B, S, S, 3) uint8 RGB and targets (B, T) float32.

    Attributes:
        paths: N photos.
        targets: (N, T) float32, e.g. distributions of ratings.
        size: side of the network's input, pixels.
        fit: "letterbox" or "squash".
        batch_size: B; the last batch of an epoch may be smaller.
        seed: seed of order, flips and crops; all depend on the epoch, too.
        flip: whether half of the photos are mirrored, chosen anew every epoch.
        vary: False for validation: same order, no flips, no crops.
        crop_from: side, in pixels, to which photos are resized before a random window of `size`
            is cut, anew in every epoch; None for no crop.
        first: number of batches to skip at the beginning, when training resumes.
        share: the part of every batch to load.
    """

    paths: Sequence[Path]
    targets: np.ndarray
    size: int
    fit: Fit
    batch_size: int
    seed: int
    flip: bool = True
    vary: bool = True
    crop_from: int | None = None
    first: int = 0
    share: Share = WHOLE
    _cache: dict[Path, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.paths) // self.batch_size)

    @property
    def _loaded_size(self) -> int:
        return self.crop_from if self.crop_from and self.vary else self.size

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with ThreadPoolExecutor() as executor:
            items = chain.from_iterable(self._batches())
            photos = ordered_map(executor, self._photo, items, ahead=2 * self.batch_size)
            for batch in self._batches():
                images = np.empty((len(batch), self.size, self.size, 3), np.uint8)
                for place in range(len(batch)):
                    images[place] = next(photos)
                yield images, self.targets[[item.row for item in batch]]

    def _batches(self) -> Iterator[list[_Item]]:
        """Yields the share of every batch."""
        first_epoch, step = divmod(self.first, self.batches_per_epoch)
        start = step * self.batch_size
        for epoch in count(first_epoch):
            items = self._items(epoch)
            for first in range(start, len(items), self.batch_size):
                batch = items[first : first + self.batch_size]
                yield batch[self.share.of(len(batch))]
            start = 0

    def _items(self, epoch: int) -> list[_Item]:
        """Returns all photos of an epoch in their order."""
        rows = np.arange(len(self.paths))
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(rows) if self.vary else rows
        flips = rng.random(len(rows)) < (0.5 if self.vary and self.flip else 0)
        margin = self._loaded_size - self.size
        places = rng.integers(0, margin + 1, (len(rows), 2))
        return [
            _Item(int(row), bool(flipped), (int(place[0]), int(place[1])))
            for row, flipped, place in zip(order, flips, places, strict=True)
        ]

    def _photo(self, item: _Item) -> np.ndarray:
        path = self.paths[item.row]
        image = self._cache.get(path)
        if image is None:
            image = load_fitted(path, self._loaded_size, self.fit)
            if len(self.paths) * image.nbytes <= _CACHE_BYTES:
                self._cache[path] = image
        top, left = item.place
        image = image[top : top + self.size, left : left + self.size]
        return image[:, ::-1] if item.flipped else image
