"""A web server that serves a folder, well or badly."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = (
    *("404", "500", "truncates", "stalls", "wrong", "longer", "no length", "ignores range"),
    *("another part", "refuses parts"),
)


class Server:
    """A served folder, the fault of the server, and the requests so far.

    Attributes:
        folder: the folder.
        fault: one of FAULTS for weights files, or "".
        times: number of requests that the fault lasts.
        asked: numbers of requests by path.
        ranges: the Range headers in their order.
        address: URL of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault = ""
        self.times = 10**9
        self.asked: Counter[str] = Counter()
        self.ranges: list[str | None] = []
        self.address = ""

    def fault_now(self, path: str) -> str:
        """Returns the fault of this request, or ""."""
        if not path.endswith(".h5") or self.asked[path] > self.times:
            return ""
        return self.fault


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serves a folder on a free port of this machine."""
    server = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked[self.path] += 1
            self.close_connection = True
            file = server.folder / self.path.lstrip("/")
            fault = server.fault_now(self.path)
            if fault == "404" or not file.is_file():
                self.send_error(404)
                return
            if fault == "500":
                self.send_error(500)
                return
            content = file.read_bytes()
            if fault == "wrong":
                content = bytes(len(content))
            if fault == "longer":
                content += b"more"
            if self.path.endswith(".h5"):
                server.ranges.append(self.headers["Range"])
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            start = int(asked[1]) if asked and fault != "ignores range" else 0
            if start and fault == "refuses parts":
                self.send_error(416)
                return
            if start and fault == "another part":
                start -= 7
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-/{len(content)}")
            if fault != "no length":
                self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Connection", "close")
            self.end_headers()
            body = content[start:]
            if fault in ("truncates", "stalls", "ignores range"):
                body = body[: len(body) // 3 + 1] if server.fault_now(self.path) else body
            self.wfile.write(body if fault != "ignores range" else content)
            self.wfile.flush()
            if fault == "stalls":
                time.sleep(2)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{listening.server_address[1]}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
