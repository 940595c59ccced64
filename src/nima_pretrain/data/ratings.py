"""Human ratings: photos with their score distributions, independent of the file format."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nima_pretrain.data.finding import EXTENSIONS
from nima_pretrain.data.split import PARTS, split_names
from nima_pretrain.errors import InputError

_WIDEST_INTEGER_SCALE = 20
_BINS_OF_OTHER_SCALES = 10
MOST_BINS = 1000


@dataclass(frozen=True)
class ScoreScale:
    """The possible scores: `bins` of them, evenly spaced from `low` to `high`.

    Without bounds the scores are 1, 2, .. n, as on AVA (ten) and OASIS (seven).
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
        """The mean score above which a photo counts as good, in points.

        It is 5 on AVA's ten bins, as in the literature, and the middle of any other scale.
        """
        if (self.bins, self.scores[0], self.scores[-1]) == (10, 1.0, 10.0):
            return 5.0
        return float(self.scores.mean())

    def is_same(self, other: "ScoreScale") -> bool:
        """Returns True if both have the same scores, even if their fields differ."""
        return self.scores.tolist() == other.scores.tolist()

    def mapped(self, means: np.ndarray, other: "ScoreScale") -> np.ndarray:
        """Returns mean scores on this scale mapped linearly to another scale."""
        if self.is_same(other):
            return means
        low, high = self.scores[0], self.scores[-1]
        place = (means - low) / (high - low)
        return other.scores[0] + place * (other.scores[-1] - other.scores[0])

    def __str__(self) -> str:
        low, high = (str(float(score)).removesuffix(".0") for score in self.scores[[0, -1]])
        return f"{self.bins} bins from {low} to {high}"


def described_scale(text: str) -> ScoreScale:
    """Returns the scale that `str(scale)` describes, as results do."""
    bins, low, high = re.fullmatch(r"(\d+) bins from (\S+) to (\S+)", text).groups()  # type: ignore[union-attr]
    return ScoreScale(int(bins), float(low), float(high))


def parse_scale(text: str) -> ScoreScale:
    """Returns the scale of a text LOW:HIGH or LOW:HIGH:BINS, e.g. 1:5 or 0:100:11.

    Without BINS a range of 3 to 20 integer scores has one bin per score, any other ten bins.

    Raises:
        InputError: the text has another form, or the range is empty.
    """
    parts = text.split(":")
    try:
        low, high = float(parts[0]), float(parts[1])
        steps = high - low
        whole = steps == int(steps) and low == int(low) and 2 <= steps < _WIDEST_INTEGER_SCALE
        bins = int(parts[2]) if len(parts) > 2 else int(steps) + 1 if whole else None
        bins = _BINS_OF_OTHER_SCALES if bins is None else bins
        if len(parts) > 3 or not np.isfinite(steps) or steps <= 0 or not 2 <= bins <= MOST_BINS:
            raise ValueError
    except (ValueError, IndexError, OverflowError):
        raise InputError(
            f"Expected a scale as LOW:HIGH or LOW:HIGH:BINS, e.g. 1:5 or 0:100:11, with at most "
            f"{MOST_BINS} bins, received {text!r}."
        ) from None
    return ScoreScale(bins, low, high)


