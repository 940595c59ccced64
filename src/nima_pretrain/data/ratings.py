"""Human ratings: which photo got which distribution of scores, whatever file it comes from."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nima_pretrain.data.split import PARTS, split_names
from nima_pretrain.errors import InputError

_WIDEST_INTEGER_SCALE = 20
_BINS_OF_OTHER_SCALES = 10


@dataclass(frozen=True)
class ScoreScale:
    """The scores that raters could give: `bins` of them, evenly from `low` to `high`.

    Without bounds the bins are 1, 2, .. n, as on AVA (ten) and OASIS (seven).
    """

    bins: int
    low: float = 1.0
    high: float | None = None

    @property
    def scores(self) -> np.ndarray:
        """The score of every bin, (n,) float64."""
        high = self.low + self.bins - 1 if self.high is None else self.high
        return np.linspace(self.low, high, self.bins)

    @property
    def threshold(self) -> float:
        """The score above which a photo counts as good.

        It is 5 on AVA's ten bins, by custom of its papers, and the middle of any other scale.
        """
        if (self.bins, self.scores[0], self.scores[-1]) == (10, 1.0, 10.0):
            return 5.0
        return float(self.scores.mean())

    def is_same(self, other: "ScoreScale") -> bool:
        """Whether both have the same scores, however they were written down."""
        return self.scores.tolist() == other.scores.tolist()

    def __str__(self) -> str:
        return f"{self.bins} bins from {self.scores[0]:g} to {self.scores[-1]:g}"


def parse_scale(text: str) -> ScoreScale:
    """Returns the scale that LOW:HIGH or LOW:HIGH:BINS describes, e.g. 1:5 or 0:100:11.

    Without BINS a range of 3 to 20 whole scores has a bin for each, any other ten bins.

    Raises:
        InputError: it is no such text.
    """
    parts = text.split(":")
    try:
        low, high = float(parts[0]), float(parts[1])
        steps = high - low
        whole = steps == int(steps) and low == int(low) and 2 <= steps < _WIDEST_INTEGER_SCALE
        bins = int(parts[2]) if len(parts) > 2 else int(steps) + 1 if whole else None
        bins = _BINS_OF_OTHER_SCALES if bins is None else bins
        if len(parts) > 3 or not np.isfinite(steps) or steps <= 0 or bins < 2:
            raise ValueError
    except (ValueError, IndexError, OverflowError):
        raise InputError(
            f"Expected a scale as LOW:HIGH or LOW:HIGH:BINS, e.g. 1:5 or 0:100:11, received "
            f"{text!r}."
        ) from None
    return ScoreScale(bins, low, high)


@dataclass(frozen=True)
class Ratings:
    """Photos with the distributions of their scores.

    Attributes:
        paths: N files; they exist.
        distributions: (N, n) float64, rows sum to 1.
        scale: the scores of the n bins.
        ids: what the ratings call the photos; empty for the names of the files.
        parts: "training", "validation" or "test" for each, where the ratings say so; else empty.
        of_votes: whether the distributions are of votes; else they are the least committal ones
            with the given means and spreads.
        categories: what each photo shows, "" where the ratings do not say it; empty without any.
    """

    paths: tuple[Path, ...]
    distributions: np.ndarray
    scale: ScoreScale
    ids: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    of_votes: bool = True
    categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def mean_scores(self) -> np.ndarray:
        """The expected score of every photo, (N,) float64."""
        return self.distributions.astype(np.float64) @ self.scale.scores

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name for each photo."""
        return self.ids or tuple(path.name for path in self.paths)

    @property
    def digest(self) -> str:
        """A sha256 of names, distributions and scale, whatever their order: it names the split."""
        lines = [
            f"{name} " + " ".join(f"{share:.6f}" for share in row)
            for name, row in zip(self.names, self.distributions.tolist(), strict=True)
        ]
        text = "\n".join([str(self.scale), *sorted(lines)])
        return hashlib.sha256(text.encode()).hexdigest()

    def rows(self, rows: Sequence[int]) -> "Ratings":
        """Returns the ratings of some rows, in their order."""
        return Ratings(
            tuple(self.paths[row] for row in rows),
            self.distributions[list(rows)],
            self.scale,
            tuple(self.names[row] for row in rows),
            tuple(self.parts[row] for row in rows) if self.parts else (),
            self.of_votes,
            tuple(self.categories[row] for row in rows) if self.categories else (),
        )

    def of(self, paths: Collection[Path]) -> "Ratings":
        """Returns the ratings of some photos, in the order of this table."""
        wanted = set(paths)
        return self.rows([row for row, path in enumerate(self.paths) if path in wanted])

    def called(self, names: Collection[str]) -> "Ratings":
        """Returns the ratings of the photos of some names, in the order of this table."""
        wanted = set(names)
        return self.rows([row for row, name in enumerate(self.names) if name in wanted])

    def part(self, part: str) -> "Ratings":
        """Returns the ratings that are for "training", "validation" or "test"."""
        assert part in PARTS
        rows = [row for row, of_row in enumerate(self.parts) if of_row == part]
        return self.rows(rows).without_parts()

    def without_parts(self) -> "Ratings":
        """Returns the same ratings, to be divided in another way."""
        return replace(self, parts=())

    def split(self, fraction: float, seed: int) -> tuple["Ratings", "Ratings"]:
        """Returns a larger part and a fraction held out, the same for the same seed."""
        kept, held_out = split_names(self.names, (1 - fraction, fraction), seed)
        return self.called(kept), self.called(held_out)

    def share(self, share: float, seed: int) -> "Ratings":
        """Returns a fixed part of the photos: a smaller share is within each larger one.

        Args:
            share: above 0, at most 1; at least one photo is kept.
            seed: of the choice.
        """
        ordered, _ = split_names(self.names, (1, 0), seed)
        return self.called(ordered[: max(1, round(share * len(ordered)))])


def listed(ratings: Ratings, names: Sequence[str], source: Path) -> Ratings:
    """Returns the ratings of the photos that a list names, by their id, with or without extension.

    A list may name photos that have no rating here, as AVA's lists name images that are gone.

    Raises:
        InputError: the list names none of the photos.
    """
    wanted = {name for line in names for name in (line.strip(), Path(line.strip()).stem)}
    rows = [
        row for row, name in enumerate(ratings.names) if name in wanted or Path(name).stem in wanted
    ]
    if not rows:
        raise InputError(
            f"None of the {len(names)} photos that {source} lists is rated; it starts with "
            f"{names[0]!r}, the ratings with {ratings.names[0]!r}."
        )
    return ratings.rows(rows).without_parts()
