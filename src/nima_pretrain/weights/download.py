"""Resumable, verified downloads."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import requests

from nima_pretrain.errors import InputError
from nima_pretrain.weights.side_car import sha256_of

logger = logging.getLogger(__name__)

_ATTEMPTS = 6
_LONGEST_PAUSE = 10.0  # seconds
_PIECE = 2**14
_MAY_PASS = (408, 425, 429)  # besides 500 and above


class _PassingError(Exception):
    """A transient error, worth another attempt."""


def download(
    address: str,
    target: Path,
    size: int,
    sha256: str,
    on_progress: Callable[[int], None] = lambda received: None,
    timeout: tuple[float, float] = (10, 30),
    pause: float = 0.5,
) -> None:
    """Downloads a file of known length and sha256.

    A partial download is kept beside the target and resumed by the next attempt or call. The
    target is created once the file is complete and verified.

    Args:
        address: HTTP or HTTPS URL.
        target: path of the file, in an existing folder.
        size: length of the file, bytes.
        sha256: hash of its content.
        on_progress: called with the number of bytes received so far.
        timeout: seconds to connect, and between two pieces.
        pause: seconds before the second attempt; doubled before each further one, up to 10.

    Raises:
        InputError: the server does not have the file, has another one, or keeps failing.
    """
    part = target.with_name(f".{target.name}.part")
    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(min(pause * 2 ** (attempt - 1), _LONGEST_PAUSE))
        try:
            was_resumed = _transfer(address, part, size, on_progress, timeout)
        except (_PassingError, requests.RequestException) as error:
            problem = str(error)
            logger.info("%s: %s; trying again", address, problem)
            continue
        if sha256_of(part) == sha256:
            part.replace(target)
            return
        part.unlink()
        if not was_resumed:
            raise InputError(
                f"{address} is not the file that was published: its sha256 differs. Tell whoever "
                "publishes it, or take it from another place with --from."
            )
        problem = "the part from an earlier attempt belongs to another file"
    raise InputError(
        f"{address} could not be downloaded in {_ATTEMPTS} attempts: {problem}. The part "
        "received is kept; try again later, or take it from another place with --from."
    )


def _transfer(
    address: str,
    part: Path,
    size: int,
    on_progress: Callable[[int], None],
    timeout: tuple[float, float],
) -> bool:
    """Downloads the missing part of a file; returns True if an earlier part was resumed."""
    start = part.stat().st_size if part.exists() else 0
    if start == size:
        return True
    if start > size:
        part.unlink()
        start = 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as response:
        in_place = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        is_part = response.status_code == requests.codes.partial
        refuses = response.status_code == requests.codes.requested_range_not_satisfiable
        if refuses or (is_part and not in_place):
            part.unlink(missing_ok=True)  # the next attempt asks for the whole file
            raise _PassingError("the server does not send the part that was asked for")
        _check_status(response, address)
        goes_on = start > 0 and is_part
        received = start if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_content(_PIECE):
                file.write(piece)
                received += len(piece)
                on_progress(received)
                if received > size:
                    break
    if received > size:
        part.unlink()
        raise InputError(
            f"{address} is longer than the {size:,} bytes that were published. Tell whoever "
            "publishes it, or take it from another place with --from."
        )
    if received < size:
        raise _PassingError(f"the connection ended after {received:,} of {size:,} bytes")
    return goes_on


def _check_status(response: requests.Response, address: str) -> None:
    status = response.status_code
    if status in _MAY_PASS or status >= requests.codes.server_error:
        raise _PassingError(f"the server answers {status} {response.reason}")
    if status not in (requests.codes.ok, requests.codes.partial):
        raise InputError(
            f"Cannot download {address}: the server answers {status} {response.reason}. Check the "
            "address, or name another place with --from."
        )
