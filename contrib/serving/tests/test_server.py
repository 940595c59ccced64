"""A real server on the loopback interface answers good requests right, whatever else comes."""

import base64
import csv
import http.client
import http.server
import io
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import FOLDER
from load import Server, body_of
from PIL import Image

import nima_pretrain
from nima_pretrain.data.samples import embedded_photos

NUM_HOSTILE = 1000
NUM_GOOD = 150
NUM_SLOW = 20
BODY_BYTES = 1_000_000
BODY_SECONDS = 3
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def server(export):
    options = ("--max-body", str(BODY_BYTES), "--body-timeout", str(BODY_SECONDS))
    with Server(export, *options) as server:
        yield server


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Small photos of several formats, one of them turned by its EXIF orientation."""
    folder = tmp_path_factory.mktemp("photos")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for path in embedded_photos():
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.thumbnail((300, 300))
        image.save(folder / f"{path.stem}.jpg")
        image.save(folder / f"{path.stem}.png")
    image.save(folder / "turned.jpg", exif=exif)
    image.save(folder / "other.webp")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def expected(photos) -> list[float]:
    return [score.mean for score in nima_pretrain.load_scorer("bundled").score(photos)]


def bomb(width: int, height: int) -> bytes:
    """A PNG file of a few kilobytes that holds millions of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def send(port: int, *parts: bytes, wait: float = 0) -> int | None:
    """Sends parts of a request, then reads the status; None if the server closes without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(wait)
            head = connection.makefile("rb").readline().split()
        except (BrokenPipeError, ConnectionResetError):
            return None
    return int(head[1]) if head else None


def head_of(length: int | str, path: str = "/v1/models/nima:predict") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n".encode()


def abandon(port: int, body: bytes, sent: int) -> None:
    """Sends a part of a request and closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head_of(len(body)) + body[:sent])


