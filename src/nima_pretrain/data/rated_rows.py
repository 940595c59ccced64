"""Entries of a ratings file: usable ones as distributions, the others as problems."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nima_pretrain.data.maximum_entropy import infeasible, maximum_entropy
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError, shortened

NO_DISTRIBUTION = (
    "expected counts or probabilities, none negative, with at least one vote, received {}."
)


class Problem(NamedTuple):
    """An unusable entry.

    Attributes:
        place: its line or number in the file.
        image_id: the image that it rates.
        reason: the cause.
    """

    place: str
    image_id: str
    reason: str


@dataclass(frozen=True)
class RatedRows:
    """The usable entries of a ratings file, before the images are searched.

    Attributes:
        ids: N names of images.
        distributions: (N, n) float64, rows sum to 1.
        scale: the scores of the bins.
        parts: "training", "validation", "test" or "" for each; empty without a split.
        categories: the category of each, "" if unknown; empty without any.
        of_votes: see `Ratings`.
        problems: the unusable entries.
        may_miss_images: whether missing images are allowed, since some of AVA's are unavailable.
    """

    ids: list[str]
    distributions: np.ndarray
    scale: ScoreScale
    parts: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    of_votes: bool = True
    problems: list[Problem] = field(default_factory=list)
    may_miss_images: bool = False


@dataclass(frozen=True)
class TableEntries:
    """The entries of a text table, before unusable ones are sorted out.

    Attributes:
        file: the source file.
        table: the N rows as text, indexed by line number.
        ids: N names of images.
        parts: see `RatedRows`.
        categories: see `RatedRows`.
        wrong: masks of unusable rows, (N,) bool, by reason; "{}" in a reason is replaced by the
            row's text.
    """

    file: Path
    table: pd.DataFrame
    ids: list[str]
    parts: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    wrong: dict[str, np.ndarray] = field(default_factory=dict)

    def with_counts(
        self, counts: np.ndarray, scale: ScoreScale, may_miss_images: bool = False
    ) -> RatedRows:
        """Returns the usable rows of counts or probabilities.

        Args:
            counts: (N, n) floats; NaN for a cell that is no number.
            scale: the scores of the n bins.
            may_miss_images: see `RatedRows`.

        Raises:
            InputError: there are no entries.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            total = counts.sum(axis=1)
            usable = np.isfinite(total) & (counts >= 0).all(axis=1) & (total > 0)
        kept, problems = self._sort_out({NO_DISTRIBUTION: ~usable})
        return RatedRows(
            [self.ids[row] for row in kept],
            counts[kept] / total[kept, None],
            scale,
            *self._parts_and_categories(kept),
            problems=problems,
            may_miss_images=may_miss_images,
        )

    def with_means(
        self, means: np.ndarray, spreads: np.ndarray | None, scale: ScoreScale
    ) -> RatedRows:
        """Returns the usable rows, with distributions of maximum entropy.

        Args:
            means: (N,) floats, in points of the scale.
            spreads: (N,) standard deviations of the votes, in points, or None.
            scale: the scores of the bins.

        Raises:
            InputError: there are no entries.
        """
        given = "a mean" if spreads is None else "a mean and a standard deviation"
        low, high = scale.scores[0], scale.scores[-1]
        reason = f"expected {given} that scores from {low:g} to {high:g} can have, received {{}}."
        kept, problems = self._sort_out({reason: infeasible(means, spreads, scale.scores)})
        kept_spreads = None if spreads is None else spreads[kept]
        return RatedRows(
            [self.ids[row] for row in kept],
            maximum_entropy(means[kept], kept_spreads, scale.scores),
            scale,
            *self._parts_and_categories(kept),
            of_votes=False,
            problems=problems,
        )

    def _parts_and_categories(self, kept: np.ndarray) -> tuple[list[str], list[str]]:
        parts, categories = (
            [said[row] for row in kept] if said else [] for said in (self.parts, self.categories)
        )
        return parts, categories

    def _sort_out(self, more: dict[str, np.ndarray]) -> tuple[np.ndarray, list[Problem]]:
        """Returns the usable rows, and the first problem of each of the others."""
        if not len(self.ids):
            raise InputError(f"Expected at least one rating in {self.file}, received none.")
        fine = np.ones(len(self.ids), bool)
        problems = {}
        for reason, rows in {**self.wrong, **more}.items():
            for row in np.flatnonzero(rows & fine):
                received = " ".join(str(value) for value in self.table.iloc[row])
                line = f"line {self.table.index[row]}"
                problems[row] = Problem(line, self.ids[row], reason.format(shortened(received)))
            fine &= ~rows
        return np.flatnonzero(fine), [problems[row] for row in sorted(problems)]
