"""`nima-pretrain cull`."""

import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import say, start_logging
from nima_pretrain.cli.options import EngineChoice, WithMirrored, start_engines
from nima_pretrain.errors import InputError


def cull(
    photos: Annotated[
        list[str], typer.Argument(help="Photos, folders (searched recursively) and patterns.")
    ],
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Score file to keep, as that of predict --group: photos that it has are not "
            "scored again.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="As for predict.")
    ] = None,
    sidecar: Annotated[
        str,
        typer.Option(
            metavar="full|stem|both",
            help="Sidecars to write: photo.jpg.xmp, photo.xmp, or both.",
        ),
    ] = "full",
    engine: EngineChoice = None,
    with_mirrored: WithMirrored = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0: any free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open the page in a browser.")
    ] = True,
) -> None:
    """Look through photos on a page of your own machine, and give them stars by keys.

    Stars are written to sidecars at once. Ctrl-C ends the page.
    """
    from nima_pretrain.data.finding import listing_of
    from nima_pretrain.weights.finding import find_scorer

    start_logging()
    listing = listing_of(photos)
    model = find_scorer(weights)
    start_engines(engine, model)
    try:
        from nima_pretrain.library.cull import cull as serve_page
        from nima_pretrain.library.own_machine import redirecting_file
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise InputError(
            f"cull needs the package {error.name}: pip install 'nima-pretrain[cull]'."
        ) from None

    with ExitStack() as until_the_end:

        def ready(address: str) -> None:
            say(f"Open {address}\nCtrl-C ends the page; stars are in the sidecars already.")
            if browser:
                file = until_the_end.enter_context(redirecting_file(address))
                webbrowser.open(file.as_uri())

        serve_page(
            listing,
            weights=model,
            scores=scores,
            sidecar=sidecar,
            engine=engine,
            with_mirrored=with_mirrored,
            port=port,
            ready=ready,
        )
