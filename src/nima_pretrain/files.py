"""Files: read with clear errors; written so that a reader finds the old or the new, never half."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nima_pretrain.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it over `path` when all went well.

    The suffix is kept, since writers choose the format by it. After an error the old file is as
    it was.

    Raises:
        InputError: the file system takes no more, or not there.
    """
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def read_text(path: Path, name: str) -> str:
    """Returns what a text file in UTF-8 holds, without a byte order mark.

    Raises:
        InputError: the file cannot be read or is no such text; `name` says what it should have
            been.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read the {name} {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"The {name} {path} is not text in UTF-8. Save it as UTF-8, or name another file."
        ) from None


def parse_json(text: str, path: Path, name: str) -> Any:
    """Returns what the text of a JSON file says.

    Raises:
        InputError: it is not JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"The {name} {path} is not JSON: {error}.") from None


def read_json(path: Path, name: str) -> Any:
    """Returns what a JSON file holds, with or without a byte order mark.

    Raises:
        InputError: the file cannot be read or is not JSON; `name` says what it should have been.
    """
    return parse_json(read_text(path, name), path, name)


def write_json(path: Path, content: Any) -> None:
    """Writes content as indented JSON; NaN is refused, since JSON has none."""
    with replacing(path) as partial:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")
