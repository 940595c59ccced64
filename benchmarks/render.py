"""The time to render the views of one photo, on one core.

    taskset -c 0 python benchmarks/render.py

Prints seconds for each aspect and for all views, and the share of the time that imagecorruptions
alone takes for its 30 technical views, which cannot be made faster here.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.distortions import BANKS, Aspect, DistortionBank
from nima_pretrain.distortions.source import Source

REPEATS = 7


def seconds(work: Callable[[], object]) -> float:
    """Returns the median time of some repetitions, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def render_aspect(bank: DistortionBank, aspect: Aspect, photo: np.ndarray, size: int) -> None:
    """Renders the views of one aspect, without the final fit to a square."""
    source, rng = Source(photo, size), np.random.default_rng(0)
    for distortion in bank.of_aspect(aspect):
        for value in distortion.below + distortion.above:
            distortion.filter(source, value, rng)


def main() -> None:
    """Prints the table."""
    photo = next(load_photo(path) for path in embedded_photos() if path.stem == "coffee")
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


if __name__ == "__main__":
    main()
