"""A bank: an ordered tuple of distortions, with its views and series."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from nima_pretrain.distortions.distortion import Aspect, Distortion, Reference
from nima_pretrain.distortions.geometry import Fit, fit_square
from nima_pretrain.distortions.source import Source

# Pairs of views with a smaller mean absolute difference, in grey levels of 255, are void.
VOID_GREY_LEVELS = 0.5


class View(NamedTuple):
    """One version of a photo."""

    name: str
    render: Callable[[Source, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Series:
    """The views of one distortion on one side, as indices into the bank's views.

    Attributes:
        distortion: the distortion.
        sign: the side, -1 or +1.
        reference: index of the undistorted view.
        views: indices by rising strength.
    """

    distortion: Distortion
    sign: int
    reference: int
    views: tuple[int, ...]

    @property
    def targets(self) -> tuple[float, ...]:
        """The level of each view over the number of levels on this side, -1 to 1."""
        return tuple(self.sign * k / len(self.views) for k in range(1, len(self.views) + 1))


@dataclass(frozen=True, eq=False, repr=False)
class DistortionBank:
    """An ordered tuple of distortions, with the views and series of a photo.

    Attributes:
        name: the name that `get_bank` takes.
        distortions: the ordered distortions.
        references: undistorted views; they come first among the views.
        drops_void_terms: whether losses ignore, per photo, pairs of views that hardly differ
            (e.g. `highlights` on a photo without any); see `pretext.targets`.
    """

    name: str
    distortions: tuple[Distortion, ...]
    references: tuple[Reference, ...]
    drops_void_terms: bool = False

    def __iter__(self) -> Iterator[Distortion]:
        return iter(self.distortions)

    def __len__(self) -> int:
        return len(self.distortions)

    def __getitem__(self, name: str) -> Distortion:
        for distortion in self.distortions:
            if distortion.name == name:
                return distortion
        names = ", ".join(distortion.name for distortion in self.distortions)
        raise KeyError(f"The bank {self.name!r} has no distortion {name!r}. It has: {names}.")

    def __repr__(self) -> str:
        return f"<DistortionBank {self.name!r}: {len(self)} distortions, {self.num_views} views>"

    @property
    def views(self) -> tuple[View, ...]:
        """The ordered views: references, then each distortion from its lowest value up."""
        return self._views_and_series[0]

    @property
    def series(self) -> tuple[Series, ...]:
        """The series in the order of the distortions, the negative side first."""
        return self._views_and_series[1]

    @cached_property
    def view_names(self) -> tuple[str, ...]:
        """The V names of the views, e.g. "original" and "exposure_-1.8"."""
        return tuple(view.name for view in self.views)

    @property
    def num_views(self) -> int:
        """V, the number of views."""
        return len(self.views)

    def of_aspect(self, aspect: Aspect) -> tuple[Distortion, ...]:
        """Returns the distortions of an aspect: its classes, in order."""
        return tuple(distortion for distortion in self if distortion.aspect is aspect)

    def render(
        self,
        photo: np.ndarray,
        size: int = 224,
        seed: int | Sequence[int] = 0,
        fit: Fit = "letterbox",
        chosen: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Returns views of a photo, (V, size, size, 3) uint8 RGB, in the bank's order.

        Args:
            photo: (H, W, 3) uint8 sRGB of any size.
            size: side of the network's input in pixels, at least 32.
            seed: a view's randomness depends only on it and on the view's index.
            fit: "letterbox" or "squash", see `fit_square`.
            chosen: indices of the views to render, in their order; None for all.

        Raises:
            ValueError: the photo is not (H, W, 3) uint8, or `size` is below 32.
        """
        source = Source(photo, size)
        entropy = [seed] if isinstance(seed, int) else list(seed)
        indices = range(self.num_views) if chosen is None else chosen
        views = np.empty((len(indices), size, size, 3), np.uint8)
        for row, index in enumerate(indices):
            rng = np.random.default_rng([*entropy, index])
            views[row] = fit_square(self.views[index].render(source, rng), size, fit)
        return views

    @cached_property
    def _views_and_series(self) -> tuple[tuple[View, ...], tuple[Series, ...]]:
        views = [View(ref.name, partial(_render_reference, ref)) for ref in self.references]
        series = []
        for distortion in self.distortions:
            reference = self.references.index(distortion.reference)
            start, num_below = len(views), len(distortion.below)
            middle, end = start + num_below, start + num_below + len(distortion.above)
            views += [
                View(f"{distortion.name}_{value:g}", partial(_render, distortion, value))
                for value in distortion.below + distortion.above
            ]
            sides = {-1: range(middle - 1, start - 1, -1), +1: range(middle, end)}
            series += [
                Series(distortion, sign, reference, tuple(indices))
                for sign, indices in sides.items()
                if indices
            ]
        return tuple(views), tuple(series)


def _render_reference(reference: Reference, source: Source, rng: np.random.Generator) -> np.ndarray:
    return reference.render(source)


def _render(
    distortion: Distortion, value: float, source: Source, rng: np.random.Generator
) -> np.ndarray:
    return distortion.filter(source, value, rng)
