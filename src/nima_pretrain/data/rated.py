"""The batches that fine-tuning reads: photos as the network takes them, with their ratings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.distortions.geometry import Fit

# Decoded photos are kept from one epoch to the next while they fit into this much memory.
_CACHE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class RatedBatches:
    """Pairs of photos (B, S, S, 3) uint8 and distributions (B, n) float32, without end.

    Attributes:
        ratings: photos and distributions.
        size: side of the network's input, pixels.
        fit: "letterbox" or "squash".
        batch_size: B; the last batch of an epoch may be smaller.
        seed: of order and flips; both depend on the epoch.
        flip: whether half of the photos are mirrored, chosen anew every epoch.
        vary: False for validation: same order, no flips.
    """

    ratings: Ratings
    size: int
    fit: Fit
    batch_size: int
    seed: int
    flip: bool = True
    vary: bool = True
    _cache: dict[Path, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.ratings) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with ThreadPoolExecutor() as executor:
            photos = ordered_map(executor, self._photo, self._items(), ahead=2 * self.batch_size)
            while True:
                for start in range(0, len(self.ratings), self.batch_size):
                    stop = min(start + self.batch_size, len(self.ratings))
                    rows, images = zip(*(next(photos) for _ in range(start, stop)), strict=True)
                    yield (
                        np.stack(images),
                        self.ratings.distributions[list(rows)].astype(np.float32),
                    )

    def _items(self) -> Iterator[tuple[int, bool]]:
        rows = np.arange(len(self.ratings))
        for epoch in count():
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(rows) if self.vary else rows
            flips = rng.random(len(rows)) < (0.5 if self.vary and self.flip else 0)
            yield from zip(order.tolist(), flips.tolist(), strict=True)

    def _photo(self, item: tuple[int, bool]) -> tuple[int, np.ndarray]:
        row, flipped = item
        path = self.ratings.paths[row]
        image = self._cache.get(path)
        if image is None:
            image = load_fitted(path, self.size, self.fit)
            if len(self.ratings) * image.nbytes <= _CACHE_BYTES:
                self._cache[path] = image
        return row, image[:, ::-1] if flipped else image
