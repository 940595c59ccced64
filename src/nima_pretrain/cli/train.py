"""`nima-pretrain train`."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli import options
from nima_pretrain.cli.evaluate import print_evaluation
from nima_pretrain.cli.pretrain import print_pretraining
from nima_pretrain.config import TrainConfig


def train(
    context: typer.Context,
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Default: the demo on bundled sample photos."),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option("--ratings", metavar="FILE", help="Ratings for training."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Folder of the rated images."),
    ] = None,
    validation_ratings: options.ValidationRatings = None,
    test_ratings: Annotated[
        Path | None,
        typer.Option("--test-ratings", metavar="FILE", help="Ratings to evaluate on."),
    ] = None,
    scale: options.Scale = None,
    run: options.Run = Path("runs/demo"),
    config: options.ConfigFile = None,
    set_: options.Overrides = None,
    training_list: options.TrainingList = None,
    validation_list: options.ValidationList = None,
    test_list: options.TestList = None,
    base_weights: Annotated[
        str | None,
        typer.Option(
            "--base-weights",
            metavar="imagenet|bundled|none|PATH|NAME",
            help="Initialization of pretraining. Default: imagenet; in the demo, bundled.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
) -> None:
    """Run the full pipeline: pretrain on photos, fine-tune on ratings, evaluate, score the photos.

    Without arguments it runs a small demo: it scores sample photos with the bundled scorer, and
    trains on them with synthetic ratings.
    """
    options.start_tensorflow()
    from nima_pretrain.training.demo import DEMO_CONFIG
    from nima_pretrain.training.pipeline import train as run_pipeline

    is_demo = photos is None
    base = DEMO_CONFIG if is_demo else None
    resolved = options.config_of(
        TrainConfig, run, resume=resume, overwrite=overwrite, file=config, overrides=set_, base=base
    )
    results = run_pipeline(**options.given(context, "set_", config=resolved))
    print_pretraining(results.pretrain)
    print_evaluation(results.evaluation, "synthetic ratings" if is_demo else "human ratings")
    for name in ("results.json", "predictions.csv", "backbone.h5", "nima.h5"):
        print(run / name)
    if is_demo:
        print(
            "The numbers of this training show that the pipeline runs and learns, nothing about "
            "the method: quarters of seven photographs, synthetic ratings."
        )
        print(f"The photographs scored by the bundled scorer, to look at: {run / 'scores.html'}")
