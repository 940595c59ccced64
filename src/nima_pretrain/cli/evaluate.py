"""`nima-pretrain evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nima_pretrain.cli.console import print_table, start_logging
from nima_pretrain.cli.options import (
    EngineChoice,
    ImagesFolder,
    Name,
    RatingsFile,
    Scale,
    TestList,
    WithMirrored,
    given,
    start_engines,
)

if TYPE_CHECKING:
    from nima_pretrain.evaluation.results import EvaluationResults


def evaluate(
    context: typer.Context,
    weights: Annotated[
        str,
        typer.Argument(help="A nima.h5 with its side-car, or the name of published weights."),
    ],
    ratings: RatingsFile,
    images: ImagesFolder,
    scale: Scale = None,
    part: Annotated[
        Literal["all", "training", "validation", "test"] | None,
        typer.Option(help="Part of ratings with a split. Default: test, else all."),
    ] = None,
    test_list: TestList = None,
    name: Name = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Also write results as JSON.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="Also write one row per photo as CSV."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Mean above which a photo is good. Default: 5 on 1..10, else midway."),
    ] = None,
    engine: EngineChoice = None,
    with_mirrored: WithMirrored = False,
) -> None:
    """Compare a model's scores with human ratings."""
    start_logging()
    from nima_pretrain.weights.finding import find_scorer

    start_engines(engine, find_scorer(weights))
    from nima_pretrain.evaluation.evaluate import evaluate as compare_with_ratings

    found = compare_with_ratings(**given(context))
    print_evaluation(found.results, found.name)
    print(found.folder)


def print_evaluation(results: "EvaluationResults", ratings: str) -> None:
    """Prints the results of an evaluation, one row per metric."""
    from nima_pretrain.evaluation.comparison import LABELS
    from nima_pretrain.report import number

    labels = {"model": "model", "mapped": "mapped to the scale", "constant": "constant baseline"}
    columns = ["", *(labels[variant] for variant in results.variants)]
    rows = [
        [
            label,
            *(
                number(metrics[name], results.interval(variant, name))
                for variant, metrics in results.variants.items()
            ),
        ]
        for name, label in LABELS.items()
    ]
    title = f"Evaluation on {results.images} images, {ratings}; 95 % intervals"
    print_table(title, columns, rows)
    if results.categories:
        shown = ("lcc", "srcc", "mae", "emd")
        rows = [
            [category, str(found["photos"]), *(number(found[name]) for name in shown)]
            for category, found in results.categories.items()
        ]
        print_table("By category", ["category", "photos", *(LABELS[name] for name in shown)], rows)
