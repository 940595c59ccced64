"""`nima-pretrain study`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import WithMirrored, given, start_tensorflow

if TYPE_CHECKING:
    from nima_pretrain.evaluation.study_report import StudyResults


def study(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's folder, a pretext.h5 or nima.h5, or the name of published weights.",
        ),
    ],
    photos: Annotated[Path, typer.Option("--photos", metavar="DIR", help="Folder of photos.")],
    part: Annotated[
        Literal["held-out", "validation", "test"],
        typer.Option(help="Part of the photos, by the run's photos.csv and ratings.csv."),
    ] = "held-out",
    bank: Annotated[
        Literal["paper", "repaired"], typer.Option(help="Bank of the views for a nima.h5.")
    ] = "paper",
    with_mirrored: WithMirrored = False,
) -> None:
    """Study a model's outputs on distorted views of held-out photos."""
    start_tensorflow()
    from nima_pretrain.evaluation.study import study as study_models

    for results in study_models(**given(context)):
        print_study(results)
        print(results.folder)
        print(results.report)


def print_study(results: "StudyResults") -> None:
    """Prints the shares of pairs in the right order, and the stability of the score."""
    from nima_pretrain.report import number

    kinds = ("all", "reference", "inner")
    rows = [
        [name, *(number(results.pairs[f"{name}, {kind}"]) for kind in kinds)]
        for name in ("all", "technical", "style", "composition")
    ]
    title = f"Pairs in order by {results.folder.name}, {results.photos} photos"
    print_table(title, ["", "all pairs", "with the original", "of two levels"], rows)
    moves = [[name, number(mean)] for name, mean in results.moves.items()]
    print_table("Mean change of the score under imperceptible changes", ["change", "points"], moves)
    blanks = [[name, number(percentile)] for name, percentile in results.blanks.items()]
    print_table("Pictures without content", ["picture", "percentile"], blanks)
