"""Scores photos on a server that speaks the REST interface of TensorFlow Serving.

python score.py PHOTOS --server http://127.0.0.1:8501 > scores.csv

It needs Python alone, and sends one photo a request.
"""

import argparse
import base64
import csv
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic")
TRIES = 5


def score(photo: Path, address: str, timeout: float) -> tuple[float | None, str]:
    """Returns the mean score of a photo, in points, and the reason if there is none."""
    try:
        content = base64.b64encode(photo.read_bytes()).decode()
    except OSError as error:
        return None, error.strerror or str(error)
    body = json.dumps({"instances": [{"b64": content}]}).encode()
    headers = {"Content-Type": "application/json"}
    reason = ""
    for attempt in range(TRIES):
        request = urllib.request.Request(address, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.load(response)["predictions"][0]["mean"], ""
        except urllib.error.HTTPError as error:
            reason = _reason(error)
            if error.code not in (503, 504):
                break
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error))
        except (ValueError, LookupError, TypeError):
            reason = "the answer has no score"
        time.sleep(2**attempt / 4)
    return None, reason


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.code}"


def find(places: list[Path]) -> list[Path]:
    """Returns the photos of files and folders, folders searched recursively."""
    found: list[Path] = []
    for place in places:
        inside = sorted(place.rglob("*")) if place.is_dir() else []
        found += [path for path in inside if path.suffix.lower() in SUFFIXES]
        found += [] if place.is_dir() else [place]
    return found


def main() -> None:
    """Writes a CSV of scores on standard output; exit code 1 if photos have none."""
    parser = argparse.ArgumentParser(description="Score photos on a server.")
    parser.add_argument("photos", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--server", default="http://127.0.0.1:8501", metavar="URL")
    parser.add_argument("--name", default="nima", help="name of the model")
    parser.add_argument("--at-once", type=int, default=4, help="requests at a time")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a request")
    given = parser.parse_args()
    address = f"{given.server.rstrip('/')}/v1/models/{given.name}:predict"
    photos = find(given.photos)
    failed = 0
    sys.stdout.reconfigure(errors="surrogateescape")  # names may have bytes that are not UTF-8
    rows = csv.writer(sys.stdout)
    rows.writerow(["path", "mean", "error"])
    with ThreadPoolExecutor(given.at_once) as executor:
        scores = executor.map(lambda photo: score(photo, address, given.timeout), photos)
        for photo, (mean, reason) in zip(photos, scores, strict=True):
            failed += mean is None
            rows.writerow([photo, "" if mean is None else f"{mean:.4f}", reason])
    print(f"{len(photos) - failed} photos scored, {failed} could not be", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
