"""Downloads by img2dataset, which runs in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing
from nima_pretrain.locks import locked
from photo_sets import outcomes
from photo_sets.lists import ListedPhoto

ENVIRONMENT = Path(__file__).parents[1] / ".venv"

# Neither ends in .json: img2dataset takes such files in its folder for those of shards.
_ADDRESSES = "addresses.jsonl"
_OUTCOMES = "outcomes.jsonl"

# A server that sends X-Robots-Tag with one of these does not want its photos in a training set.
_UNWANTED = ["noai", "noimageai", "noindex", "noimageindex"]
_IS_UNWANTED = "Use of image disallowed by X-Robots-Tag directive"


class Outcome(NamedTuple):
    """The outcome of a download.

    Attributes:
        name: the photo in the folder, e.g. "00000.tar/000000012.jpg"; "" if there is none.
        refused: whether the server refuses the use of the photo by X-Robots-Tag.
        error: reason for a missing photo.
    """

    name: str = ""
    refused: bool = False
    error: str = ""


def download(
    photos: Sequence[ListedPhoto],
    folder: Path,
    *,
    environment: Path = ENVIRONMENT,
    photos_per_shard: int = 1000,
    processes: int = 1,
    threads: int = 32,
    timeout_seconds: int = 30,
    retries: int = 2,
) -> None:
    """Downloads photos into webdataset shards; finished shards of an earlier run are kept.

    Files are stored as they come, since img2dataset's resizing loses the EXIF orientation.

    Args:
        photos: the list.
        folder: folder of the shards, which is created.
        environment: virtual environment with img2dataset.
        photos_per_shard: photos in a shard.
        processes: shards that are downloaded at the same time.
        threads: downloads of a shard at the same time.
        timeout_seconds: of one download.
        retries: attempts after the first.

    Raises:
        InputError: img2dataset is missing or fails, or the folder holds another list.
    """
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    if not (programs / "img2dataset").is_file():
        raise InputError(
            f"Expected img2dataset in {environment}. Install contrib/photos/requirements.txt into "
            "an environment of its own, and name it by --environment."
        )
    with locked(folder, "--output"):
        addresses = folder / _ADDRESSES
        _write_addresses(addresses, photos)
        options = {
            "url_list": addresses,
            "input_format": "jsonl",
            "output_folder": folder,
            "output_format": "webdataset",
            "disable_all_reencoding": True,
            "disallowed_header_directives": json.dumps(_UNWANTED),
            "user_agent_token": "nima-pretrain",
            "extract_exif": False,
            "number_sample_per_shard": photos_per_shard,
            "processes_count": processes,
            "thread_count": threads,
            "timeout": timeout_seconds,
            "retries": retries,
        }
        # The other environment has its own packages. Albumentations, which img2dataset imports,
        # asks a registry for newer versions.
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables["NO_ALBUMENTATIONS_UPDATE"] = "1"
        done = subprocess.run(
            [programs / "img2dataset", *(f"--{name}={value}" for name, value in options.items())],
            stdout=sys.stderr,
            env=variables,
            check=False,
        )
        if done.returncode:
            raise InputError(f"img2dataset ended with exit code {done.returncode}; see above.")
        told = subprocess.run(
            [programs / "python", outcomes.__file__, folder],
            capture_output=True,
            env=variables,
            check=False,
        )
        if told.returncode:
            raise InputError(
                f"Cannot read img2dataset's tables in {folder}: {told.stderr.decode().strip()}"
            )
        with replacing(folder / _OUTCOMES) as partial:
            partial.write_bytes(told.stdout)
    # It ends with 0 even if shards failed.
    missing = len(photos) - len(read_outcomes(folder))
    if missing > 0:
        raise InputError(
            f"img2dataset has not finished the shards of {missing} of {len(photos)} photos; see "
            "above. The same command goes on with them."
        )


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """Returns the outcome of every download by its address.

    Raises:
        InputError: the folder holds no download.
    """
    try:
        lines = (folder / _OUTCOMES).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"Expected a folder of the command `download`, received {folder}: {error.strerror}."
        ) from None
    return {row["url"]: _outcome_of(row) for row in map(json.loads, lines)}


def _outcome_of(row: dict[str, str]) -> Outcome:
    if row["status"] == "success":
        return Outcome(f"{row['shard']}.tar/{row['key']}.jpg")
    error = row["error_message"] or row["status"]
    return Outcome(refused=error == _IS_UNWANTED, error=error)


def _write_addresses(file: Path, photos: Sequence[ListedPhoto]) -> None:
    content = "".join(json.dumps({"url": photo.url}) + "\n" for photo in photos)
    if file.exists() and file.read_text() != content:
        raise InputError(
            f"{file.parent} holds the download of another list. Choose another --output."
        )
    with replacing(file) as partial:
        partial.write_text(content)
