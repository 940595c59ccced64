"""`nima-pretrain finetune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import (
    BackboneWeights,
    ConfigFile,
    ImagesFolder,
    Overrides,
    Overwrite,
    RatingsFile,
    Resume,
    Run,
    Scale,
    TrainingList,
    ValidationList,
    ValidationRatings,
    config_of,
    given,
    start_tensorflow,
)
from nima_pretrain.config import FinetuneConfig

if TYPE_CHECKING:
    from nima_pretrain.training.results import FinetuneResults


def finetune(
    context: typer.Context,
    ratings: RatingsFile,
    images: ImagesFolder,
    run: Run,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Good photographs without ratings: then the model also learns that distorted "
            "copies of a photo are worse.",
        ),
    ] = None,
    validation_ratings: ValidationRatings = None,
    backbone: BackboneWeights = "imagenet",
    training_list: TrainingList = None,
    validation_list: ValidationList = None,
    scale: Scale = None,
    share: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="Fraction of the training ratings to use."),
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
) -> None:
    """Train a NIMA model on human ratings: first the head, then the full network.

    With --photos, a third stage teaches it to score distorted copies of photos lower.
    """
    overrides = [*(set_ or ()), *([f"share={share}"] if share is not None else [])]
    resolved = config_of(
        FinetuneConfig, run, resume=resume, overwrite=overwrite, file=config, overrides=overrides
    )
    start_tensorflow()
    from nima_pretrain.training.finetune import finetune as run_stage

    results = run_stage(**given(context, "set_", "share", config=resolved))
    print_finetuning(results, run)


def print_finetuning(results: "FinetuneResults", run: Path) -> None:
    """Prints the results of fine-tuning or distillation, and the paths of its files."""
    from nima_pretrain.report import number

    columns = ["epochs", "of these head alone", "best epoch", "validation EMD"]
    counts = [str(n) for n in (results.epochs, results.head_epochs, results.best_epoch)]
    print_table("Fine-tuning", columns, [[*counts, number(results.metrics["val_loss"])]])
    if results.ordered:
        columns = ["pairs in order, training", "validation EMD"]
        row = [number(results.ordered[name]) for name in ("ordered_pairs", "val_loss")]
        print_table("Ordering stage", columns, [row])
    for name in ("results.json", "log.csv", "nima.h5"):
        print(run / name)
