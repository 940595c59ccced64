"""Measures a server of its own against its engine: throughput, and the latency of requests.

python load.py EXPORT PHOTOS --requests 200 --at-once 4
"""

import argparse
import base64
import http.client
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from engine import NoPhotoError, PhotoEngine
from score import find

from nima_pretrain.errors import InputError

SERVER = Path(__file__).with_name("server.py")


class Server:
    """A server process on a free port of the loopback interface, for use in a `with`."""

    def __init__(self, export: Path, *options: str) -> None:
        command = [sys.executable, str(SERVER), str(export), "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.port = self._wait()

    def _wait(self) -> int:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"running on http://[^:]+:(\d+)", line):
                return int(found[1])
        raise RuntimeError(f"The server ended with {self.process.wait()} before it listened.")

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Returns status and body of the answer to a `:predict` request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/v1/models/nima:predict", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


def body_of(*files: bytes) -> bytes:
    """Returns the body of a `:predict` request for photos."""
    photos = [{"b64": base64.b64encode(content).decode()} for content in files]
    return json.dumps({"instances": photos}).encode()


def measure(call: Callable[[bytes], object], items: Iterable[bytes], at_once: int) -> list[float]:
    """Returns the rate, per second, and median and 99th percentile of the time of a call, in ms."""

    def timed(item: bytes) -> float:
        start = time.perf_counter()
        call(item)
        return time.perf_counter() - start

    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as executor:
        seconds = list(executor.map(timed, items))
    rate = len(seconds) / (time.perf_counter() - start)
    return [rate, *(1000 * np.percentile(seconds, [50, 99]))]


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="Measure the server against its engine.")
    parser.add_argument("export", type=Path, help="folder of nima-pretrain export --to litert")
    parser.add_argument("photos", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2 * (os.cpu_count() or 1))
    given = parser.parse_args()
    paths = find(given.photos)
    try:
        engine = PhotoEngine(given.export, max_queue=1, max_pixels=10**9)
        photos = [path.read_bytes() for path in paths]
        for path, photo in zip(paths, photos, strict=True):
            engine.score(photo, str(path))
    except (InputError, NoPhotoError, OSError) as error:
        parser.error(str(error))
    if not photos:
        parser.error(f"expected photos, found none in {', '.join(map(str, given.photos))}")
    bodies = [body_of(photo) for photo in photos]

    def ask(body: bytes) -> None:
        status, answer = server.post(body)
        if status != 200:
            raise RuntimeError(f"{status}: {answer[:200]!r}")

    cores = os.cpu_count() or 1
    measure(engine.score, photos, cores)  # so that every thread has started
    rows = {"engine": measure(engine.score, islice(cycle(photos), given.requests), cores)}
    with Server(given.export) as server:
        measure(ask, bodies, given.at_once)
        rows["server"] = measure(ask, islice(cycle(bodies), given.requests), given.at_once)
    print(f"{platform.processor() or platform.machine()}, {cores} cores, {len(photos)} photos")
    print(f"{given.requests} requests of one photo; engine: {cores} at once, ", end="")
    print(f"server: {given.at_once} at once")
    print("          photos/s    p50 ms    p99 ms")
    for name, (rate, median, slowest) in rows.items():
        print(f"{name:8}{rate:10.1f}{median:10.1f}{slowest:10.1f}")


if __name__ == "__main__":
    main()
