"""Groups of scored photos: their identifiers, and the best photo of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nima_pretrain.errors import InputError
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.fingerprint_file import FingerprintFile
from nima_pretrain.prediction.fingerprints import record_of, record_type
from nima_pretrain.prediction.formats import ScoreFormat
from nima_pretrain.prediction.groups import RULES, GroupRules, group_labels
from nima_pretrain.prediction.score_row import ScoreRow, shown
from nima_pretrain.prediction.scoring import Score
from nima_pretrain.prediction.scoring_rows import check_first_row

# 48 bits: of 100,000 groups, two have the same identifier with a probability of 2e-5.
_ID_BYTES = 6


class Group(NamedTuple):
    """A group of near-duplicates.

    Attributes:
        id: identifier, the same as long as the group's first photo, by name, is the same.
        photos: its photos, two or more, the one with the highest score first.
    """

    id: str
    photos: tuple[Path, ...]


def find_groups(scores: Iterable[Score], rules: GroupRules = RULES) -> list[Group]:
    """Returns the groups of near-duplicates among scored photos, of two or more photos each.

    Bursts, copies and other photos of one moment or scene, see `groups`. The order of the scores
    does not matter. Photos without a score are in no group.

    Args:
        scores: scores with fingerprints; one photo should not be there twice.
        rules: thresholds of time and appearance.

    Raises:
        InputError: a score has no fingerprint.

    Example:
        >>> scores = load_scorer().score(photos, fingerprints=True)
        >>> for group in find_groups(scores):
        ...     print("keep", group.photos[0], "of", len(group.photos))
    """
    scored = sorted((s for s in scores if s.mean is not None), key=lambda s: shown(s.path))
    for score in scored:
        if score.fingerprint is None:
            raise InputError(
                f"Expected scores with fingerprints, but that of {score.path} has none. "
                "Score photos with scorer.score(photos, fingerprints=True)."
            )
    prints = [score.fingerprint for score in scored if score.fingerprint is not None]
    if not prints:
        return []
    kind = record_type(len(prints[0].features))
    records = np.concatenate([record_of(fingerprint, kind) for fingerprint in prints])
    means = np.array([score.mean for score in scored], np.float64)
    return [
        Group(_id_of(shown(scored[min(members)].path)), tuple(scored[i].path for i in members))
        for members in _members(group_labels(records, rules=rules), means)
    ]


def write_groups(file: ScoreFile, fingerprints: FingerprintFile) -> None:
    """Writes the groups of all photos with a score and a fingerprint into their rows.

    Args:
        file: a score file whose format has groups.
        fingerprints: those of its photos.

    Raises:
        InputError: the file cannot be written.
    """
    paths, means, rows, numbers = [], [], [], []
    for index, row in enumerate(file):
        number = fingerprints.find(row)
        if row.mean is not None and number is not None:
            paths.append(row.path)
            means.append(row.mean)
            rows.append(index)
            numbers.append(number)
    by_name = sorted(range(len(paths)), key=paths.__getitem__)
    labels = group_labels(fingerprints.records(), np.array(numbers, np.intp)[by_name])
    group_of: dict[int, tuple[str, bool]] = {}
    for members in _members(labels, np.array(means)[by_name]):
        name = _id_of(paths[by_name[min(members)]])
        for member in members:
            group_of[rows[by_name[member]]] = (name, member == members[0])

    def grouped() -> Iterator[ScoreRow]:
        for index, row in enumerate(file):
            group, is_best = group_of.get(index, ("", row.mean is not None))
            yield replace(row, group=group, best_of_group=is_best)

    file.rewrite(grouped())


def best_first(file: ScoreFile, *, only_best: bool) -> list[int]:
    """Returns the numbers of the rows by falling score, rows without a score last.

    Args:
        file: the rows.
        only_best: whether to leave out photos whose group has a better one.
    """
    scores = {
        index: -np.inf if row.mean is None else row.mean
        for index, row in enumerate(file)
        if not (only_best and row.group and not row.best_of_group)
    }
    return sorted(scores, key=lambda index: -scores[index])


def fit_columns(
    file: Path, style_of: Callable[[bool], ScoreFormat], group: bool, weights: str
) -> ScoreFormat:
    """Returns the format with which to resume a score file, which may or may not have groups.

    A file with groups keeps them. One without gets their columns, still empty, if `group` is set.

    Args:
        file: the file; it need not exist.
        style_of: returns its format, by whether it has groups.
        group: whether groups are wanted.
        weights: see `Scorer.weights`.

    Raises:
        InputError: the file has other content or rows by other weights, or cannot be written.
    """
    plain, grouped = style_of(False), style_of(True)
    if not file.is_file():
        return grouped if group else plain
    has_groups = _has_groups(file, grouped)
    check_first_row(file, grouped if has_groups else plain, weights)
    if has_groups:
        return grouped
    if not group:
        return plain
    with ScoreFile(file, plain, resume=True) as rows:
        rows.rewrite(rows, grouped)
    return grouped


def _has_groups(file: Path, grouped: ScoreFormat) -> bool:
    try:
        with file.open("rb") as lines:
            first, second = lines.readline(), lines.readline()
    except OSError:
        return False  # ScoreFile says why it cannot be read
    if b"best_of_group" in grouped.head:
        return first == grouped.head
    # A quote within a JSON string is escaped, so this is a key.
    return b'"best_of_group":' in first + second


def _members(labels: np.ndarray, means: np.ndarray) -> list[list[int]]:
    """Returns the numbers of the photos of each group of two or more, best first.

    Of equal means, the photo whose number is smaller is the better one.
    """
    ranked = np.lexsort((np.arange(len(labels)), -means, labels))
    starts = np.flatnonzero(np.diff(labels[ranked])) + 1
    return [part.tolist() for part in np.split(ranked, starts) if len(part) > 1]


def _id_of(path: str) -> str:
    return blake2b(path.encode(), digest_size=_ID_BYTES).hexdigest()
