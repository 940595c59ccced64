"""Commands that judge: the data before training, and models after it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from nima_pretrain.cli.console import (
    print_check,
    print_evaluation,
    print_results,
    print_study,
    start_logging,
)
from nima_pretrain.cli.options import (
    ImagesFolder,
    Name,
    RatingsFile,
    Scale,
    TestList,
    listed_in,
    load_rated,
    start_tensorflow,
)
from nima_pretrain.errors import InputError


def check_data(
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
    """Find what is wrong with ratings and their images; exit code 1 if there is something."""
    start_logging()
    from nima_pretrain.data.ratings import parse_scale
    from nima_pretrain.evaluation.check_data import check_data as check
    from nima_pretrain.files import replacing

    given = {"training": ratings, "validation": validation_ratings, "test": test_ratings}
    files = {part: file for part, file in given.items() if file}
    found = check(files, images, parse_scale(scale) if scale else None)
    print_check(found)
    if output:
        with replacing(output) as partial:
            found.problems.to_csv(partial, index=False)
        print(output)
    if len(found.problems):
        raise typer.Exit(1)


def evaluate(
    weights: Annotated[Path, typer.Argument(help="A nima.h5, with its side-car beside it.")],
    ratings: RatingsFile,
    images: ImagesFolder,
    scale: Scale = None,
    part: Annotated[
        Literal["all", "training", "validation", "test"] | None,
        typer.Option(help="Of ratings with a split. Default: test."),
    ] = None,
    test_list: TestList = None,
    name: Name = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The results as JSON, too.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="One row a photo as CSV, too."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Mean above which a photo is good. Default: 5 on 1..10, else midway."),
    ] = None,
) -> None:
    """Compare a model's scores with human ratings."""
    if part and test_list:
        raise InputError("Expected --part or --test-list, received both.")
    start_tensorflow()
    from nima_pretrain.evaluation import evaluate as evaluation
    from nima_pretrain.files import replacing, write_json
    from nima_pretrain.weights.store import load_model, read_side_car

    side_car = read_side_car(weights, "nima")
    rated = listed_in(load_rated(ratings, images, scale), test_list)
    if part is None and "test" in rated.parts:
        part = "test"
    if part and part != "all":
        if part not in rated.parts:
            raise InputError(f"Expected photos for {part} in {ratings}, but its split has none.")
        rated = rated.part(part)
    model = load_model(weights)
    found = evaluation.evaluate(
        model,
        side_car,
        rated,
        threshold,
    )
    label = name or "-".join([ratings.stem, *([part] if part else [])])
    folder = evaluation.write_evaluation(found, weights.parent, label)
    if output:
        write_json(output, found.results)
    if predictions:
        with replacing(predictions) as partial:
            found.table.to_csv(partial, index=False)
    print_evaluation(found.results, label)
    print(folder)


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="[NAME=]RUN...", help="Runs that were evaluated.")
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where tables and figures go.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the others are tested against.")
    ] = None,
    evaluation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which ratings, if there are several.")
    ] = None,
    probe: Annotated[
        bool, typer.Option(help="Compare with ridge regression on frozen features, too.")
    ] = True,
) -> None:
    """Compare runs on the same ratings: intervals of the differences, tests, a ridge probe."""
    named: dict[str, Path] = {}
    for run in runs:
        name, equals, path = run.partition("=")
        name, folder = (name, Path(path)) if equals else (Path(run).name, Path(run))
        if not folder.is_dir():
            raise InputError(f"Expected the folder of a run, but {folder} does not exist.")
        if name in named:
            raise InputError(f"Two runs are called {name!r}. Name them: {name}-2={folder}.")
        named[name] = folder
    start_tensorflow()
    from nima_pretrain.reproduction.runs import compare_runs

    results = compare_runs(named, output, baseline, evaluation, probe)
    print_results(results, results["baseline"])
    for file in ("results.md", "report.html", "results.json"):
        print(output / file)


def study(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run's folder, or a pretext.h5 or nima.h5 in one."),
    ],
    photos: Annotated[Path, typer.Option("--photos", metavar="DIR", help="Folder of photos.")],
    part: Annotated[
        Literal["held-out", "validation", "test"],
        typer.Option(help="Which photos, as the run's photos.csv says."),
    ] = "held-out",
    bank: Annotated[
        Literal["paper", "repaired"], typer.Option(help="The views that a nima.h5 is shown.")
    ] = "paper",
) -> None:
    """Show what a model has learned: how its outputs answer to distortions of new photos."""
    known = [model / name for name in ("pretext.h5", "nima.h5")] if model.is_dir() else [model]
    files = [file for file in known if file.is_file()]
    if not files:
        raise InputError(f"Expected a pretext.h5 or nima.h5 in {model}, found neither.")
    start_tensorflow()
    from nima_pretrain.evaluation.study import study as study_model

    for file in files:
        results = study_model(
            file,
            photos,
            part,
            bank,
        )
        print_study(results, file.name)
        print(results["folder"])
        print(results["report"])


def doctor(
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME", help="A nima.h5: does it score as it did where it was made?"
        ),
    ] = None,
) -> None:
    """Say what is installed, and check that weights give the scores that they should."""
    start_tensorflow()
    from nima_pretrain.cli.console import print_installation, print_reference_scores
    from nima_pretrain.cli.doctor import describe_installation

    print_installation(describe_installation())
    if weights is None:
        return
    from nima_pretrain.networks.photo_model import PhotoModel
    from nima_pretrain.prediction.reference_scores import compare_reference_scores
    from nima_pretrain.weights.cache import find_weights
    from nima_pretrain.weights.store import load_model, read_side_car

    file = find_weights(
        weights,
    )
    side_car = read_side_car(file, "nima")
    model = PhotoModel(load_model(file), side_car.network)
    comparisons = compare_reference_scores(model, side_car)
    print_reference_scores(comparisons, weights)
    if any(comparison.agrees is False for comparison in comparisons):
        raise typer.Exit(1)
