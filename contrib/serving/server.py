"""An HTTP server that scores photos and speaks the REST interface of TensorFlow Serving.

python server.py EXPORT --port 8501
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from engine import BusyError, NoPhotoError, PhotoEngine
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from wire import WireError, metadata_of, parse_request, response_of, status_of

from nima_pretrain.errors import InputError


@dataclass(frozen=True)
class Limits:
    """The limits of a request.

    Attributes:
        body_bytes: length of a body.
        photos: photos of a request.
        pixels: pixels of a photo, by its header.
        queue: photos of all requests that are queued or in work.
        body_seconds: time in which a body has to arrive.
        score_seconds: time in which its photos have to be scored.
    """

    body_bytes: int = 32_000_000
    photos: int = 64
    pixels: int = 50_000_000
    queue: int = 256
    body_seconds: float = 30
    score_seconds: float = 30


class RefusedError(Exception):
    """A request is refused with a status code."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def application(engine: PhotoEngine, name: str, limits: Limits) -> Starlette:
    """Returns the application of a model.

    Args:
        engine: scores photos.
        name: name of the model in addresses.
        limits: what a request may cost.
    """

    async def predict(request: Request) -> Response:
        try:
            body = await _body_of(request, limits)
            # Decoding a long body would hold up all other requests.
            asked = await asyncio.to_thread(parse_request, body, limits.photos)
            predictions = await engine.predict(asked.files, limits.score_seconds)
        except RefusedError as error:
            return _error(error.status, str(error))
        except (WireError, NoPhotoError) as error:
            return _error(400, str(error))
        except BusyError:
            return _error(503, "The queue is full; try again", {"Retry-After": "1"})
        except TimeoutError:
            return _error(504, f"Not scored within {limits.score_seconds:g} seconds; try again")
        except ClientDisconnect:
            return Response(status_code=499)  # which nobody receives
        return JSONResponse(response_of(predictions, by_row=asked.by_row))

    async def status(_: Request) -> Response:
        return JSONResponse(status_of())

    async def metadata(_: Request) -> Response:
        return JSONResponse(metadata_of(name, engine.signature))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        engine.close()

    routes = []
    for model in (f"/v1/models/{name}", f"/v1/models/{name}/versions/1"):
        routes += [
            Route(f"{model}:predict", predict, methods=["POST"]),
            Route(f"{model}/metadata", metadata),
            Route(model, status),
        ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _body_of(request: Request, limits: Limits) -> bytes:
    """Returns the body of a request, which is not read further than allowed."""
    too_long = RefusedError(413, f"Expected a body of at most {limits.body_bytes} bytes")
    # Without a length, e.g. of a chunked body, it is counted.
    if int(request.headers.get("content-length", 0)) > limits.body_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body_bytes:
                    raise too_long
    except TimeoutError:
        raise RefusedError(
            408, f"The body took more than {limits.body_seconds:g} seconds"
        ) from None
    return bytes(body)


def _error(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    closing = {"Connection": "close"} if status in (408, 413) else {}  # its body was not read
    return JSONResponse({"error": reason}, status, headers={**closing, **(headers or {})})


def main() -> None:
    """Serves an export until it is stopped by SIGINT or SIGTERM."""
    default = Limits()
    parser = argparse.ArgumentParser(description="Score photos over HTTP.")
    parser.add_argument("export", type=Path, help="folder of nima-pretrain export --to litert")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    parser.add_argument("--port", type=int, default=8501, help="default: 8501; 0 for a free one")
    parser.add_argument("--name", default="nima", help="name of the model in addresses")
    parser.add_argument("--max-body", type=int, default=default.body_bytes, help="bytes")
    parser.add_argument("--max-photos", type=int, default=default.photos, help="per request")
    parser.add_argument("--max-pixels", type=int, default=default.pixels, help="per photo")
    parser.add_argument("--max-queue", type=int, default=default.queue, help="photos")
    parser.add_argument("--body-timeout", type=float, default=default.body_seconds, help="seconds")
    parser.add_argument(
        "--score-timeout", type=float, default=default.score_seconds, help="seconds"
    )
    given = parser.parse_args()
    limits = Limits(
        given.max_body,
        given.max_photos,
        given.max_pixels,
        given.max_queue,
        given.body_timeout,
        given.score_timeout,
    )
    try:
        engine = PhotoEngine(given.export, max_queue=limits.queue, max_pixels=limits.pixels)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    uvicorn.run(
        application(engine, given.name, limits),
        host=given.host,
        port=given.port,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
