"""Culling of a folder: scores its photos and serves the page that gives them stars."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from nima_pretrain.data.finding import Listing, listing_of
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.library.culling import Culling
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.own_machine import serve
from nima_pretrain.library.session import StarSession
from nima_pretrain.library.sidecar_names import SidecarNames
from nima_pretrain.prediction.page import Selection, select
from nima_pretrain.prediction.predict import predict
from nima_pretrain.prediction.reading import photo_of
from nima_pretrain.weights.finding import find_scorer
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
    with_mirrored: bool = False,
    port: int = 0,
    ready: Callable[[str], None] = print,
) -> None:
    """Scores and groups photos, and serves the page that shows them, until it is interrupted.

    The page is served to this machine alone. Stars are written to sidecars as they are given.
    Photos that only the score file names are not shown.

    Args:
        photos: see `predict`.
        weights: see `predict`.
        scores: score file to keep, as `predict` writes it with groups: photos that have a row
            in it are not scored again. One without groups gets them, for which its photos are
            scored anew. None for a temporary one.
        sidecar: "full" for photo.jpg.xmp, "stem" for photo.xmp, or "both".
        engine: see `predict`.
        with_mirrored: see `predict`.
        port: port of 127.0.0.1; 0 for any free one.
        ready: called with the page's address once it can be opened.

    Raises:
        InputError: see `predict`; an option has an unknown value, photos would share a sidecar,
            or the port is taken.
    """
    if sidecar not in list(Naming):
        raise InputError(
            f"Expected --sidecar to be one of {', '.join(Naming)}, received {sidecar!r}."
        )
    naming = Naming(sidecar)
    if not isinstance(photos, Listing):
        one_or_more = [photos] if isinstance(photos, Path | str) else photos
        photos = listing_of([str(photo) for photo in one_or_more])
    _check_sidecars(photos, naming)
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
            with_mirrored=with_mirrored,
            on_rows=lambda rows: selections.append(select(rows, _MOST_PHOTOS)),
        )
    (selection,) = selections
    session = StarSession(naming, map(photo_of, selection.photos))
    serve(Culling(selection, scale, session).app, port, ready)


def _check_sidecars(listing: Listing, naming: Naming) -> None:
    """Checks that no two photos have the same sidecar, such as a.jpg and a.png their a.xmp.

    Raises:
        InputError: two photos have.
    """
    photos = [photo for photo in listing if not isinstance(photo, PhotoError)]
    names = SidecarNames(photos)
    for photo in photos:
        names.to_write(photo, naming)
