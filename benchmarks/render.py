"""The time to render the views of one photo, on one core.

    python benchmarks/render.py
    python benchmarks/render.py --against ../before/src

Prints seconds of CPU for each aspect and for all views, and the share of the time that
imagecorruptions alone takes for its 30 technical views, which cannot be made faster here. With
another checkout it prints how many times as fast as that one this one renders all views, run in
turn in processes of their own.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.distortions import BANKS, Aspect, DistortionBank
from nima_pretrain.distortions.source import Source

REPEATS = 7
TURNS = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def seconds(work: Callable[[], object]) -> float:
    """Returns the median time of CPU of some repetitions, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def render_aspect(bank: DistortionBank, aspect: Aspect, photo: np.ndarray, size: int) -> None:
    """Renders the views of one aspect, without the final fit to a square."""
    source, rng = Source(photo, size), np.random.default_rng(0)
    for distortion in bank.of_aspect(aspect):
        for value in distortion.below + distortion.above:
            distortion.filter(source, value, rng)


def sample_photo() -> np.ndarray:
    """Returns the photo that is rendered, (400, 600, 3) uint8."""
    return next(load_photo(path) for path in embedded_photos() if path.stem == "coffee")


def print_parts() -> None:
    """Prints the table."""
    photo = sample_photo()
    for bank in BANKS.values():
        for size in (128, 224):
            whole = seconds(lambda bank=bank, size=size: bank.render(photo, size))  # type: ignore[misc]
            parts = {
                aspect.value: seconds(
                    lambda bank=bank, aspect=aspect, size=size: render_aspect(  # type: ignore[misc]
                        bank, aspect, photo, size
                    )
                )
                for aspect in Aspect
            }
            listed = ", ".join(f"{name} {part:.2f}" for name, part in parts.items())
            share = parts["technical"] / whole
            print(
                f"{bank.name}, {size} px: {whole:.2f} s for {bank.num_views} views "
                f"({listed}; imagecorruptions' share {share:.0%})"
            )


def print_ratios(other: Path) -> None:
    """Prints how many times as fast as another checkout's sources these are, by bank and size."""
    own = Path(__file__).parents[1] / "src"
    times: dict[Path, list[list[float]]] = {own: [], other: []}
    for _ in range(TURNS):
        for source, found in times.items():
            done = subprocess.run(
                [sys.executable, __file__, "--seconds"],
                env=os.environ | ONE_THREAD | {"PYTHONPATH": str(source.resolve())},
                capture_output=True,
                text=True,
                check=True,
            )
            found.append([float(line) for line in done.stdout.split()])
    here, there = (np.median(times[source], axis=0) for source in (own, other))
    cases = [f"{name}, {size} px" for name in BANKS for size in (128, 224)]
    for case, new, old in zip(cases, here, there, strict=True):
        print(f"{case}: {old / new:.2f} times as fast, {new:.2f} s after {old:.2f} s")


def main() -> None:
    """Prints times, or ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, metavar="SRC", help="sources of another checkout")
    parser.add_argument("--seconds", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.against:
        print_ratios(arguments.against)
    elif arguments.seconds:
        photo = sample_photo()
        for bank in BANKS.values():
            for size in (128, 224):
                print(seconds(lambda bank=bank, size=size: bank.render(photo, size)))  # type: ignore[misc]
    else:
        print_parts()


if __name__ == "__main__":
    main()
