"""The exceptions for errors that a user can correct."""

from pathlib import Path


class InputError(Exception):
    """Invalid input: a file, option or config.

    The message states the expected and the received input, and the remedy. The command line prints
    it on stderr and ends with exit code 2.
    """


class PhotoError(InputError):
    """An error for a file that cannot be decoded.

    Attributes:
        path: the file.
        reason: the cause, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
