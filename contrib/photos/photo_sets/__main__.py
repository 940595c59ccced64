"""The command line: `python -m photo_sets list|download|check`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import print_table, say, start_logging
from nima_pretrain.errors import InputError
from photo_sets import checking, downloading, lists

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Download, check and split a set of photos from its list.",
)


class Size(StrEnum):
    """Values of --size."""

    original = "original"
    large = "large"


List = Annotated[Path, typer.Argument(metavar="LIST", help="List of the command `list`.")]
Output = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the shards.")]
Smallest = Annotated[int, typer.Option(min=1, help="Least short side of a photo, pixels.")]


@app.command(name="list")
def make_list(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="JSON of pexels' or Unsplash's API, CSV with a column url, or addresses.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="LIST", help="The list, CSV.")],
    size: Annotated[
        Size, typer.Option(help="Files as uploaded, or of about a thousand pixels.")
    ] = Size.original,
    license: Annotated[
        str | None, typer.Option(help="Licence of photos whose source does not state one.")
    ] = None,
) -> None:
    """Make a list of photos with addresses, photographers and licences."""
    found = [photo for file in sources for photo in lists.read_source(file, size.value, license)]
    photos = lists.without_repetitions(found)
    lists.write_list(output, photos)
    say(f"{len(photos)} photos, {len(found) - len(photos)} repetitions left out: {output}")


@app.command()
def download(
    list_file: List,
    output: Output,
    environment: Annotated[
        Path, typer.Option(metavar="DIR", help="Virtual environment with img2dataset.")
    ] = downloading.ENVIRONMENT,
    smallest: Smallest = checking.SMALLEST,
    photos_per_shard: Annotated[int, typer.Option(min=1, help="Photos in a shard.")] = 1000,
    processes: Annotated[int, typer.Option(min=1, help="Shards at the same time.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Downloads of a shard at once.")] = 32,
    timeout_seconds: Annotated[int, typer.Option(min=1, help="Of one download.")] = 30,
    retries: Annotated[int, typer.Option(min=0, help="Attempts after the first.")] = 2,
) -> None:
    """Download a list with img2dataset, then check and split it. Finished shards are kept."""
    photos = lists.read_list(list_file)
    downloading.download(
        photos,
        output,
        environment=environment,
        photos_per_shard=photos_per_shard,
        processes=processes,
        threads=threads,
        timeout_seconds=timeout_seconds,
        retries=retries,
    )
    _check(photos, output, smallest)


@app.command()
def check(list_file: List, output: Output, smallest: Smallest = checking.SMALLEST) -> None:
    """Check and split a downloaded list again."""
    _check(lists.read_list(list_file), output, smallest)


def _check(photos: list[lists.ListedPhoto], folder: Path, smallest: int) -> None:
    start_logging()
    counts = checking.check(photos, folder, smallest=smallest)
    rows = [[status, str(count)] for status, count in counts.items()]
    print_table(f"{len(photos)} photos", ["status", "photos"], rows)
    for name in ("photos.csv", "training.txt", "validation.txt", "test.txt"):
        print(folder / name)


def main() -> None:
    """Runs the command line; wrong input ends with one message on stderr and exit code 2."""
    try:
        app(prog_name="python -m photo_sets")
    except InputError as error:
        print(f"photo_sets: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
