"""Serving one person on the own machine: requests from other origins and hosts are refused."""

import html
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nima_pretrain.errors import InputError

ADDRESS = "127.0.0.1"
_REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>Opening</title>
<p><a href="{address}">Open the page</a></p>
"""
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class OwnMachineOnly:
    """Refuses requests that a page of another origin, or another host's name, may have made.

    The Host header is checked against DNS rebinding, Origin and Sec-Fetch-Site against requests
    forged by other pages. These may only lead to a page, as `redirecting_file` does, for which they
    need its address.

    Args:
        app: the application.
        port: the port that it is served at.
        most_bytes: largest body of a request.
    """

    def __init__(self, app: ASGIApp, port: int, most_bytes: int) -> None:
        self.app = app
        names = (ADDRESS, "localhost")
        self.hosts = {f"{name}:{port}" for name in names}
        if port == 80:  # which browsers leave out
            self.hosts |= set(names)
        self.origins = {f"http://{host}" for host in self.hosts}
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal:
            await PlainTextResponse(*refusal)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> tuple[str, int] | None:
        """Returns text and status of the answer to a request that is refused; or None."""
        if headers.get("host") not in self.hosts:
            return "This address is for the own machine alone.", 421
        from_here = headers.get("origin", next(iter(self.origins))) in self.origins
        is_own = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not from_here or not (is_own or _is_navigation(method, headers)):
            return "Other pages may not use this one.", 403
        length = headers.get("content-length", "0")
        is_short = length.isdecimal() and int(length) <= self.most_bytes
        if not is_short or "transfer-encoding" in headers:
            return f"Expected a body of at most {self.most_bytes} bytes.", 413
        return None


def _is_navigation(method: str, headers: Headers) -> bool:
    """Returns whether a browser asks for a page to show in a window, not in a frame."""
    kind = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return method == "GET" and kind == ("navigate", "document")


@contextmanager
def redirecting_file(address: str) -> Iterator[Path]:
    """Yields an HTML file that leads to an address, which only the user can read.

    A browser is started with it instead of the address, since other users of the machine can read
    the arguments of its process.

    Args:
        address: the address, token included.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="nima-pretrain-", suffix=".html", delete=False
        ) as file:
            file.write(_REDIRECT.format(address=html.escape(address)))
    except OSError as error:
        raise InputError(
            f"Cannot write the file that leads a browser to the page: {error.strerror}. Make room "
            "in the folder for temporary files, or open the address yourself with --no-browser."
        ) from error
    try:
        yield Path(file.name)
    finally:
        Path(file.name).unlink(missing_ok=True)


def serve(app_of: Callable[[str, int], Starlette], port: int, ready: Callable[[str], None]) -> None:
    """Serves an application at 127.0.0.1 until it is interrupted.

    Args:
        app_of: function from a secret token and a port to the application.
        port: the port; 0 for any free one.
        ready: called with the address, token included, once requests are accepted.

    Raises:
        InputError: the port is taken or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"Cannot serve at port {port}: {error}. Choose another --port, or 0 for any free one."
        ) from None
    with listener:
        listener.listen()
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(16)
        config = uvicorn.Config(
            app_of(token, port), log_level="warning", access_log=False, server_header=False
        )
        ready(f"http://{ADDRESS}:{port}/{token}/")
        with suppress(KeyboardInterrupt):  # the end that users are told of, so no failure
            uvicorn.Server(config).run([listener])
