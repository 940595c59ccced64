"""`nima-pretrain merge`."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import say, start_logging
from nima_pretrain.cli.options import given


def merge(
    context: typer.Context,
    parts: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of predict: csv, json or jsonl.")
    ],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="File of all rows: .csv, .json or .jsonl.")
    ],
    sort: Annotated[
        bool, typer.Option("--sort", help="Sort rows by score. Default: by path.")
    ] = False,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N best rows.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
) -> None:
    """Merge the score files of predict --shard into one, with one row per photo."""
    start_logging()
    from nima_pretrain.prediction.merging import merge as merge_files

    counts = merge_files(**given(context))
    doubled = f", {counts.doubled} rows were there twice" if counts.doubled else ""
    say(f"{counts.scored} photos with a score, {counts.failed} without{doubled}: {output}")
