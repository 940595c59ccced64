"""The culling page's application: shows a folder's photos and saves the stars given to them."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from nima_pretrain.data.photos import read_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.library.own_machine import OwnMachineOnly
from nima_pretrain.library.session import StarSession
from nima_pretrain.prediction.page import Selection, entry_of, page_of, thumbnail
from nima_pretrain.prediction.reading import photo_of
from nima_pretrain.prediction.score_row import ScoreRow

STARS = range(-1, 6)

# Formats that browsers show, turned upright by themselves; others are converted.
_MEDIA_TYPES = {
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
}
_MOST_PIXELS = 65_500  # of a side of a JPEG, by libjpeg
_MOST_BYTES = 1000  # of a request; stars take 12
_UNCHANGED = {"Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True)
class Culling:
    """The photos of a culling page.

    Photos are addressed by number, so that no request can name a file.

    Attributes:
        selection: rows of the photos.
        scale: the score scale.
        session: gives stars to these photos.
    """

    selection: Selection
    scale: ScoreScale
    session: StarSession

    def app(self, token: str, port: int) -> Starlette:
        """Returns the application.

        Args:
            token: secret first part of every address.
            port: the port of 127.0.0.1 that it is served at; requests to others are refused.
        """
        routes = [
            Route("/", self.page),
            Route("/photo/{number:int}", self.photo),
            Route("/thumbnail/{number:int}", self.thumbnail),
            Route("/stars/{number:int}", self.give_stars, methods=["PUT"]),
        ]
        guard = Middleware(OwnMachineOnly, port=port, most_bytes=_MOST_BYTES)
        return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=[guard])

    async def page(self, _: Request) -> Response:
        """Returns the page, with the stars as they are in the sidecars now."""
        return HTMLResponse(await run_in_threadpool(self._page))

    async def photo(self, request: Request) -> Response:
        """Returns a photo at full size, converted if browsers do not know its format."""
        path = self._path(request)
        media_type = await run_in_threadpool(_media_type, path)
        if media_type:
            return FileResponse(path, media_type=media_type, headers=_UNCHANGED)
        content = await run_in_threadpool(as_jpeg, path)
        return Response(content, media_type="image/jpeg", headers=_UNCHANGED)

    async def thumbnail(self, request: Request) -> Response:
        """Returns a small WebP of a photo."""
        content = await run_in_threadpool(thumbnail, self._path(request))
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="image/webp", headers=_UNCHANGED)

    async def give_stars(self, request: Request) -> Response:
        """Saves {"stars": -1 .. 5}, and returns the stars that the photo has afterwards.

        With "undo": true they are those that the photo had when the page was loaded.
        """
        path = self._path(request)
        wanted = _wanted_in(await request.body())
        if wanted is None:
            return JSONResponse({"error": 'Expected {"stars": -1 to 5}.'}, 400)
        save = self.session.undo if wanted.is_undone else self.session.give
        try:
            await run_in_threadpool(save, path, wanted.stars)
        except InputError as error:
            before = await run_in_threadpool(self.session.stars_of, path)
            return JSONResponse({"error": str(error), "stars": before}, 409)
        return JSONResponse({"stars": wanted.stars})

    def _path(self, request: Request) -> Path:
        photos: Sequence[ScoreRow] = self.selection.photos
        number = request.path_params["number"]
        if number >= len(photos):
            raise HTTPException(404)
        return photo_of(photos[number])

    def _page(self) -> str:
        stars = self.session.begin()
        entries = [
            {
                **entry_of(row),
                "number": number,
                "link": f"photo/{number}",
                "picture": f"thumbnail/{number}",
                "stars": stars[photo_of(row)],
            }
            for number, row in enumerate(self.selection.photos)
        ]
        return page_of(self.selection, entries, self.scale, is_culling=True)


class _Wanted(NamedTuple):
    stars: int
    is_undone: bool


def _wanted_in(body: bytes) -> _Wanted | None:
    """Returns the stars of a request's body, see `Culling.give_stars`; None for another body."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    stars, is_undone = content.get("stars"), content.get("undo", False)
    if type(stars) is not int or stars not in STARS or type(is_undone) is not bool:
        return None
    return _Wanted(stars, is_undone)


def _media_type(path: Path) -> str | None:
    """Returns the type of a file that browsers show, by its content; None for other photos."""
    Image.init()
    try:
        with Image.open(
            path, formats=[name for name in _MEDIA_TYPES if name in Image.OPEN]
        ) as image:
            return _MEDIA_TYPES[str(image.format)]
    except (OSError, ValueError, SyntaxError):
        return None


def as_jpeg(path: Path) -> bytes:
    """Returns a photo as JPEG, at full size as far as JPEG has room for it.

    Raises:
        HTTPException: 404, the photo cannot be read.
    """
    try:
        image = read_photo(path).image
    except PhotoError:
        raise HTTPException(404) from None
    image.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=92)
    return content.getvalue()
