"""A server of photos on this machine, with everything that goes wrong on the web."""

import io
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))


def jpeg(seed: int, width: int = 300, height: int = 240, orientation: int | None = None) -> bytes:
    """Returns a JPEG file of soft random colours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).resize((width, height)).save(file, "JPEG", exif=exif)
    return file.getvalue()


FILES = {f"/{number}.jpg": jpeg(number) for number in range(30)} | {
    "/turned.jpg": jpeg(100, orientation=6),
    "/small.jpg": jpeg(101, 223, 300),
    "/doubled.jpg": jpeg(3),
    "/broken.jpg": jpeg(102)[:2000],
    "/page.jpg": b"<html>Sign in first</html>",
    "/noai.jpg": jpeg(103),
    "/others.jpg": jpeg(104),
    "/comma,quote%22.jpg?w=1,000": jpeg(105),
}
ROBOTS = {"/noai.jpg": "noai, noimageai", "/others.jpg": "otherbot: noai"}


class Handler(BaseHTTPRequestHandler):
    """Serves `FILES`; `/moved/N` redirects to `/N`, `/cut.jpg` ends too early."""

    asked: ClassVar[Counter[str]] = Counter()
    agents: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        self.agents.add(self.headers["User-Agent"])
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        content = FILES.get(self.path, jpeg(106) if self.path == "/cut.jpg" else None)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if self.path in ROBOTS:
            self.send_header("X-Robots-Tag", ROBOTS[self.path])
        self.end_headers()
        self.wfile.write(content[:1000] if self.path == "/cut.jpg" else content)

    def log_message(self, *_: object) -> None:
        """Keeps requests out of the output of the tests."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of the server."""
    Handler.asked.clear()
    Handler.agents.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()
