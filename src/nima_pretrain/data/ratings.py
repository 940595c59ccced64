"""Human ratings: which photo got which distribution of scores."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.data.photos import EXTENSIONS
from nima_pretrain.data.split import split_names
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json


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


@dataclass(frozen=True)
class Ratings:
    """Photos with the distributions of their scores.

    Attributes:
        paths: N files; they exist.
        distributions: (N, n) float32, rows sum to 1.
        scale: the scores of the n bins.
    """

    paths: tuple[Path, ...]
    distributions: np.ndarray
    scale: ScoreScale

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def mean_scores(self) -> np.ndarray:
        """The expected score of every photo, (N,) float64."""
        return self.distributions.astype(np.float64) @ self.scale.scores

    def of(self, paths: set[Path]) -> "Ratings":
        """Returns the ratings of some photos, in the order of this table."""
        rows = [row for row, path in enumerate(self.paths) if path in paths]
        kept = tuple(self.paths[row] for row in rows)
        return Ratings(kept, self.distributions[rows], self.scale)

    def split(self, fraction: float, seed: int) -> tuple["Ratings", "Ratings"]:
        """Returns a larger part and a fraction held out, the same for the same seed."""
        names = {path.name: path for path in self.paths}
        kept, held_out = split_names(list(names), (1 - fraction, fraction), seed)
        return self.of({names[name] for name in kept}), self.of({names[n] for n in held_out})


def load_ratings(file: Path, images: Path) -> Ratings:
    """Reads ratings in idealo's JSON: [{"image_id": "231893", "label": [counts]}, ...].

    Labels are counts or probabilities, with any number of bins, the same for all photos. The
    image of an id is `images/<id>` with any extension we read, in either case.

    Raises:
        InputError: the file is not of that form, or names images that are not there.
    """
    rows = _read_rows(file)
    labels = _labels(rows, file)
    return Ratings(_find_images([row["image_id"] for row in rows], images, file), *labels)


def _read_rows(file: Path) -> list[dict[str, Any]]:
    rows = read_json(file, "ratings file")
    form = '[{"image_id": "...", "label": [...]}, ...]'
    if not isinstance(rows, list) or not rows:
        raise InputError(f"Expected a list of ratings, {form}, in {file}.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not {"image_id", "label"} <= row.keys():
            raise InputError(f"Expected {form} in {file}, received {row!r} as entry {number}.")
    return rows


def _labels(rows: list[dict[str, Any]], file: Path) -> tuple[np.ndarray, ScoreScale]:
    bins = len(rows[0]["label"]) if isinstance(rows[0]["label"], list) else 0
    distributions = np.empty((len(rows), bins), np.float32)
    for index, row in enumerate(rows):
        place = f"{file}, image_id {row['image_id']!r}"
        try:
            label = np.array(row["label"], np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{place}: expected numbers, received {row['label']!r}.") from None
        if label.ndim != 1 or len(label) != bins or bins < 2:
            raise InputError(
                f"{place}: expected a label of {max(bins, 2)} numbers as in the first entry, "
                f"received {row['label']!r}."
            )
        if not np.isfinite(label).all() or (label < 0).any() or label.sum() <= 0:
            raise InputError(
                f"{place}: expected counts or probabilities, none negative, with at least one "
                f"vote, received {row['label']!r}."
            )
        distributions[index] = label / label.sum()
    return distributions, ScoreScale(bins)


def _find_images(image_ids: list[str], images: Path, file: Path) -> tuple[Path, ...]:
    if not images.is_dir():
        raise InputError(f"Expected the folder of the rated images, but {images} does not exist.")
    by_id: dict[str, list[Path]] = {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() in EXTENSIONS:
            by_id.setdefault(path.stem, []).append(path)
    missing = [image_id for image_id in image_ids if image_id not in by_id]
    if missing:
        examples = ", ".join(repr(image_id) for image_id in missing[:3])
        raise InputError(
            f"{len(missing)} of {len(image_ids)} images that {file} names are not in {images}, "
            f"e.g. {examples}. Add them, or take them out of the ratings."
        )
    repeated = [image_id for image_id, times in Counter(image_ids).items() if times > 1]
    if repeated:
        raise InputError(
            f"{file} rates {len(repeated)} images more than once, e.g. {repeated[0]!r}. "
            "Keep one entry for each."
        )
    for image_id in image_ids:
        if len(by_id[image_id]) > 1:
            names = ", ".join(path.name for path in by_id[image_id])
            raise InputError(
                f"image_id {image_id!r} of {file} fits several files in {images}: {names}. "
                "Keep one of them."
            )
    return tuple(by_id[image_id][0] for image_id in image_ids)
