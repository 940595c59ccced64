"""Culling of a folder: scores its photos and serves the page that gives them stars."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from nima_pretrain.data.finding import Listing
from nima_pretrain.errors import InputError
from nima_pretrain.library.culling import Culling
from nima_pretrain.library.own_machine import serve
from nima_pretrain.library.sidecars import Naming
from nima_pretrain.prediction.page import Selection, select
from nima_pretrain.prediction.predict import predict
from nima_pretrain.weights.cache import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

_MOST_PHOTOS = 50_000


def cull(
    photos: Listing | Path | str | Sequence[Path | str],
    *,
    weights: Path | str | None = None,
    scores: Path | str | None = None,
    sidecar: str = Naming.FULL,
    engine: str | None = None,
    port: int = 0,
    ready: Callable[[str], None] = print,
) -> None:
    """Scores and groups photos, and serves the page that shows them, until it is interrupted.

    The page is served to this machine alone. Stars are written to sidecars as they are given.

    Args:
        photos: see `predict`.
        weights: see `predict`.
        scores: score file to keep, as `predict` writes it with groups: photos that have a row
            in it are not scored again. None for a temporary one.
        sidecar: "full" for photo.jpg.xmp, "stem" for photo.xmp, or "both".
        engine: see `predict`.
        port: port of 127.0.0.1; 0 for any free one.
        ready: called with the page's address once it can be opened.

    Raises:
        InputError: see `predict`; an option has an unknown value, or the port is taken.
    """
    if sidecar not in list(Naming):
        raise InputError(
            f"Expected --sidecar to be one of {', '.join(Naming)}, received {sidecar!r}."
        )
    weights = find_scorer(weights)
    scale = read_side_car(weights, NimaCard).score_scale
    selections: list[Selection] = []
    with ExitStack() as stack:
        if scores is None:
            scores = Path(stack.enter_context(tempfile.TemporaryDirectory()), "scores.csv")
        predict(
            photos,
            weights=weights,
            output=scores,
            resume=Path(scores).exists(),
            group=True,
            engine=engine,
            on_rows=lambda rows: selections.append(select(rows, _MOST_PHOTOS)),
        )
    (selection,) = selections
    serve(Culling(selection, scale, Naming(sidecar)).app, port, ready)
