"""Serving one person on the own machine: requests from other origins and hosts are refused."""

import secrets
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nima_pretrain.errors import InputError

ADDRESS = "127.0.0.1"
_HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class OwnMachineOnly:
    """Refuses requests that a page of another origin, or another host's name, may have made.

    The Host header is checked against DNS rebinding, Origin and Sec-Fetch-Site against requests
    forged by other pages.

    Args:
        app: the application.
        port: the port that it is served at.
        most_bytes: largest body of a request.
    """

    def __init__(self, app: ASGIApp, port: int, most_bytes: int) -> None:
        self.app = app
        self.hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        if refusal:
            await PlainTextResponse(*refusal)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> tuple[str, int] | None:
        """Returns text and status of the answer to a request that is refused; or None."""
        if headers.get("host") not in self.hosts:
            return "This address is for the own machine alone.", 421
        from_here = headers.get("origin", next(iter(self.origins))) in self.origins
        if not from_here or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "Other pages may not use this one.", 403
        length = headers.get("content-length", "0")
        is_short = length.isdecimal() and int(length) <= self.most_bytes
        if not is_short or "transfer-encoding" in headers:
            return f"Expected a body of at most {self.most_bytes} bytes.", 413
        return None


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
        uvicorn.Server(config).run([listener])
