"""Scores photos on a Ray cluster: `python score.py PHOTOS|LIST|URI --output DIR`.

The driver hands out blocks of paths, actors with one scorer each return rows, and the driver alone
writes them. So a killed worker costs its blocks a second try and nothing else.
"""

import argparse
import sys
from pathlib import Path

from cluster import rows_from_cluster
from parts import Parts, write_parquet
from rich.console import Console
from sources import source_of

from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.locks import locked
from nima_pretrain.prediction.formats import Csv
from nima_pretrain.prediction.merging import MergedCounts, merge
from nima_pretrain.prediction.score_row import ScoreRow, shown
from nima_pretrain.progress import counting, show_on
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard


def score(
    photos: str,
    output: Path,
    *,
    weights: str | None = None,
    address: str | None = None,
    cpus_per_actor: int = 1,
    seconds_per_part: float = 60,
) -> MergedCounts:
    """Scores photos on a cluster, and returns counts.

    Writes `scores.csv` and `scores.parquet`, one row per photo ordered by path, as `predict` writes
    them. Photos with a row in `parts` are not scored again.

    Args:
        photos: see `source_of`.
        output: folder of the results.
        weights: see `load_scorer`; a path must exist on all machines.
        address: of the cluster; None for RAY_ADDRESS, or else for this machine alone.
        cpus_per_actor: cores, and so threads, of an actor.
        seconds_per_part: a killed driver loses the rows of so many seconds.

    Raises:
        InputError: photos or weights are missing, earlier rows are by other weights, or workers
            were killed so often that photos have no row.
    """
    card = read_side_car(find_scorer(weights), NimaCard)
    sha256 = card.sha256[:8]
    parts = Parts(output / "parts", Csv(card.score_scale.bins), seconds_per_part)
    source = source_of(photos)
    with locked(output, "--output"):
        done = parts.keep_valid(sha256, source.files is not None)
        missing: list[Path] = []
        for photo in source.photos:
            if isinstance(photo, PhotoError):
                path, error = shown(photo.path), photo.reason
                row = ScoreRow(path, status="error", error=error, weights=sha256)
                parts.append([parts.style.record(row)])
            elif source.prefix + shown(photo) not in done:
                missing.append(photo)
        actor = {
            "weights": weights,
            "sha256": sha256,
            "source": source._replace(photos=[]),
            "threads": cpus_per_actor,
        }
        scored: set[int] = set()
        try:
            with counting("scoring photos", len(missing)) as show:
                for rows in rows_from_cluster(missing, actor, address, cpus_per_actor):
                    new = {number: row for number, row in rows.items() if number not in scored}
                    parts.append(new.values())
                    scored.update(new)
                    show(len(scored))
        finally:
            parts.write()
        if len(scored) < len(missing):
            raise InputError(
                f"{len(missing) - len(scored)} of {len(missing)} photos have no row. Run the same "
                "command again."
            )
        counts = merge(parts.files(), output / "scores.csv", overwrite=True)
        write_parquet(output / "scores.csv", output / "scores.parquet", parts.style)
    return counts


def main() -> None:
    """Runs the command line; wrong input ends with one message on stderr and exit code 2."""
    parser = argparse.ArgumentParser(description="Score photos on a Ray cluster.")
    parser.add_argument(
        "photos", help="folder, photo, list of paths, or an address such as s3://bucket/folder"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--weights", help="a nima.h5 on all machines, or a name of weights")
    parser.add_argument("--address", help="of the cluster; default: RAY_ADDRESS, or this machine")
    parser.add_argument("--cpus-per-actor", type=int, default=1, help="cores of an actor")
    parser.add_argument(
        "--seconds-per-part", type=float, default=60, help="rows are saved so often; default: 60"
    )
    console = Console(stderr=True)
    show_on(console)
    try:
        counts = score(**vars(parser.parse_args()))
    except InputError as error:
        print(f"score.py: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{counts.scored} photos scored, {counts.failed} could not be", file=sys.stderr)


if __name__ == "__main__":
    main()
