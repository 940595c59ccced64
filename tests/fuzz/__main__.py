"""Fuzzing from the command line: `python -m tests.fuzz --inputs 100000`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.child import content_of
from tests.fuzz.running import fuzz
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzzes every target with a share of the inputs; exit code 1 if something is found."""
    names = [kind.name for kind in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="files of ratings to read")
    parser.add_argument("--others", type=int, default=20_000, help="files of each other kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=names, help="one kind of files alone")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="print an input of --only")
    given = parser.parse_args()
    if given.show is not None:
        (kind,) = (kind for kind in TARGETS if kind.name == given.only)
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.buffer.write(content_of(kind(Path(folder)), given.seed, given.show))
        return
    found = 0
    for name in [given.only] if given.only else names:
        started = time.monotonic()
        is_ratings = name == names[0]
        report = fuzz(name, given.inputs if is_ratings else given.others, given.seed)
        seconds = time.monotonic() - started
        print(
            f"{name}: {report.inputs:,} inputs in {seconds:.0f} s, {report.taken:,} taken, "
            f"{report.refused:,} refused, {len(report.findings)} findings",
            flush=True,
        )
        for finding in report.findings:
            times = f", {finding.times} times" if finding.times > 1 else ""
            print(f"  {finding.place}{times}; first input {finding.number}: {finding.problem}")
        found += len(report.findings)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
