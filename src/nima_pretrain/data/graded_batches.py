"""The batches of the ordering stage: views, rated photos and pictures without content, graded.

An image has a target distribution of scores, and maybe a group: the views of one series of a photo,
or the copies of a photo. Within a group, an image with a greater depth should score lower, and one
of the same depth the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.config.order import OrderConfig
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.rendering import in_processes
from nima_pretrain.distortions import Aspect, Series, get_bank
from nima_pretrain.distortions.augmentations import Augmentation, nearly_identical
from nima_pretrain.distortions.bank import VOID_GREY_LEVELS
from nima_pretrain.distortions.blanks import blank_picture
from nima_pretrain.distortions.geometry import LONGEST_DETOUR, Fit, fit_photo

# Each bin of a picture without content has this share of the bin below it.
_BLANK_DECAY = 0.3

NO_GROUP = -1


class Source(IntEnum):
    """The source of an image's target distribution."""

    RATED = 0  # human ratings
    TAUGHT = 1  # those of the undistorted photo, moved down
    BLANK = 2  # the lowest scores, for a picture without content


# Images (N, S, S, 3) uint8 RGB, and targets (N, n + 3) float32: n bins of a distribution, source,
# group and depth in points.
Graded = tuple[np.ndarray, np.ndarray]


class Known(NamedTuple):
    """N photos and their score distributions, (N, n)."""

    paths: tuple[Path, ...]
    distributions: np.ndarray


@dataclass(frozen=True)
class GradedBatches:
    """An infinite iterable of `Graded`, rendered by worker processes.

    Attributes:
        rated: photos with human ratings.
        taught: photos without ratings, with the distributions that a model gives them.
        scale: the score scale.
        size: side of the network's input, pixels.
        fit: "letterbox" or "squash".
        config: numbers of images, shifts and windows.
        seed: seed of everything random; a batch depends on it and on the number of the step.
        first: number of batches to skip, when training resumes.
    """

    rated: Known
    taught: Known
    scale: ScoreScale
    size: int
    fit: Fit
    config: OrderConfig
    seed: int
    first: int = 0

    def __iter__(self) -> Iterator[Graded]:
        # The next step is rendered during the current one.
        steps = in_processes(self.render, count(self.first), self.config.num_workers, ahead=1)
        with closing(steps) as batches:
            yield from batches

    def render(self, step: int) -> Graded:
        """Returns the batch of a step.

        Raises:
            PhotoError: a photo cannot be decoded.
        """
        config, rng = self.config, np.random.default_rng([self.seed, step])
        images: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        for group in range(config.series_per_step):
            views, depths, distribution = self._series(rng)
            images += list(views)
            lower = moved_down(distribution, depths, self.scale)  # (K, n)
            targets += [
                _target(row, Source.TAUGHT, group, depth)
                for row, depth in zip(lower, depths, strict=True)
            ]
        for group, row in enumerate(self._rated_rows(step), start=config.series_per_step):
            photo = load_photo(self.rated.paths[row])
            copies = [nearly_identical(photo, rng) for _ in range(2)]
            images += [fit_photo(copy, self.size, self.fit) for copy in copies]
            targets += 2 * [_target(self.rated.distributions[row], Source.RATED, group, 0.0)]
        for _ in range(config.blank_per_step):
            images.append(blank_picture(self.size, rng))
            targets.append(_target(self._blank, Source.BLANK, NO_GROUP, 0.0))
        return np.stack(images), np.stack(targets).astype(np.float32)

    def _series(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the views of a series, reference first, their depths, and the photo's scores.

        Views are not made of strips, see `LONGEST_DETOUR`: a photo without ratings replaces them.
        """
        config, bank = self.config, get_bank(self.config.bank)
        use_rated = rng.random() < config.rated_share
        photos = self.rated if use_rated else self.taught
        row = int(rng.integers(len(photos.paths)))
        photo = load_photo(photos.paths[row])
        if max(photo.shape[:2]) > LONGEST_DETOUR * min(photo.shape[:2]):  # of the rated ones
            photos, row = self.taught, int(rng.integers(len(self.taught.paths)))
            photo = load_photo(photos.paths[row])
        series: Series = bank.series[rng.integers(len(bank.series))]
        augment = Augmentation(config.smallest_window, mirror=True)
        photo = augment(photo, rng)
        chosen = (series.reference, *series.views)
        seed = int(rng.integers(2**31))
        views = bank.render(photo, self.size, seed, self.fit, chosen)
        shift = self._shifts[series.distortion.aspect] * np.ptp(self.scale.scores)
        depths = shift * np.arange(len(chosen)) / len(series.views)
        apart = np.abs(views.astype(np.int16) - views[0]).mean(axis=(1, 2, 3))
        is_kept = apart >= VOID_GREY_LEVELS  # void views are left out
        is_kept[0] = True
        return views[is_kept], depths[is_kept], photos.distributions[row]

    def _rated_rows(self, step: int) -> Sequence[int]:
        """Returns the rated photos of a step: all of them in random order, again and again."""
        number, wanted = len(self.rated.paths), self.config.rated_per_step
        rows = []
        for place in range(step * wanted, (step + 1) * wanted):
            round_, index = divmod(place, number)
            order = np.random.default_rng([self.seed, round_, number]).permutation(number)
            rows.append(int(order[index]))
        return rows

    @property
    def _shifts(self) -> dict[Aspect, float]:
        config = self.config
        return {
            Aspect.TECHNICAL: config.technical_shift,
            Aspect.STYLE: config.style_shift,
            Aspect.COMPOSITION: config.composition_shift,
        }

    @cached_property
    def _blank(self) -> np.ndarray:
        falling = _BLANK_DECAY ** np.arange(self.scale.bins)
        return falling / falling.sum()


def moved_down(distribution: np.ndarray, points: np.ndarray, scale: ScoreScale) -> np.ndarray:
    """Returns a score distribution with all votes lowered by some points, (K, n) float64.

    A vote between two bins is shared by them; votes below the lowest bin stay in it.

    Args:
        distribution: (n,) floats that sum to 1.
        points: (K,) floats, at least 0.
        scale: the scale of the n bins.
    """
    bins = scale.scores
    lowered = np.maximum(bins - points[:, None], bins[0])  # (K, from)
    apart = np.abs(lowered[..., None] - bins) / (bins[1] - bins[0])  # (K, from, to)
    return np.einsum("f,kft->kt", distribution, np.maximum(0, 1 - apart))


def _target(distribution: np.ndarray, source: Source, group: int, depth: float) -> np.ndarray:
    return np.concatenate([distribution, [source, group, depth]])
