"""`nima-pretrain weights`: list, download, verify and publish."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import print_table, start_logging
from nima_pretrain.cli.options import start_tensorflow
from nima_pretrain.errors import InputError

app = typer.Typer(no_args_is_help=True, help="List, download, verify and publish weights.")

Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL|DIR",
        help="Place of weights.json. Default: NIMA_PRETRAIN_WEIGHTS, or the package's own.",
    ),
]


@app.command("list")
def list_weights(source: Source = None) -> None:
    """List bundled or published weights, and those in the cache of this machine."""
    from nima_pretrain.weights.bundled import bundled
    from nima_pretrain.weights.cache import cached
    from nima_pretrain.weights.manifest import find_place

    here = dict.fromkeys(cached(), "downloaded") | dict.fromkeys(bundled(), "bundled")
    entries = find_place(source).manifest.weights
    rows = [
        [
            entry.name,
            entry.side_car.kind,
            f"{entry.bytes / 1e6:.1f} MB",
            here.get(entry.name, "no"),
        ]
        for entry in entries
    ]
    known = {entry.name for entry in entries}
    rows += [
        [name, "", "", f"{where}, not listed"] for name, where in here.items() if name not in known
    ]
    if not rows:
        print("No weights are published yet, and none are on this machine.")
        return
    print_table("Weights", ["name", "kind", "size", "here"], rows, left=("kind", "here"))


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A name from `weights list`.")],
    source: Source = None,
) -> None:
    """Download and verify weights, and print their path."""
    start_logging()
    from nima_pretrain.weights.cache import fetch

    print(fetch(name, source))


@app.command()
def verify(
    weights: Annotated[
        str | None,
        typer.Argument(help="A name or a file. Default: all bundled and downloaded weights."),
    ] = None,
) -> None:
    """Check weights against their side-car; exit code 1 if some are damaged."""
    from nima_pretrain.weights.bundled import bundled
    from nima_pretrain.weights.cache import cache_folder, cached
    from nima_pretrain.weights.litert import check_litert
    from nima_pretrain.weights.side_car import read_beside

    here = bundled() | cached()
    if weights is None:
        files = list(here.values())
        if not files:
            print(f"There are no weights in {cache_folder()}.")
    else:
        files = [here.get(weights, Path(weights))]
        if not files[0].is_file():
            raise InputError(
                f"Expected a weights file or the name of weights on this machine, but {weights} is "
                "neither. `nima-pretrain weights list` shows the names."
            )
    is_damaged = False
    for file in files:
        try:
            side_car = read_beside(file)
            check_litert(file, side_car)
            print(f"{file}: whole, {side_car.kind}, sha256 {side_car.sha256}")
        except InputError as error:
            is_damaged = True
            print(f"{file}: damaged: {error}")
    if is_damaged:
        raise typer.Exit(1)


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for a web server.")],
) -> None:
    """Write a run's weights to a folder for a web server, with model cards and a manifest."""
    start_tensorflow()
    from nima_pretrain.evaluation.publish import publish as publish_run

    for entry in publish_run(run, to):
        print(to / f"{entry.name}.h5")
    print(f"Add the source of the training data to the cards beside them: {to}/*.md")
