"""The speed and memory of `predict`, from a folder to rows.

Makes 1,000 JPEGs from photographs, 900 of 1 megapixel and 100 of 12, and prints, from one run:

* images a second, end to end and from the first row on, beside what the same model does on photos
  that are decoded already, what decoding alone does, and what both together could do at best where
  they share the same cores;
* the time to the first row;
* peak memory with 1,000 photos and with 10,000 (the same ones, under more names);
* cold starts: `--help`, and one photo against a bare `import tensorflow` and a loaded model.

    python benchmarks/predict.py PHOTOS [--weights nima.h5]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_fitted, load_photo

_NUMBER = 1000
_LARGE_EVERY = 10
_PROGRAM = str(Path(sys.executable).with_name("nima-pretrain"))


class Run(NamedTuple):
    """One run of the program: seconds in all and to its first row, peak memory, rows."""

    seconds: float
    first_row: float
    peak_bytes: int
    rows: int


def make_photos(sources: list[Path], folder: Path, number: int) -> None:
    """Writes JPEGs of 1 megapixel, every tenth of 12."""

    def make(index: int) -> None:
        image = Image.fromarray(load_photo(sources[index % len(sources)]))
        pixels = 12e6 if index % _LARGE_EVERY == 0 else 1e6
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        image.resize(size, Image.Resampling.BICUBIC).save(folder / f"{index:05}.jpg", quality=90)

    folder.mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(make, range(number)))


def run_predict(folder: Path, weights: Path) -> Run:
    """Runs the program as a user does, and watches it."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [_PROGRAM, "predict", str(folder), "--weights", str(weights), "--quiet"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    rows, first_row = 0, 0.0
    for line in process.stdout:
        first_row = first_row or time.perf_counter() - started
        rows += b",ok," in line
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    seconds = time.perf_counter() - started
    return Run(seconds, first_row, usage.ru_maxrss * 1024, rows)


def seconds_of(*command: str, times: int = 5) -> float:
    """Returns the median time of a command."""

    def once() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started

    return median(once() for _ in range(times))


def rate_of(work: Callable[[], object], number: int, times: int = 5) -> float:
    """Returns the items per second by the median time, after one run to warm up."""
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return number / median(taken)


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", type=Path, help="default: MobileNetV2, random weights, 224 px")
    parser.add_argument("--number", type=int, default=_NUMBER)
    arguments = parser.parse_args()
    import_tensorflow()
    from nima_pretrain.networks import load_model
    from nima_pretrain.networks.photo_model import PhotoModel
    from nima_pretrain.prediction.scoring import BATCH_SIZE
    from nima_pretrain.weights.side_car import NimaCard
    from nima_pretrain.weights.store import read_side_car

    number = arguments.number
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "photos")
        make_photos(find_photos(arguments.photos), folder, number)
        weights = arguments.weights or random_weights(Path(temporary, "nima.h5"))
        network = read_side_car(weights, NimaCard).network
        print(f"{network.backbone} {network.width:g}, {network.input_size} px; {number} JPEGs")

        model = PhotoModel(load_model(weights), network)
        size = network.input_size
        batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, size, size, 3), np.uint8)
        model(batch)
        forward = rate_of(lambda: model(batch), BATCH_SIZE, times=15)
        paths = find_photos(folder)[:300]

        def decode() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as executor:
                list(executor.map(lambda path: load_fitted(path, size, network.fit), paths))

        decoding = rate_of(decode, len(paths), times=2)
        small = run_predict(folder, weights)
        assert small.rows == number
        steady = (number - BATCH_SIZE) / (small.seconds - small.first_row)
        best = 1 / (1 / forward + 1 / decoding)
        print(f"forward alone {forward:.1f}/s, decoding alone {decoding:.1f}/s")
        print(f"end to end {number / small.seconds:.1f}/s, from the first row on {steady:.1f}/s")
        print(
            f"share of the forward rate {steady / forward:.0%}; both on the same cores can reach "
            f"{best / forward:.0%} at best ({steady / best:.0%} of that)"
        )
        print(f"first row after {small.first_row:.2f} s")

        many = Path(temporary, "many")
        many.mkdir()
        for index in range(10 * number):
            os.link(folder / f"{index % number:05}.jpg", many / f"{index:06}.jpg")
        large = run_predict(many, weights)
        assert large.rows == 10 * number
        print(
            f"peak memory {small.peak_bytes / 1e6:.0f} MB with {number} photos, "
            f"{large.peak_bytes / 1e6:.0f} MB with {10 * number} "
            f"({large.peak_bytes / small.peak_bytes:.3f} times)"
        )

        help_seconds = seconds_of(_PROGRAM, "--help")
        load = (
            "import tensorflow; from pathlib import Path; from nima_pretrain.weights.store "
            f"import load_model; load_model(Path({str(weights)!r}))"
        )
        bare = seconds_of(sys.executable, "-c", load)
        one = seconds_of(_PROGRAM, "predict", str(paths[1]), "--weights", str(weights))
        print(f"--help {help_seconds:.2f} s")
        print(f"one photo {one:.2f} s, bare import and load {bare:.2f} s, ratio {one / bare:.2f}")


def random_weights(path: Path) -> Path:
    """Writes a NIMA model of full size that has learned nothing."""
    from nima_pretrain.config import NetworkConfig
    from nima_pretrain.networks import build_backbone, build_nima
    from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
    from nima_pretrain.weights.store import save_weights

    scale = ScaleConfig(bins=10, low=1, high=10)
    side_car = NimaCard(network=NetworkConfig(), scale=scale)
    save_weights(build_nima(build_backbone()), path, side_car)
    return path


if __name__ == "__main__":
    main()
