"""Stars for scored photos: by thresholds on the percentile of a score, into XMP sidecars."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecar_files import remove_remains
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.library.sidecars import Outcome, set_stars
from nima_pretrain.library.star_rules import THRESHOLDS, StarRules, rules_of
from nima_pretrain.prediction.reading import photo_of, read_scores
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.progress import counting


class StarCounts(NamedTuple):
    """The result of giving stars to photos.

    Attributes:
        written: numbers of photos by the stars that were written.
        unchanged: number of photos that had these stars already.
        kept: number of photos that keep the stars of a person.
        unscored: number of rows without a score.
        problems: one message for each photo whose stars could not be written.
    """

    written: Counter[int]
    unchanged: int
    kept: int
    unscored: int
    problems: tuple[str, ...]


def stars(
    scores: Path | str,
    *,
    stars: str = THRESHOLDS,
    rank: bool = False,
    reject: bool = False,
    sidecar: str = Naming.FULL,
    overwrite_stars: bool = False,
) -> StarCounts:
    """Gives stars to the photos of a score file, in their XMP sidecars, and returns counts.

    Existing sidecars keep all their other content, and photos the stars that people gave them.
    `undo_stars` restores what was there before.

    Args:
        scores: a CSV, JSON or JSON Lines file that predict wrote. Its paths are relative to the
            working directory, as they were to predict.
        stars: see `StarRules.thresholds`, with commas between.
        rank: see `StarRules`.
        reject: see `StarRules`.
        sidecar: "full" for photo.jpg.xmp (darktable, digiKam, immich), "stem" for photo.xmp
            (Adobe), or "both".
        overwrite_stars: whether stars that people gave are replaced.

    Raises:
        InputError: an option has an unknown value, the file is no score file, or none of its photos
            exists.

    Example:
        >>> predict("my_photos", output="scores.csv")
        >>> stars("scores.csv", rank=True).written[5]
    """
    rules = rules_of(
        stars, rank=rank, reject=reject, sidecar=sidecar, overwrite_stars=overwrite_stars
    )
    rows = read_scores(Path(scores))
    scored = [row for row in rows if row.status == "ok"]
    # Path.exists raises where it may not look.
    if scored and not any(os.path.exists(photo_of(row)) for row in scored):  # noqa: PTH110
        raise InputError(
            f"None of the {len(scored)} photos in {scores} exists, {scored[0].path} for example. "
            "Their paths are relative: change to the folder where predict ran."
        )
    return give_stars(rows, rules)


def give_stars(rows: Iterable[ScoreRow], rules: StarRules) -> StarCounts:
    """Gives stars to scored photos, and returns counts.

    Args:
        rows: the scores; rows with an error are counted only.
        rules: the rules.

    Raises:
        InputError: scores have no percentile, and the rules need it.
    """
    scored = []
    unscored = 0
    for row in rows:
        if row.status == "ok" and row.mean is not None:
            # Without the distributions, which take most of the memory.
            scored.append(ScoreRow(row.path, mean=row.mean, percentile=row.percentile))
        else:
            unscored += 1
    written: Counter[int] = Counter()
    outcomes: Counter[Outcome] = Counter()
    problems = []
    names = SidecarNames(map(photo_of, scored))
    for folder in {photo_of(row).parent for row in scored}:
        remove_remains(folder)
    with counting("writing stars", len(scored)) as show:
        for row, percentile in zip(scored, _percentiles(scored, rules.rank), strict=True):
            photo, given = photo_of(row), rules.stars(percentile)
            try:
                outcome = set_stars(
                    photo,
                    given,
                    by_person=False,
                    naming=rules.sidecar,
                    overwrite=rules.overwrite,
                    names=names,
                )
            except InputError as error:
                problems.append(str(error))
            else:
                outcomes[outcome] += 1
                if outcome is Outcome.WRITTEN:
                    written[given] += 1
            show(outcomes.total() + len(problems))
    return StarCounts(
        written,
        unchanged=outcomes[Outcome.UNCHANGED],
        kept=outcomes[Outcome.KEPT],
        unscored=unscored,
        problems=tuple(problems),
    )


def _percentiles(scored: Sequence[ScoreRow], rank: bool) -> Sequence[float]:
    """Returns the percentile of each photo, 0 to 100; half of equal scores count as lower."""
    if not rank:
        percentiles = [row.percentile for row in scored if row.percentile is not None]
        if len(percentiles) < len(scored):
            raise InputError(
                "Expected percentiles for stars, but the scores have none: their weights do not "
                "state the ratings that they were trained on. Rank the photos with --rank."
            )
        return percentiles
    means = np.array([row.mean for row in scored])
    ordered = np.sort(means)
    places = np.searchsorted(ordered, means, "left") + np.searchsorted(ordered, means, "right")
    return (50 * places / max(len(means), 1)).tolist()
