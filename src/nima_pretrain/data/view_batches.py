"""The batches of pretext training: all views of photos, rendered by worker processes."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from nima_pretrain.data.rendering import Job, rendered
from nima_pretrain.data.share import WHOLE, Share
from nima_pretrain.distortions import Views
from nima_pretrain.distortions.augmentations import NO_AUGMENTATION, Augmentation
from nima_pretrain.distortions.geometry import Fit

# The alignment with which TensorFlow uses an array without copying it.
_ALIGNMENT_BYTES = 64


@dataclass(frozen=True)
class ViewBatches:
    """An infinite iterable of batches of all views, (B, V, S, S, 3) uint8 RGB, 0 to 255.

    Attributes:
        root: folder that the names are relative to.
        names: the photos. The randomness of a photo's views depends only on its name, the seed
            and the epoch.
        views: the views and their order.
        size: side of a view, pixels.
        fit: "letterbox" or "squash".
        photos_per_batch: B; the last batch of an epoch may be smaller.
        seed: seed of order, augmentation and random distortions.
        vary: whether order and random distortions change every epoch: True for training; False
            for validation, whose losses must be comparable.
        augmentation: random change of a photo before its views are rendered.
        num_workers: processes that render ahead; None for half the cores, 0 for none.
        first: number of batches to skip at the beginning, when training resumes.
        share: the part of every batch to render.
    """

    root: Path
    names: Sequence[str]
    views: Views
    size: int
    fit: Fit
    photos_per_batch: int
    seed: int
    first: int = 0
    num_workers: int | None = None
    vary: bool = True
    augmentation: Augmentation = NO_AUGMENTATION
    share: Share = WHOLE

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.names) // self.photos_per_batch)

    def __iter__(self) -> Iterator[np.ndarray]:
        # The next batch is rendered during a training step, and no worker is ever idle.
        ahead = self.photos_per_batch
        with closing(rendered(self._jobs(), self.num_workers, ahead)) as views:
            for batch in count(self.first):
                yield self._gather(views, len(self._names_of(batch)))

    def _jobs(self) -> Iterator[Job]:
        for batch in count(self.first):
            epoch = batch // self.batches_per_epoch if self.vary else 0
            for name in self._names_of(batch):
                seed = (self.seed, epoch, number_of(name))
                path = self.root / name
                yield Job(path, self.views, self.size, self.fit, seed, self.augmentation)

    def _names_of(self, batch: int) -> list[str]:
        """Returns the share of a batch's photos; batches count from the beginning of training."""
        epoch, place = divmod(batch, self.batches_per_epoch)
        start = place * self.photos_per_batch
        indices: Sequence[int] | np.ndarray = range(len(self.names))
        if self.vary:
            indices = np.random.default_rng([self.seed, epoch]).permutation(len(self.names))
        batch_indices = indices[start : start + self.photos_per_batch]
        return [self.names[index] for index in batch_indices[self.share.of(len(batch_indices))]]

    def _gather(self, views: Iterator[np.ndarray], num_photos: int) -> np.ndarray:
        """Returns one array of a batch, filled photo by photo, so that memory is not doubled."""
        shape = (num_photos, self.views.num_views, self.size, self.size, 3)
        batch = _empty_aligned(shape)
        for row in range(num_photos):
            batch[row] = next(views)
        return batch


def number_of(name: str) -> int:
    """Returns a number for a photo that is independent of all other photos."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "little")


def _empty_aligned(shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    memory = np.empty(size + _ALIGNMENT_BYTES, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[start : start + size].reshape(shape)
