"""The speed and memory of `predict`, from a folder to rows.

Makes 1,000 JPEGs from photographs, 900 of 1 megapixel and 100 of 12, and prints for both engines,
LiteRT and TensorFlow, from one run:

* images a second, end to end and from the first row on, beside what the model does on photos that
  are decoded already, what decoding alone does, and the share of what both together could do at
  best where they share the same cores;
* the time to the first row, and of a cold start with one photo;
* peak memory;
* with --many, the peak memory by LiteRT of 1,000 photos and of more, say 100,000: every hundredth
  of 12 megapixels, the others small;
* `--help` and a bare `import tensorflow`;
* with --idealo, a checkout of idealo's Image Quality Assessment: its own `predict` on the same
  folder, with MobileNet 1.0 at 224 px and random weights, end to end.

    python benchmarks/predict.py PHOTOS [--weights nima.h5] [--many 100000] [--idealo CHECKOUT]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_fitted, load_photo

if TYPE_CHECKING:
    from nima_pretrain.prediction.engines import Engine

_NUMBER = 1000
_FEW = 1000
_PROGRAM = str(Path(sys.executable).with_name("nima-pretrain"))


_LABELS = (
    "model alone, photos/s",
    "decoding alone, photos/s",
    "predict end to end, photos/s",
    "predict from the first row on, photos/s",
    "  as a share of what both can reach",
    "first row after, s",
    "one photo from a cold start, s",
    "peak memory, MB",
)


class Run(NamedTuple):
    """One run of the program: seconds in all and to its first row, peak memory, rows."""

    seconds: float
    first_row: float
    peak_bytes: int
    rows: int


def make_photos(
    sources: list[Path], folder: Path, number: int, pixels: float = 1e6, large_every: int = 10
) -> None:
    """Writes JPEGs of so many pixels, and some of 12 megapixels."""

    def make(index: int) -> None:
        image = Image.fromarray(load_photo(sources[index % len(sources)]))
        wanted = 12e6 if index % large_every == 0 else pixels
        factor = (wanted / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        image.resize(size, Image.Resampling.BICUBIC).save(folder / f"{index:05}.jpg", quality=90)

    folder.mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(make, range(number)))


def run_predict(folder: Path, weights: Path, engine: str) -> Run:
    """Runs the program as a user does, and watches it."""
    started = time.perf_counter()
    command = [_PROGRAM, "predict", str(folder), "--weights", str(weights), "--engine", engine]
    process = subprocess.Popen([*command, "--quiet"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    rows, first_row, peak = 0, 0.0, 0
    for line in process.stdout:
        first_row = first_row or time.perf_counter() - started
        rows += b",ok," in line
        peak = max(peak, _peak_bytes(process.pid))
    assert process.wait() == 0
    return Run(time.perf_counter() - started, first_row, peak, rows)


def run_many(photos: Path, number: int, weights: Path) -> Run:
    """Runs the program on the same photos under so many names."""
    files = sorted(photos.iterdir())
    many = photos.with_name(f"{number} names")
    many.mkdir()
    for index in range(number):
        os.link(files[index % len(files)], many / f"{index:06}.jpg")
    run = run_predict(many, weights, "litert")
    assert run.rows == number
    return run


def _peak_bytes(pid: int) -> int:
    """Returns the peak memory of a process; what `os.wait4` tells includes its parent's."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except ProcessLookupError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def rate_of_idealo(checkout: Path, folder: Path, number: int) -> float:
    """Returns the photos per second of idealo's `predict`, end to end, with random weights."""
    source = checkout.resolve() / "src"
    weights = folder.parent / "idealo.h5"
    make = (
        "from handlers.model_builder import Nima; nima = Nima('MobileNet', weights=None); "
        f"nima.build(); nima.nima_model.save_weights({str(weights)!r})"
    )
    command = ["-m", "evaluater.predict", "--base-model-name", "MobileNet"]
    command += ["--weights-file", str(weights), "--image-source", str(folder)]

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(source)}
        return subprocess.run(
            [sys.executable, *arguments], check=True, capture_output=True, env=environment
        )

    run("-c", make)
    started = time.perf_counter()
    done = run(*command)
    seconds = time.perf_counter() - started
    assert done.stdout.count(b'"mean_score_prediction"') == number
    return number / seconds


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


