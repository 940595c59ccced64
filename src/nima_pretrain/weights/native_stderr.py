"""Filtering of what libraries written in C++ print: they bypass Python's stderr."""

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# There is one stderr: two threads that exchanged it at once would leave it in a deleted file.
_STDERR = threading.RLock()


@contextmanager
def without_lines(*noise: bytes) -> Iterator[None]:
    """Holds the process's stderr back, and forwards it at the end without some lines.

    Args:
        noise: parts of the lines to leave out; an empty one leaves out all.
    """
    with _STDERR, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            caught.seek(0)
            for line in caught:
                if not any(part in line for part in noise):
                    os.write(stderr, line)
            os.close(stderr)


@contextmanager
def quietly() -> Iterator[None]:
    """Hides what converters of models print: statistics. What fails, they raise."""
    handlers = logging.root.handlers[:]
    try:
        with without_lines(b""):
            yield
    finally:
        logging.root.handlers[:] = handlers  # some add one, which would repeat every line
