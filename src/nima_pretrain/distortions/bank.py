"""Distortions, the banks they form, and all that follows from a bank's order.

A bank is an ordered tuple of distortions. Its views, its series, and the index arrays that the
losses gather with are derived from that tuple, so that there is one place to read or to change.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from nima_pretrain.distortions.geometry import Fit, fit_square
from nima_pretrain.distortions.source import Source

# Views whose values differ by less than this on average, of 255, are no pair to learn from.
VOID_GREY_LEVELS = 0.5

Filter = Callable[[Source, float, np.random.Generator], np.ndarray]


class Aspect(Enum):
    """Which side of a photograph a distortion spoils."""

    TECHNICAL = "technical"
    STYLE = "style"
    COMPOSITION = "composition"


@dataclass(frozen=True)
class Reference:
    """An undistorted view that distorted ones are ranked against."""

    name: str
    render: Callable[[Source], np.ndarray]


ORIGINAL = Reference("original", lambda source: source.small)


@dataclass(frozen=True)
class Distortion:
    """One way to spoil a photo, in steps.

    Attributes:
        name: as in the paper, e.g. "exposure".
        aspect: technical, style or composition.
        filter: (source, value, rng) -> (h, w, 3) uint8, the size of `source.small`.
        below: values on the negative side, from the lowest up; the last is the weakest.
        above: values on the positive side, from the lowest up; the first is the weakest.
        reference: the undistorted view that both sides are ranked against.
    """

    name: str
    aspect: Aspect
    filter: Filter
    below: tuple[float, ...] = ()
    above: tuple[float, ...] = ()
    reference: Reference = ORIGINAL

    def apply(
        self, image: np.ndarray, value: float, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Returns the distorted image, of the size of the image.

        Args:
            image: (H, W, 3) uint8 sRGB, 0 to 255.
            value: in the distortion's own unit (stops, kelvin, degrees, severity, ...).
            rng: what random distortions draw from; None for a fresh generator of seed 0.

        Raises:
            ValueError: the image is not (H, W, 3) uint8, or the value is not known.
        """
        image = np.asarray(image)
        source = Source(image, size=min(image.shape[:2]))
        return self.filter(source, value, rng or np.random.default_rng(0))


