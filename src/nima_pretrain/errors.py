"""The exceptions for errors that a user can correct, and parts of their messages."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST = 120  # characters of a file in a message


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

    def __reduce__(self) -> tuple[type["PhotoError"], tuple[Path, str]]:
        # Exceptions are unpickled with their message alone, as those of other processes.
        return type(self), (self.path, self.reason)


def cannot_write(path: Path, error: OSError, then: str = "") -> InputError:
    """Returns the error of a file that cannot be written; `then` ends its message."""
    return InputError(
        f"Cannot write {path}: {error.strerror or error}. Make room, or choose another place{then}."
    )


def shortened(value: object) -> str:
    """Returns the representation of a value for a message, at most 120 characters."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def reason_of(error: "ValidationError", start: int = 0) -> str:
    """Returns the first problem of a validation in words.

    Args:
        error: the error.
        start: number of parts of the place to leave out.
    """
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"][start:]))[:_LONGEST]
    # A message may quote the value, as the kind of a side-car.
    message = problem["msg"][: 2 * _LONGEST]
    return f"{place}: {message}, received {shortened(problem['input'])}" if place else message
