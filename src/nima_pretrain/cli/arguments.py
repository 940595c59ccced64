"""Arguments that typer does not parse: lists after --set, and --explain without a value."""

import os
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from nima_pretrain.weights import BUNDLED, SUFFIXES


def completed(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with one --set per KEY=VALUE, and a value after every --explain."""
    return _explained(_spread_overrides(arguments))


def _explained(arguments: list[str]) -> list[str]:
    """Returns the arguments with the bundled weights for an --explain without FILE or NAME.

    An existing path is a photo or folder to score, unless it is a weights file.
    """
    complete: list[str] = []
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue="-"):
        complete.append(argument)
        if argument == "--explain" and (following.startswith("-") or _is_photo(following)):
            complete.append(BUNDLED)
    return complete


def _is_photo(argument: str) -> bool:
    # Unlike that of `Path`, this `exists` is False for names that are too long.
    return os.path.exists(argument) and Path(argument).suffix not in SUFFIXES  # noqa: PTH110


def _spread_overrides(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with one --set for each of several KEY=VALUE after a --set."""
    spread: list[str] = []
    in_set = False
    for argument in arguments:
        if argument == "--set":
            in_set = True
            spread.append(argument)
        elif in_set and spread[-1] != "--set" and re.match(r"[a-z_.]+=", argument):
            spread += ["--set", argument]
        else:
            # The first value of --set is the option's own, whatever it is.
            in_set = in_set and spread[-1] == "--set"
            spread.append(argument)
    return spread