@dataclass(frozen=True)
class Ratings:
    """Photos with their score distributions.

    Attributes:
        paths: N existing files.
        distributions: (N, n) float64, rows sum to 1.
        scale: the scores of the n bins.
        ids: names of the photos in the ratings; empty for the file names.
        parts: "training", "validation" or "test" for each, if the ratings fix a split; else empty.
        of_votes: True for distributions of votes; False for those of maximum entropy with the
            published means and standard deviations.
        categories: the category of each photo, "" if unknown; empty without any.

    Raises:
        InputError: two photos have one name, by which they could not be split apart; or there are
            more than 1000 bins.
    """

    paths: tuple[Path, ...]
    distributions: np.ndarray
    scale: ScoreScale
    ids: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    of_votes: bool = True
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scale.bins > MOST_BINS:
            raise InputError(
                f"Expected ratings of at most {MOST_BINS} bins, received {self.scale.bins}."
            )
        if len(set(self.names)) < len(self.names):
            name, times = Counter(self.names).most_common(1)[0]
            raise InputError(
                f"Expected a name for each rated photo, but {times} are called {name!r}. "
                "Give them different ids."
            )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def mean_scores(self) -> np.ndarray:
        """The expected score of every photo, (N,) float64, in points of the scale."""
        return self.distributions.astype(np.float64) @ self.scale.scores

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each photo: its id, or its file name."""
        return self.ids or tuple(path.name for path in self.paths)

    @property
    def digest(self) -> str:
        """The sha256 of names, distributions and scale, independent of order; it names a split."""
        lines = [
            f"{name} " + " ".join(f"{share:.6f}" for share in row)
            for name, row in zip(self.names, self.distributions.tolist(), strict=True)
        ]
        text = "\n".join([str(self.scale), *sorted(lines)])
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def rows(self, rows: Sequence[int]) -> "Ratings":
        """Returns the ratings of some rows, in the given order."""
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
        """Returns the ratings of the photos with some names, in the order of this table."""
        wanted = set(names)
        return self.rows([row for row, name in enumerate(self.names) if name in wanted])

    def part(self, part: str) -> "Ratings":
        """Returns the ratings of one part: "training", "validation" or "test"."""
        assert part in PARTS
        rows = [row for row, of_row in enumerate(self.parts) if of_row == part]
        return self.rows(rows).without_parts()

    def without_parts(self) -> "Ratings":
        """Returns the same ratings without their fixed split."""
        return replace(self, parts=())

    def split(self, fraction: float, seed: int) -> tuple["Ratings", "Ratings"]:
        """Returns the kept and the held-out ratings, the same for the same seed.

        Args:
            fraction: held-out fraction, 0 to 1.
            seed: seed of the split.
        """
        kept, held_out = split_names(self.names, (1 - fraction, fraction), seed)
        return self.called(kept), self.called(held_out)

    def share(self, share: float, seed: int) -> "Ratings":
        """Returns a subset of the ratings; smaller shares are subsets of larger ones.

        Args:
            share: fraction, above 0, at most 1; at least one photo is kept.
            seed: seed of the choice.
        """
        ordered, _ = split_names(self.names, (1, 0), seed)
        return self.called(ordered[: max(1, round(share * len(ordered)))])


def listed(ratings: Ratings, names: Sequence[str], source: Path) -> Ratings:
    """Returns the ratings of the photos in a list, by id.

    A list may name photos without their extension or folder where the ratings have it, and the
    reverse: `a/1` and `1.jpg` are `a/1.jpg`, but `b/1.jpg` and `1.png` are not.

    A list may contain photos without a rating, as AVA's lists contain unavailable images.

    Args:
        ratings: the ratings.
        names: ids of photos.
        source: file of the list, for the error.

    Raises:
        InputError: the list names none of the photos.
    """
    lines = [line.strip().replace("\\", "/").removeprefix("./") for line in names]
    wanted, shorter = set(lines), {name for line in lines for name in _names_of(line)}
    rows = [
        row
        for row, name in enumerate(ratings.names)
        if name in shorter or any(other in wanted for other in _names_of(name))
    ]
    if not rows:
        raise InputError(
            f"None of the {len(names)} photos that {source} lists is rated; it starts with "
            f"{names[0]!r}, the ratings with {ratings.names[0]!r}."
        )
    return ratings.rows(rows).without_parts()


def _names_of(name: str) -> tuple[str, ...]:
    """Returns a photo's name, and those without its extension, its folder, and both."""
    stem, _, extension = name.rpartition(".")
    bare = stem if f".{extension.lower()}" in EXTENSIONS else name
    return name, bare, name.rpartition("/")[2], bare.rpartition("/")[2]
