"""Groups of photos of one moment or scene: bursts, near-duplicates, copies.

Two photos belong together if they were taken within seconds of each other and look alike, or look
alike far more than that, whenever they were taken. How alike two photos look is the cosine of the
scorer's features, less a share for the bits by which their perceptual hashes differ: features tell
the scene, the hash its place in the frame.

A group is a star: every photo in it looks like the same one, its centre. So a chain of small
steps, such as a slow pan, ends in several groups instead of in one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nima_pretrain.data.perceptual_hash import BITS, hash_distances

# Pairs of photos are compared so many at once: 20 MB of features.
_CHUNK = 2048
# Similarities are compared in steps that no order of summation changes.
_DECIMALS = 4
# Hashes of different photos differ in 32 bits of 64, which lowers the similarity by 0.25.
_HASH_WEIGHT = 0.5
_NEIGHBOURS = 8
_ROTATION_BITS = 4


@dataclass(frozen=True)
class GroupRules:
    """The thresholds; benchmarks/group_thresholds.py chose the defaults.

    A similarity is the cosine of two photos' features less 1/128 for each bit by which their hashes
    differ: 1 for copies, about 0.2 for photos chosen at random.

    Attributes:
        seconds: longest time from one photo of a burst to the next.
        burst: least similarity of photos of a burst.
        duplicate: least similarity of photos of any times.
    """

    seconds: float = 10.0
    burst: float = 0.68
    duplicate: float = 0.85


RULES = GroupRules()


def group_labels(
    records: np.ndarray, order: np.ndarray | None = None, rules: GroupRules = RULES
) -> np.ndarray:
    """Returns the label of every photo's group, (N,) int: the smallest number of its photos.

    Only neighbours are compared: each photo with the eight next ones in time, and with the eight
    next ones among the hashes, sorted in 16 rotations, so that hashes that agree in a long run of
    bits stand side by side (Manku et al. 2007). The latter is repeated with the centres of groups
    while some merge, twice or three times for ordinary photos. So time is O(N log N), and
    O(N log^2 N) at worst. Memory is below a kilobyte a photo: features are read from `records`,
    which may be a memory map, in chunks. benchmarks/groups.py measures both.

    The labels depend on the order of the photos only where similarities are equal: give an order
    that does not change, e.g. by name.

    Args:
        records: fingerprints, (M,) of `fingerprints.record_type`.
        order: the records to group, (N,) int; None for all.
        rules: the thresholds.
    """
    if order is None:
        order = np.arange(len(records))
    hashes = records["hash"][order]
    stars = _Stars(records["features"], order, hashes)
    most_bits = int((1 - rules.duplicate) / _HASH_WEIGHT * BITS)
    for _ in range(len(order).bit_length()):  # few rounds; more would not be O(N log^2 N)
        centres = stars.centres()
        pairs = _hash_neighbours(hashes[centres], most_bits)
        if not stars.merge(centres[pairs], rules.duplicate):
            break
    local, utc = records["local"][order], records["utc"][order]
    stars.merge(_time_neighbours(local, utc, rules.seconds), rules.burst)
    return stars.labels()


class _Stars:
    """Disjoint groups; every photo of a group looks like its centre."""

    def __init__(self, features: np.ndarray, order: np.ndarray, hashes: np.ndarray) -> None:
        self._features = np.asarray(features)  # a memory map as such is slow to index
        self._order = order
        self._hashes = hashes
        self._centre = np.arange(len(order))
        self._members: dict[int, np.ndarray] = {}

    def centres(self) -> np.ndarray:
        """Returns the photos that are centres, ascending; a photo alone is its own."""
        return np.flatnonzero(self._centre == np.arange(len(self._centre)))

    def labels(self) -> np.ndarray:
        """Returns the smallest number of each photo's group."""
        smallest = np.full(len(self._centre), len(self._centre))
        np.minimum.at(smallest, self._centre, np.arange(len(self._centre)))
        return smallest[self._centre]

    def merge(self, pairs: np.ndarray, least: float) -> int:
        """Merges the groups of pairs, most similar first, and returns how many were merged.

        The larger group keeps its centre, which all others must resemble. So a photo is compared
        again only when its group has at least doubled, log N times at most.

        Args:
            pairs: (P, 2) numbers of photos.
            least: two groups are merged if all similarities to the centre are as large.
        """
        similarities = self._similarities(pairs[:, 0], pairs[:, 1])
        alike = similarities >= least
        pairs, similarities = pairs[alike], similarities[alike]
        num_merged = 0
        unlike: set[tuple[int, int]] = set()
        for pair in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], -similarities))]:
            stars = self._centre[pair].tolist()
            if stars[0] == stars[1]:
                continue
            lost, kept = sorted(stars, key=lambda star: (len(self._of(star)), -star))
            # A star that was too different once does not become more alike by growing.
            if (kept, lost) in unlike:
                continue
            joining = self._of(lost)
            is_checked = len(joining) == 1 and stars == pair.tolist()
            to_centre = (
                () if is_checked else self._similarities(joining, np.full_like(joining, kept))
            )
            if np.min(to_centre, initial=1.0) < least:
                unlike.add((kept, lost))
                continue
            self._centre[joining] = kept
            self._members[kept] = np.concatenate([self._of(kept), joining])
            self._members.pop(lost, None)
            num_merged += 1
        return num_merged

    def _of(self, centre: int) -> np.ndarray:
        return self._members.get(centre, np.array([centre]))

    def _similarities(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        parts = [np.empty(0)]
        for start in range(0, len(first), _CHUNK):
            sides = [side[start : start + _CHUNK] for side in (first, second)]
            a, b = (self._features[self._order[side]].astype(np.float32) for side in sides)
            bits = hash_distances(*(self._hashes[side] for side in sides))
            parts.append(np.einsum("nf,nf->n", a, b) - _HASH_WEIGHT / BITS * bits)
        return np.concatenate(parts).round(_DECIMALS)


def _time_neighbours(local: np.ndarray, utc: np.ndarray, seconds: float) -> np.ndarray:
    """Returns pairs of photos taken within so many seconds, (P, 2), each once.

    Times in UTC are compared where both photos have one, else what the cameras' clocks showed.
    """
    has_zone = np.isfinite(utc)
    pairs = _Pairs(len(local))
    for values in (utc, local):
        known = np.flatnonzero(np.isfinite(values))
        ranked = known[np.argsort(values[known], kind="stable")]
        for first, second in _neighbours(ranked):
            near = values[second] - values[first] <= seconds
            if values is local:
                near &= ~(has_zone[first] & has_zone[second])
            pairs.add(first[near], second[near])
    return pairs.each_once()


def _hash_neighbours(hashes: np.ndarray, most_bits: int) -> np.ndarray:
    """Returns pairs of photos whose hashes differ in at most so many bits, (P, 2), each once."""
    pairs = _Pairs(len(hashes))
    for rotation in range(0, BITS, _ROTATION_BITS):
        left, right = np.uint64(rotation), np.uint64((BITS - rotation) % BITS)
        ranked = np.argsort((hashes << left) | (hashes >> right), kind="stable")
        for first, second in _neighbours(ranked):
            near = hash_distances(hashes[first], hashes[second]) <= most_bits
            pairs.add(first[near], second[near])
    return pairs.each_once()


def _neighbours(ranked: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields each photo with the next one, the one after that, and so on."""
    for step in range(1, min(_NEIGHBOURS + 1, len(ranked))):
        yield ranked[:-step], ranked[step:]


class _Pairs:
    """A set of pairs of N photos, each as one number."""

    def __init__(self, num_photos: int) -> None:
        self._num_photos = num_photos
        self._codes = np.empty(0, np.int64)
        self._added: list[np.ndarray] = []

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Adds pairs, given by two arrays of numbers of photos."""
        codes = np.minimum(first, second) * self._num_photos + np.maximum(first, second)
        self._added.append(codes)
        if sum(map(len, self._added)) > self._num_photos:
            self._unite()

    def each_once(self) -> np.ndarray:
        """Returns the pairs, (P, 2), smaller number first."""
        self._unite()
        return np.stack(np.divmod(self._codes, max(self._num_photos, 1)), axis=1)

    def _unite(self) -> None:
        self._codes = np.unique(np.concatenate([self._codes, *self._added]))
        self._added = []
