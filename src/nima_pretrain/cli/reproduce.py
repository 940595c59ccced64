"""`nima-pretrain reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.compare import print_results
from nima_pretrain.cli.options import Overrides, Run, start_tensorflow
from nima_pretrain.config import ReproduceConfig, load_config


def reproduce(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="JSON: data, starts, shares.")],
    run: Run,
    set_: Overrides = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train on a Ray cluster: HOST:PORT, auto for a running one, local for a new one.",
        ),
    ] = None,
) -> None:
    """Train and compare a grid of starts, shares and seeds, as in the paper's Table 2.

    Finished runs are kept: stop it, extend the config, run it again.
    """
    resolved = load_config(ReproduceConfig, config, set_ or ())
    start_tensorflow()
    from nima_pretrain.reproduction.reproduce import reproduce as run_grid

    results = run_grid(resolved, run, ray=ray)
    print_results(results, resolved.baseline)
    for name in ("results.json", "results.md", "report.html"):
        print(run / name)
