"""`nima-pretrain benchmark`."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain import __version__
from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import given, start_tensorflow


def benchmark(
    context: typer.Context,
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Default: sample photos of installed packages."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="Default: the scorer of `predict`.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Duration of each measurement.")] = 3.0,
) -> None:
    """Measure how many photos a second this machine decodes and scores; a table for an issue."""
    start_tensorflow()
    from nima_pretrain.prediction.benchmark import benchmark as measure
    from nima_pretrain.weights.finding import find_scorer

    file = find_scorer(weights)
    speeds = measure(**given(context, weights=file))
    rows = [
        [speed.part, speed.engine or "", str(speed.threads), f"{speed.per_second:.1f}"]
        for speed in speeds
    ]
    columns = ["part", "engine", "threads", "photos a second"]
    print_table(f"Scoring by {file.stem}", columns, rows, left=("engine",))
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "ai-edge-litert", "pillow")
    )
    print(f"nima-pretrain {__version__}, Python {platform.python_version()}, {packages}")
    print(f"{platform.platform()}, {platform.processor() or platform.machine()}")
