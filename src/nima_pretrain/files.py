"""Reading of files with clear errors, and atomic writing."""

import glob
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nima_pretrain.errors import InputError, cannot_write, shortened

if TYPE_CHECKING:
    import pandas as pd  # not at the start: scoring begins without it

# Of JSON, beyond any side-car, list of weights or config: a server or a person may send anything.
MOST_BYTES = 32 * 2**20

# The names of temporary files of `replacing`.
ORPHAN = re.compile(r"\..+\.partial-\d+(\.\w+)?")


@contextmanager
def replacing(path: Path, like: Path | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which is renamed to `path` on success.

    The suffix is kept, since writers choose the format by it. After an error the old file is
    unchanged. The folder is created.

    Args:
        path: the file.
        like: the path that the temporary one is named after, instead of `path`. Then temporary
            files of dead processes are left to `remove_orphans`, which searches the folder: too
            slow for each of many files in one folder.

    Raises:
        InputError: the file cannot be written.
    """
    partial = _partial_beside(like or path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not like:
            remove_orphans(path)
        partial.unlink(missing_ok=True)  # a link there would be written through
        yield partial
        partial.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Writes a table as CSV; names of photos may have bytes that are not UTF-8.

    Raises:
        InputError: see `replacing`.
    """
    with replacing(path) as partial:
        table.to_csv(partial, index=False, errors="surrogateescape")


@contextmanager
def replacing_folder(path: Path, mark: str, overwrite: bool = False) -> Iterator[Path]:
    """Yields a new temporary folder beside `path`, which is renamed to `path` on success.

    After an error it is removed, and what was at `path` is unchanged.

    Args:
        path: the folder; its parents are created.
        mark: a file by which folders that may be replaced are recognized.
        overwrite: whether such a folder is replaced.

    Raises:
        InputError: there is something at `path` that is not to be replaced, or the folder cannot be
            written.
    """
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise InputError(f"{path} exists. Choose another folder, or pass --overwrite.")
        if not (path / mark).is_file():
            raise InputError(
                f"--overwrite replaces folders with a {mark}, but {path} has none. Remove it "
                "yourself, or choose another folder."
            )
    partial = _partial_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_orphans(path)
        partial.mkdir()
        yield partial
        if path.exists():
            # Two folders cannot be exchanged in one step everywhere: the old one is moved away.
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as away:
                old = Path(away) / path.name
                try:
                    path.rename(old)
                    partial.rename(path)
                finally:
                    if not path.exists():
                        old.rename(path)
        else:
            partial.rename(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_orphans(path: Path) -> None:
    """Removes temporary files of `replacing` whose process has died while it wrote.

    Args:
        path: the file, or the path that the temporary files were named after.
    """
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for orphan in path.parent.glob(f".{stem}.partial-*{suffix}"):
        process = orphan.name.removesuffix(path.suffix).rpartition("-")[2]
        if not process.isdecimal() or not _is_dead(int(process)):
            continue
        if orphan.is_dir():
            shutil.rmtree(orphan, ignore_errors=True)
        else:
            orphan.unlink(missing_ok=True)


def _partial_beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")


def _is_dead(process: int) -> bool:
    if os.name != "posix":  # on Windows `os.kill` would end it
        return False
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def read_text(path: Path, name: str, most_bytes: int = MOST_BYTES) -> str:
    """Returns the content of a UTF-8 text file, without a byte order mark.

    Args:
        path: the file.
        name: the kind of file, for errors.
        most_bytes: a longer file is refused.

    Raises:
        InputError: the file cannot be read, is too long or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for a pipe or a device
            check_length(size, most_bytes, str(path), name)
            content = file.read() if size else file.read(most_bytes + 1)
        check_length(len(content), most_bytes, str(path), name)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read the {name} {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"The {name} {path} is not text in UTF-8. Save it as UTF-8, or name another file."
        ) from None


def check_length(received: int, most_bytes: int, origin: str, name: str) -> None:
    """Checks the length of a file or download.

    Args:
        received: its bytes so far.
        most_bytes: the largest number allowed.
        origin: the file or URL, for the error.
        name: the kind of file, for the error.

    Raises:
        InputError: it is too long.
    """
    if received > most_bytes:
        raise InputError(
            f"The {name} {origin} is longer than the {most_bytes:,} bytes that such a file may "
            "have. Name another one."
        )


def parse_json(text: str, path: Path | str, name: str) -> Any:
    """Returns the value of the text of a JSON file.

    Names that stand twice in an object are refused, and NaN and infinity, which Python's parser
    takes though JSON has neither.

    Args:
        text: content of the file.
        path: the file or URL, for errors.
        name: the kind of file, for errors.

    Raises:
        InputError: the text is not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise InputError(f"The {name} {path} is nested too deeply to be read.") from None
    except ValueError as error:
        raise InputError(f"The {name} {path} is not JSON: {error}.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shortened(twice)} stands twice in one object")
    return known


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def read_json(path: Path, name: str) -> Any:
    """Returns the value of a JSON file, with or without a byte order mark.

    Args:
        path: the file.
        name: the kind of file, for errors.

    Raises:
        InputError: the file cannot be read or is not JSON.
    """
    return parse_json(read_text(path, name), path, name)


def write_json(path: Path, content: Any) -> None:
    """Writes content as indented JSON, atomically.

    Raises:
        InputError: the file cannot be written.
        ValueError: the content has a NaN or infinity, which JSON cannot express.
    """
    with replacing(path) as partial:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        # Names with bytes that are not UTF-8 become JSON's escapes, which read back equal.
        partial.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
