"""File lists: one photo a line, for the parts of a split."""

import re
from collections import Counter
from itertools import chain
from pathlib import Path, PurePath
from typing import NamedTuple

from nima_pretrain.errors import InputError, shortened
from nima_pretrain.files import read_text

MOST_BYTES = 2**30  # ImageNet's list has 40 MB


class SplitFiles(NamedTuple):
    """File lists of the parts, one path relative to the photo folder per line."""

    training: Path
    validation: Path
    test: Path | None = None

    def read(self, root: Path) -> tuple[tuple[str, ...], ...]:
        """Returns the names of training, validation and test, relative to a folder.

        Raises:
            InputError: a file cannot be read or is empty, or a photo is listed twice or is not
                below the folder.
        """
        groups = tuple(
            tuple(_name_below(root, line) for line in read_file_list(file)) if file else ()
            for file in self
        )
        repeated = [name for name, times in Counter(chain(*groups)).items() if times > 1]
        if repeated:
            raise InputError(
                f"{len(repeated)} photos stand more than once in the file lists, e.g. "
                f"{shortened(repeated[0])}. Keep each in one list."
            )
        return groups


def lists_of(
    training: Path | str | None, validation: Path | str | None, test: Path | str | None = None
) -> SplitFiles | None:
    """Returns the file lists of a fixed split; None without any.

    Raises:
        InputError: one of training and validation is missing.
    """
    if training is None and validation is None and test is None:
        return None
    if training is None or validation is None:
        raise InputError("Expected --training-list and --validation-list together.")
    return SplitFiles(Path(training), Path(validation), Path(test) if test else None)


def read_file_list(file: Path) -> list[str]:
    """Returns the lines of a file list, one relative path per line.

    Raises:
        InputError: the file cannot be read or is empty.
    """
    # Not by `splitlines`, which also splits at characters that names may have.
    lines = re.split(r"\r\n?|\n", read_text(file, "file list", MOST_BYTES))
    names = [line for line in lines if line.strip()]
    if not names:
        raise InputError(f"Expected one photo a line in {file}, but it is empty.")
    return names


def _name_below(root: Path, line: str) -> str:
    """Returns the name of a listed photo as `list_photos` has it: `./a//b.jpg` is `a/b.jpg`."""
    name = PurePath(line)
    if name.is_absolute():
        try:
            name = name.relative_to(root.absolute())
        except ValueError:
            raise InputError(
                f"Expected photos below {root} in a file list, received {shortened(line)}."
            ) from None
    return name.as_posix()
