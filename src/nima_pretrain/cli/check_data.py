"""`nima-pretrain check-data`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import print_table, start_logging
from nima_pretrain.cli.options import ImagesFolder, RatingsFile, Scale, given


def check_data(
    context: typer.Context,
    ratings: RatingsFile,
    images: ImagesFolder,
    validation_ratings: Annotated[
        Path | None, typer.Option("--validation-ratings", metavar="FILE", help="Checked too.")
    ] = None,
    test_ratings: Annotated[
        Path | None, typer.Option("--test-ratings", metavar="FILE", help="Checked too.")
    ] = None,
    scale: Scale = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="All problems as CSV.")
    ] = None,
) -> None:
    """Check ratings and their images for problems; exit code 1 if there are any."""
    start_logging()
    from nima_pretrain.evaluation.check_data import check_data as check
    from nima_pretrain.files import write_table

    found = check(**given(context, "output"))
    print_check(found)
    if output:
        write_table(output, found.problems)
        print(output)
    if len(found.problems):
        raise typer.Exit(1)


def print_check(check: Any) -> None:
    """Prints the findings of a check, a `DataCheck`."""
    from nima_pretrain.report import number

    rows = [list(map(str, row)) for row in check.counts.itertuples(index=False)]
    print_table(f"Ratings of {check.scale}", ["part", "entries", "usable", "readable images"], rows)
    most = max(check.histogram["photos"].max(), 1)
    rows = [
        [
            f"{row.low:.3g} to {row.high:.3g}",
            str(row.photos),
            "\u2588" * round(40 * row.photos / most),
        ]
        for row in check.histogram.itertuples()
    ]
    print_table("Mean scores", ["score", "photos", ""], rows, left=("score", ""))
    constant = check.constant
    figures = [constant.accuracy, constant.balanced_accuracy, constant.mae]
    emd = number(constant.emd) if check.of_votes else "- (means alone)"
    columns = ["", f"accuracy (above {check.threshold:g})", "balanced accuracy", "MAE", "EMD"]
    print_table("A constant baseline", columns, [["the mean", *map(number, figures), emd]])
    if check.problems.empty:
        print("No problems found.")
        return
    counts = check.problems["problem"].value_counts()
    examples = check.problems.drop_duplicates("problem").set_index("problem")
    rows = [
        [name, str(count), " ".join(filter(None, examples.loc[name, ["place", "image_id"]]))]
        for name, count in counts.items()
    ]
    print_table("Problems", ["problem", "number", "for example"], rows)