def hostile(kind: str, good: bytes, large: bytes, rng: random.Random) -> list[bytes]:
    """The parts of a hostile request of a kind that is answered at once."""
    body = body_of(good)
    chunked = head_of(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    requests = {
        "too long": [head_of(10**9), b"{"],
        "too long in chunks": [chunked]
        + [b"%x\r\n%s\r\n" % (2**16, b" " * 2**16)] * (BODY_BYTES // 2**16 + 2),
        "wrong length": [head_of(rng.choice(["-1", "ten", "1e3"])), body],
        "no HTTP": [rng.randbytes(200) + b"\r\n\r\n"],
    }
    if kind in requests:
        return requests[kind]
    bodies = {
        "truncated JSON": body[: rng.randrange(1, len(body) - 1)],
        "no JSON": rng.randbytes(300),
        "deep JSON": b"[" * 100_000,
        "other JSON": rng.choice([b"{}", b"[]", b"1", b'{"instances": 3}', b'{"instances": []}']),
        "wrong base64": json.dumps({"instances": [{"b64": "no base64!"}]}).encode(),
        "no photo": body_of(rng.randbytes(200)),
        "half a photo": body_of(good[: len(good) // 2]),
        "a bad one among good ones": body_of(good, b"no photo", good),
        "bomb": body_of(large),
        "too many": body_of(*[b"x"] * 65),
    }
    return [head_of(len(bodies[kind])), bodies[kind]]


REFUSED = (
    "truncated JSON",
    "no JSON",
    "deep JSON",
    "other JSON",
    "wrong base64",
    "no photo",
    "half a photo",
    "a bad one among good ones",
    "bomb",
    "too many",
    "wrong length",
    "no HTTP",
)
STATUS: dict[str, set[int | None]] = {
    **{kind: {400} for kind in REFUSED},
    # The server may close the connection while the body is still being sent.
    "too long": {413},
    "too long in chunks": {413, None},
    "slow": {408},
    "abandoned": {None},
}


def test_a_thousand_hostile_requests_cost_no_good_one_anything(server, photos, expected):
    contents = [path.read_bytes() for path in photos]
    large = bomb(60_000, 60_000)
    assert len(large) < BODY_BYTES / 2
    rng = random.Random(0)
    at_once = [kind for kind in STATUS if kind not in ("slow", "abandoned")]
    tasks: list[tuple[str, int]] = [("good", number) for number in range(NUM_GOOD)]
    others = ["abandoned"] * 100 + [
        at_once[number % len(at_once)] for number in range(NUM_HOSTILE - NUM_SLOW - 100)
    ]
    tasks += [(kind, number) for number, kind in enumerate(others)]
    rng.shuffle(tasks)
    answers: dict[int, tuple[int, bytes]] = {}
    wrong: list[tuple[str, int | None]] = []
    lock = threading.Lock()

    def act(kind: str, number: int) -> None:
        good = contents[number % len(contents)]
        own = random.Random(number)
        if kind == "good":
            answer = server.post(body_of(good))
            with lock:
                answers[number] = answer
            return
        if kind == "abandoned":
            body = body_of(good)
            abandon(server.port, body, own.randrange(len(body)))
            return
        if kind == "slow":
            status = send(server.port, head_of(1000), *[b" "] * 5, wait=BODY_SECONDS / 6)
        else:
            status = send(server.port, *hostile(kind, good, large, own))
        if status not in STATUS[kind]:
            with lock:
                wrong.append((kind, status))

    with ThreadPoolExecutor(NUM_SLOW) as slow, ThreadPoolExecutor(16) as executor:
        waiting = [slow.submit(act, "slow", number) for number in range(NUM_SLOW)]
        done = [executor.submit(act, *task) for task in tasks]
        for future in (*waiting, *done):
            future.result()
    assert len(others) + NUM_SLOW == NUM_HOSTILE
    assert not wrong
    assert sorted(answers) == list(range(NUM_GOOD))
    for number, (status, answer) in answers.items():
        assert status == 200, answer
        (prediction,) = json.loads(answer)["predictions"]
        assert prediction["mean"] == pytest.approx(expected[number % len(photos)], abs=0.01)
        scores = np.arange(1, len(prediction["distribution"]) + 1)
        assert scores @ prediction["distribution"] == pytest.approx(prediction["mean"], abs=1e-4)
    status = Path(f"/proc/{server.process.pid}/status")
    if status.exists():  # on Linux
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 1_000_000  # kB; one of the bombs would take 3.6 GB


def get(server: Server, path: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content.startswith(b"{") else {}


def test_status_and_metadata_have_the_shape_of_tensorflow_serving(server, export):
    status, content = get(server, "/v1/models/nima")
    assert status == 200
    assert content["model_version_status"][0]["state"] == "AVAILABLE"
    status, content = get(server, "/v1/models/nima/versions/1/metadata")
    assert status == 200
    definition = content["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["inputs"]["photo_bytes"]["dtype"] == "DT_STRING"
    assert definition["outputs"].keys() == {"distribution", "mean"}
    signature = json.loads((export / "signature.json").read_text())
    assert content["metadata"]["nima_pretrain"] == signature
    assert get(server, "/v1/models/other")[0] == 404
    assert get(server, "/v1/models/nima:predict")[0] == 405


def test_every_form_of_a_request_is_answered_alike(server, photos, expected):
    files = [{"b64": base64.b64encode(path.read_bytes()).decode()} for path in photos[:2]]
    named = [{"photo_bytes": file} for file in files]
    for request in (
        {"instances": files},
        {"instances": named, "signature_name": "serving_default"},
    ):
        _, answer = server.post(json.dumps(request).encode())
        means = [prediction["mean"] for prediction in json.loads(answer)["predictions"]]
        assert means == pytest.approx(expected[:2], abs=0.01)
    for inputs in (files, {"photo_bytes": files}):
        _, answer = server.post(json.dumps({"inputs": inputs}).encode())
        assert json.loads(answer)["outputs"]["mean"] == pytest.approx(expected[:2], abs=0.01)
    status, answer = server.post(b'{"instances": [{"b64": ""}], "signature_name": "pixels"}')
    assert (status, "Expected the signature serving_default" in answer.decode()) == (400, True)


def test_a_full_queue_and_a_missed_deadline_say_so(export, photos):
    good = photos[0].read_bytes()
    with Server(export, "--max-queue", "1", "--score-timeout", "0") as server:
        status, answer = server.post(body_of(good, good))
        assert (status, json.loads(answer)) == (503, {"error": "The queue is full; try again"})
        status, answer = server.post(body_of(good))
        assert (status, b"Not scored within 0 seconds" in answer) == (504, True)
        assert get(server, "/v1/models/nima")[0] == 200


def test_a_stopped_server_answers_what_it_has_taken(export, photos):
    server = Server(export)
    with ThreadPoolExecutor(1) as executor:
        files = [photos[0].read_bytes()] * 40
        answer = executor.submit(server.post, body_of(*files))
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        status, content = answer.result()
    assert status == 200
    assert len(json.loads(content)["predictions"]) == len(files)
    server.process.communicate(timeout=60)
    assert server.process.returncode in (0, -signal.SIGTERM)


def test_the_client_writes_a_row_for_every_photo(server, photos, expected):
    missing = photos[0].with_name("missing.jpg")
    command = [sys.executable, str(FOLDER / "score.py"), *map(str, photos), str(missing)]
    command += ["--server", f"http://127.0.0.1:{server.port}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{len(photos)} photos scored, 1 could not be\n"
    *rows, last = csv.DictReader(io.StringIO(done.stdout))
    assert [row["path"] for row in rows] == list(map(str, photos))
    assert [float(row["mean"]) for row in rows] == pytest.approx(expected, abs=0.01)
    assert (last["mean"], last["error"]) == ("", "No such file or directory")


def test_an_answer_that_is_no_score_costs_one_row(photos):
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        odd = photos[0].with_name(os.fsdecode(b"caf\xe9.jpg"))
        shutil.copy(photos[0], odd)
        command = [sys.executable, str(FOLDER / "score.py"), str(odd), str(photos[0])]
        command += ["--server", f"http://127.0.0.1:{proxy.server_port}"]
        done = subprocess.run(command, capture_output=True, check=False)
        proxy.shutdown()
    assert done.returncode == 1
    assert done.stderr == b"0 photos scored, 2 could not be\n"
    assert done.stdout.count(b"the answer has no score") == 2
    assert os.fsencode(odd) in done.stdout


def test_a_folder_that_is_no_litert_export_is_refused(tmp_path):
    command = [sys.executable, str(FOLDER / "server.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Expected an export" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_measured_is_named(export, tmp_path):
    (tmp_path / "notes.jpg").write_text("no photo")
    (tmp_path / "empty").mkdir()
    for photos, message in (
        (tmp_path / "notes.jpg", "notes.jpg: cannot identify image file"),
        (tmp_path / "empty", "expected photos, found none in"),
        (tmp_path / "gone", "No such file or directory"),
    ):
        command = [sys.executable, FOLDER / "load.py", export, photos]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
