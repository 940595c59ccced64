"""Programs of others that read and write ratings; tests skip where one is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def output_of(*command: str | Path) -> str:
    """Returns what a program prints on standard output, and fails if it fails or complains."""
    done = run(*command)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode(errors="replace")


def run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end; skips the test if it is not installed."""
    if not shutil.which(str(command[0])):
        pytest.skip(f"needs the program {command[0]}")
    return subprocess.run([os.fspath(part) for part in command], capture_output=True, check=False)


def exiv2_properties(path: Path) -> dict[str, str]:
    """Returns the XMP properties that exiv2 reads, by key."""
    lines = output_of("exiv2", "-PXkt", path).splitlines()
    return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines)}


def exiftool_tags(path: Path) -> list[str]:
    """Returns the XMP tags that exiftool reads, one a line, in alphabetical order."""
    return sorted(output_of("exiftool", "-G1", "-a", "-s", "-XMP:all", path).splitlines())


def exiftool_rating(path: Path) -> str:
    """Returns the rating that exiftool reads; "" for none."""
    return output_of("exiftool", "-s3", "-XMP-xmp:Rating", path).strip()
