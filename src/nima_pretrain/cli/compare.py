"""`nima-pretrain compare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import start_tensorflow
from nima_pretrain.errors import InputError


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="[NAME=]RUN...", help="Evaluated runs.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for tables and figures.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="The baseline run. Default: the first.")
    ] = None,
    evaluation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the evaluation, if several.")
    ] = None,
    probe: Annotated[
        bool, typer.Option(help="Compare with ridge regression on frozen features, too.")
    ] = True,
) -> None:
    """Compare runs on the same ratings: intervals of the differences, tests, a ridge probe."""
    named: dict[str, Path] = {}
    for run in runs:
        name, equals, path = run.partition("=")
        is_named = equals and not Path(run).is_dir()
        name, folder = (name, Path(path)) if is_named else (Path(run).name, Path(run))
        if name in named:
            raise InputError(f"Two runs are called {name!r}. Name them: {name}-2={folder}.")
        named[name] = folder
    start_tensorflow()
    from nima_pretrain.reproduction.runs import compare as compare_runs

    results = compare_runs(named, output, baseline=baseline, evaluation=evaluation, probe=probe)
    print_results(results, results["baseline"])
    for file in ("results.md", "report.html", "results.json"):
        print(output / file)


def print_results(results: dict[str, Any], baseline: str) -> None:
    """Prints the main results of a comparison of runs or of a grid."""
    from nima_pretrain.evaluation.comparison import LABELS
    from nima_pretrain.report import number

    shown = {name: LABELS[name] for name in ("lcc", "srcc", "accuracy", "mae", "emd")}
    rows = [[row["name"], *(number(row[name]) for name in shown)] for row in results["metrics"]]
    print_table(f"{results['photos']} photos", ["", *shown.values()], rows)
    rows = [
        [
            row["name"],
            *(
                number(row[name], (row[f"{name}_low"], row[f"{name}_high"]))
                for name in ("srcc", "mae")
            ),
            number(row["p_corrected"]),
        ]
        for row in results["differences"]
    ]
    columns = ["", "SRCC", "MAE", "p (smaller errors)"]
    print_table(f"Difference to {baseline}, 95 % intervals", columns, rows)
