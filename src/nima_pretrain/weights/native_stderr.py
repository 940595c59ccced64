"""Filtering of what libraries written in C++ print: they bypass Python's stderr."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_lines(*noise: bytes) -> Iterator[None]:
    """Holds the process's stderr back, and forwards it at the end without some lines.

    Args:
        noise: parts of the lines to leave out; an empty one leaves out all.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
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