def rate_of_model(model: "Engine", batch: np.ndarray) -> float:
    """Returns the photos per second of a model on decoded photos, on all cores."""
    if not model.scores_in_threads:
        return rate_of(lambda: model(batch), len(batch), times=15)

    def score() -> None:
        list(executor.map(model, np.array_split(batch, len(batch))))

    with ThreadPoolExecutor(os.cpu_count()) as executor:
        return rate_of(score, len(batch), times=15)


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="bundled", help="default: the bundled scorer")
    parser.add_argument("--number", type=int, default=_NUMBER)
    parser.add_argument("--many", type=int, metavar="N", help="peak memory of N photos, too")
    parser.add_argument("--idealo", type=Path, metavar="CHECKOUT", help="measure it beside ours")
    arguments = parser.parse_args()
    import_tensorflow()
    from nima_pretrain.prediction.engines import ENGINES, load_engine
    from nima_pretrain.prediction.scoring import BATCH_SIZE
    from nima_pretrain.weights.finding import find_scorer
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard

    number = arguments.number
    weights = find_scorer(arguments.weights)
    card = read_side_car(weights, NimaCard)
    network, size = card.network, card.network.input_size
    print(
        f"{network.backbone} {network.width:g}, {size} px; {number} JPEGs; {os.cpu_count()} cores"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "photos")
        make_photos(find_photos(arguments.photos), folder, number)
        paths = find_photos(folder)

        def decode() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as executor:
                list(executor.map(lambda path: load_fitted(path, size, network.fit), paths[:300]))

        batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, size, size, 3), np.uint8)
        decoding = rate_of(decode, len(paths[:300]), times=2)
        rows: dict[str, list[float]] = {}
        for engine in ENGINES:
            forward = rate_of_model(load_engine(weights, card, engine), batch)
            run = run_predict(folder, weights, engine)
            assert run.rows == number
            steady = (number - 1) / (run.seconds - run.first_row)
            best = 1 / (1 / forward + 1 / decoding)
            one = [_PROGRAM, "predict", str(paths[1]), "--weights", str(weights)]
            rows[engine] = [
                forward,
                decoding,
                number / run.seconds,
                steady,
                steady / best,
                run.first_row,
                seconds_of(*one, "--engine", engine),
                run.peak_bytes / 1e6,
            ]
        for label, *values in zip(_LABELS, *rows.values(), strict=True):
            ratio = values[0] / values[1]
            print(f"{label:42}{values[0]:9.2f}{values[1]:9.2f}   ratio {ratio:.2f}")

        if arguments.idealo:
            theirs = rate_of_idealo(arguments.idealo, folder, number)
            ratio = rows["litert"][2] / theirs
            print(f"idealo's predict end to end: {theirs:.2f} photos/s, ours {ratio:.2f} times")

        if arguments.many:
            mixed = Path(temporary, "mixed")
            make_photos(find_photos(arguments.photos), mixed, _FEW, pixels=5e4, large_every=100)
            few, many = (run_many(mixed, count, weights) for count in (_FEW, arguments.many))
            print(
                f"peak memory by litert: {few.peak_bytes / 1e6:.0f} MB for {few.rows} photos, "
                f"{many.peak_bytes / 1e6:.0f} MB for {many.rows}"
            )
    bare = seconds_of(sys.executable, "-c", "import tensorflow", times=3)
    print(f"--help {seconds_of(_PROGRAM, '--help'):.2f} s; import tensorflow {bare:.2f} s")


if __name__ == "__main__":
    main()