class View(NamedTuple):
    """One version of a photo; level 0 and no distortion for a reference."""

    name: str
    level: int
    render: Callable[[Source, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Series:
    """The views of one distortion on one side, as indices into the bank's views.

    Attributes:
        distortion: which one.
        sign: -1 or +1.
        reference: index of the undistorted view.
        views: indices by rising strength.
    """

    distortion: Distortion
    sign: int
    reference: int
    views: tuple[int, ...]


class Pairs(NamedTuple):
    """Ordered pairs of views: `better` should score above `worse`; each (P,) int32."""

    better: np.ndarray
    worse: np.ndarray


class ClassTerms(NamedTuple):
    """The views of one aspect, their class, their pair with their reference; each (N,) int32."""

    views: np.ndarray
    labels: np.ndarray
    pairs: np.ndarray


class RegressionTerms(NamedTuple):
    """Which output of which view has which target; (N,) int32, but the targets float32.

    Targets are the level over the number of levels on that side, -1 to 1; 0 on a reference,
    once for every distortion that is ranked against it. `pairs` holds each view's pair with its
    reference, -1 for a reference itself.
    """

    views: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray
    pairs: np.ndarray


class DistortionBank:
    """An ordered tuple of distortions, and the views of a photo that follow from it.

    Attributes:
        name: what `get_bank` knows it by.
        distortions: the tuple.
        references: undistorted views; they come first among the views.
        drops_void_terms: whether losses leave out, photo by photo, pairs of views that hardly
            differ (a photo without highlights under `highlights`); see `VOID_GREY_LEVELS`.
    """

    def __init__(
        self,
        name: str,
        distortions: tuple[Distortion, ...],
        references: tuple[Reference, ...],
        drops_void_terms: bool = False,
    ) -> None:
        self.name = name
        self.distortions = distortions
        self.references = references
        self.drops_void_terms = drops_void_terms
        self.views, self.series = _views_and_series(distortions, references)
        self.view_names = tuple(view.name for view in self.views)

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

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """A bank goes to another process by its name: its filters are functions."""
        from nima_pretrain.distortions.paper import get_bank

        return get_bank, (self.name,)

    @property
    def num_views(self) -> int:
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
    ) -> np.ndarray:
        """Returns all views of a photo, (views, size, size, 3) uint8 RGB, in the bank's order.

        Args:
            photo: (H, W, 3) uint8 sRGB of any size.
            size: side of the network's input in pixels, at least 32.
            seed: a view depends on it, on its place in the bank, and on nothing else.
            fit: how a view becomes a square: "letterbox" or "squash".
        """
        source = Source(photo, size)
        entropy = [seed] if isinstance(seed, int) else list(seed)
        views = np.empty((self.num_views, size, size, 3), np.uint8)
        for index, view in enumerate(self.views):
            rng = np.random.default_rng([*entropy, index])
            views[index] = fit_square(view.render(source, rng), size, fit)
        return views

    @cached_property
    def pairs(self) -> Pairs:
        """Every ordered pair within a series, its reference included."""
        pairs = []
        for series in self.series:
            ranking = (series.reference, *series.views)
            pairs += [(b, w) for i, b in enumerate(ranking) for w in ranking[i + 1 :]]
        return Pairs(*np.array(pairs, np.int32).T)

    @cached_property
    def class_terms(self) -> dict[Aspect, ClassTerms]:
        """The distorted views of each aspect with their class within the aspect."""
        terms = {}
        for aspect in Aspect:
            classes = self.of_aspect(aspect)
            rows = [
                (view, classes.index(series.distortion), self._pair_of(series.reference, view))
                for series in self.series
                if series.distortion.aspect is aspect
                for view in series.views
            ]
            terms[aspect] = ClassTerms(*np.array(sorted(rows), np.int32).reshape(-1, 3).T)
        return terms

    @cached_property
    def distorted_views(self) -> tuple[np.ndarray, np.ndarray]:
        """The distorted views, and each one's pair with its reference; (N,) int32 both."""
        rows = [
            (view, self._pair_of(series.reference, view))
            for series in self.series
            for view in series.views
        ]
        views, pairs = np.array(sorted(rows), np.int32).T
        return views, pairs

    @cached_property
    def regression_terms(self) -> RegressionTerms:
        """The distorted views, and each distortion's reference, with output and target."""
        rows = []
        for output, distortion in enumerate(self):
            sides = [series for series in self.series if series.distortion is distortion]
            rows.append((sides[0].reference, output, 0.0, -1))
            for series in sides:
                num_levels = len(series.views)
                for k, view in enumerate(series.views, start=1):
                    pair = self._pair_of(series.reference, view)
                    rows.append((view, output, series.sign * k / num_levels, pair))
        views, outputs, targets, pairs = zip(*rows, strict=True)
        return RegressionTerms(
            np.array(views, np.int32),
            np.array(outputs, np.int32),
            np.array(targets, np.float32),
            np.array(pairs, np.int32),
        )

    def differences(self, views: np.ndarray) -> np.ndarray:
        """Returns how far the two views of every pair are apart, (P,) float64 grey levels.

        Args:
            views: (V, S, S, 3) uint8, from `render`; the mean absolute difference of all values
                counts, black bars among them.
        """
        wide = views.astype(np.int16)
        pairs = zip(*self.pairs, strict=True)
        return np.array([np.abs(wide[better] - wide[worse]).mean() for better, worse in pairs])

    def _pair_of(self, reference: int, view: int) -> int:
        return self._pair_indices[reference, view]

    @cached_property
    def _pair_indices(self) -> dict[tuple[int, int], int]:
        pairs = zip(self.pairs.better.tolist(), self.pairs.worse.tolist(), strict=True)
        return {pair: index for index, pair in enumerate(pairs)}


def _views_and_series(
    distortions: tuple[Distortion, ...], references: tuple[Reference, ...]
) -> tuple[tuple[View, ...], tuple[Series, ...]]:
    views = [View(ref.name, 0, partial(_render_reference, ref)) for ref in references]
    series = []
    for distortion in distortions:
        reference = references.index(distortion.reference)
        start = len(views)
        num_below, num_above = len(distortion.below), len(distortion.above)
        levels = [*range(-num_below, 0), *range(1, num_above + 1)]
        values = distortion.below + distortion.above
        views += [
            View(f"{distortion.name}_{value:g}", level, partial(_render_value, distortion, value))
            for level, value in zip(levels, values, strict=True)
        ]
        middle = start + num_below
        if num_below:
            indices = tuple(range(middle - 1, start - 1, -1))
            series.append(Series(distortion, -1, reference, indices))
        if num_above:
            indices = tuple(range(middle, middle + num_above))
            series.append(Series(distortion, +1, reference, indices))
    return tuple(views), tuple(series)


def _render_reference(reference: Reference, source: Source, rng: np.random.Generator) -> np.ndarray:
    return reference.render(source)


def _render_value(
    distortion: Distortion, value: float, source: Source, rng: np.random.Generator
) -> np.ndarray:
    return distortion.filter(source, value, rng)
