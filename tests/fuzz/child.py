"""The process that reads mutated files of one target; a crash of a library ends it, and no other.

Arguments: target, folder, seed, first and last number. Input N depends on target, seed and N alone.
The file `at` has the number of the input that is being read and the numbers of those taken and
refused before; findings are lines of JSON on stdout.
"""

import json
import os
import random
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

from nima_pretrain.errors import InputError
from tests.fuzz.targets import TARGETS, Target

# Of one input, beyond which the alarm ends the process.
_SECONDS = 20
# Beyond what the process has after its start; sizes that files claim must not be believed.
_BYTES = 2 * 2**30
_LONGEST_MESSAGE = 1000


def content_of(target: Target, seed: int, number: int) -> bytes:
    """Returns an input."""
    return target.content(random.Random(f"{seed} {target.name} {number}"))


def main() -> None:
    """Reads the inputs from `first` to `last`, and prints findings."""
    name, folder, seed, first, last = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    inside = folder / name
    inside.mkdir(exist_ok=True)
    (kind,) = (kind for kind in TARGETS if kind.name == name)
    target = kind(inside)
    warnings.simplefilter("error")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _BYTES, resource.RLIM_INFINITY))
    at = os.open(folder / "at", os.O_WRONLY | os.O_CREAT)
    taken = refused = 0
    for number in range(first, last):
        content = content_of(target, seed, number)
        os.pwrite(at, b"%-12d %-12d %-12d" % (number, taken, refused), 0)
        signal.alarm(_SECONDS)
        try:
            target.read(content)
            taken += 1
        except InputError as error:
            refused += 1
            if len(str(error)) > _LONGEST_MESSAGE:
                _report(number, "a long message", f"{str(error)[:200]} ..")
        except Exception as error:  # anything but InputError is what is looked for
            _report(number, _place_of(error), f"{type(error).__name__}: {error}")
    signal.alarm(0)
    os.pwrite(at, b"%-12d %-12d %-12d" % (last, taken, refused), 0)


def _report(number: int, place: str, problem: str) -> None:
    print(json.dumps({"number": number, "place": place, "problem": problem[:300]}), flush=True)


def _place_of(error: Exception) -> str:
    """Returns the kind of an error, and the last line of this project that it passed."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "nima_pretrain" in frame.filename or "fuzz" in frame.filename
    ]
    last = frames[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"


if __name__ == "__main__":
    main()
