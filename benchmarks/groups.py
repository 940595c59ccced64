"""The time and memory of grouping 1,000, 10,000 and 100,000 photos.

Fingerprints are synthetic: bursts of 1 to 10 photos, half a second apart, half a minute from burst
to burst; features and hashes agree within a burst and are unrelated between bursts. The worst cases
for the search and for chains follow: all photos equal; all taken in the same second; hashes that
are all the same, as those of night skies nearly are; and one slow pan without an end.

Prints seconds, memory and the number of groups, photos alone included, beside that of bursts.
Memory is what grouping takes at its peak, without the file of fingerprints, whose pages the system
drops when it needs them.

    python benchmarks/groups.py
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nima_pretrain.prediction.fingerprints import record_type
from nima_pretrain.prediction.groups import group_labels

_KINDS = ("bursts", "all equal", "same second", "equal hashes", "one slow pan")
_TYPE = record_type(1280, 16)
_PART = 1000
# Cosines of about 0.4 between photos of different bursts, and 0.98 within one.
_COMMON = 0.9
_WITHIN_BURST = 0.2
_PHOTOS_PER_SCENE = 50  # of the pan


def scenes_of(kind: str, number: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the number of each photo's burst, ascending, (N,)."""
    if kind in ("all equal", "one slow pan"):
        return np.zeros(number, int)
    starts = np.cumsum(rng.integers(1, 11, number))
    return np.searchsorted(starts, np.arange(number), side="right")


def parts_of(kind: str, scenes: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yields the fingerprints of all photos in parts."""
    common = np.abs(rng.normal(size=_TYPE["features"].shape))
    hashes = rng.integers(0, 2**64, scenes[-1] + 1, np.uint64)
    for start in range(0, len(scenes), _PART):
        scene = scenes[start : start + _PART]
        photo = np.arange(start, start + len(scene))
        part = np.zeros(len(scene), _TYPE)
        if kind == "one slow pan":
            number, share = np.divmod(photo / _PHOTOS_PER_SCENE, 1)
            features = (1 - share)[:, None] * _looks(number) + share[:, None] * _looks(number + 1)
        else:
            features = _COMMON * common + _looks(scene)
            if kind != "all equal":
                features += _WITHIN_BURST * rng.normal(size=features.shape)
        part["features"] = features / np.linalg.norm(features, axis=1, keepdims=True)
        if kind in ("bursts", "same second"):
            part["hash"] = hashes[scene] ^ (
                np.uint64(1) << rng.integers(0, 64, len(scene), np.uint64)
            )
        part["local"] = 0.0 if kind in ("all equal", "same second") else photo / 2 + 30 * scene
        part["utc"] = np.nan
        yield part


def _looks(scenes: np.ndarray) -> np.ndarray:
    """Returns features that depend on the scene only."""
    shape = _TYPE["features"].shape
    return np.stack([np.random.default_rng(int(scene)).normal(size=shape) for scene in scenes])


def measure(kind: str, number: int) -> str:
    """Returns a row of the table."""
    rng = np.random.default_rng(0)
    scenes = scenes_of(kind, number, rng)
    with tempfile.TemporaryFile() as file:
        for part in parts_of(kind, scenes, rng):
            file.write(part.tobytes())
        file.flush()
        records = np.memmap(file, _TYPE, "r", shape=(number,))
        before, peak = _own_bytes(), 0
        is_done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not is_done.wait(0.01):
                peak = max(peak, _own_bytes() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        started, cpu_started = time.perf_counter(), time.process_time()
        labels = group_labels(records)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        is_done.set()
        watcher.join()
    found, made = len(np.unique(labels)), len(np.unique(scenes))
    return (
        f"{kind:14}{number:8}{seconds:9.1f}{cpu_seconds:9.1f}{peak / 1e6:8.0f}"
        f"{number * _TYPE.itemsize / 1e6:8.0f}{found:9}{made:9}"
    )


def _own_bytes() -> int:
    """Returns the memory of this process without the pages of mapped files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def main() -> None:
    """Measures each case in a process of its own, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=_KINDS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(arguments.kinds[0], arguments.numbers[0]), flush=True)
        return
    print("fingerprints    photos  seconds   of CPU      MB on disk   groups     made", flush=True)
    for kind in arguments.kinds:
        for number in arguments.numbers:
            options = ["--one", "--kinds", kind, "--numbers", str(number)]
            subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
