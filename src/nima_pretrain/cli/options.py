"""Arguments that several commands share, and what is made of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.errors import InputError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="JSON with any of the config's keys."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE ...", help="Single values of the config."),
]
Run = Annotated[Path, typer.Option("--run", metavar="DIR", help="Where everything is written.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Delete an earlier run at the same place.")
]
BaseWeights = Annotated[
    str,
    typer.Option(
        "--base-weights",
        metavar="imagenet|none|PATH",
        help="What pretraining starts from: Keras' ImageNet weights, nothing, or a .h5 file.",
    ),
]
BackboneWeights = Annotated[
    str,
    typer.Option(
        "--backbone",
        metavar="imagenet|none|PATH|NAME",
        help="What fine-tuning starts from: a backbone.h5, published weights of a backbone, Keras' "
        "ImageNet weights, or nothing.",
    ),
]
RatingsFile = Annotated[
    Path,
    typer.Option("--ratings", metavar="FILE", help="AVA.txt, TID2013's MOS, idealo's JSON, CSV."),
]
ValidationRatings = Annotated[
    Path | None,
    typer.Option("--validation-ratings", metavar="FILE", help="Left out: some held out."),
]
ImagesFolder = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="Folder of the rated images.")
]
TrainingList = Annotated[
    Path | None,
    typer.Option(
        "--training-list", metavar="FILE", help="Names of the training photos, one a line."
    ),
]
ValidationList = Annotated[
    Path | None,
    typer.Option("--validation-list", metavar="FILE", help="The same for validation."),
]
TestList = Annotated[
    Path | None, typer.Option("--test-list", metavar="FILE", help="The same for testing.")
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="LOW:HIGH[:BINS]", help="Of the scores, where the ratings do not say it."),
]
Name = Annotated[
    str | None, typer.Option(help="What the evaluation is called. Default: as the ratings file.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with a run that was stopped, with the same arguments."),
]


def split_files(training: Path | None, validation: Path | None, test: Path | None) -> Any:
    """Returns what fixes the split of photos; None without lists."""
    from nima_pretrain.data.split import SplitFiles

    if training is None and validation is None and test is None:
        return None
    if training is None or validation is None:
        raise InputError("Expected --training-list and --validation-list together.")
    return SplitFiles(training, validation, test)


def load_rated(file: Path, images: Path, scale: str | None = None) -> Any:
    """Returns the ratings of a file and a folder."""
    from nima_pretrain.data.rating_files import load_ratings
    from nima_pretrain.data.ratings import parse_scale

    return load_ratings(file, images, parse_scale(scale) if scale else None)


def load_if_given(file: Path | None, images: Path, scale: str | None = None) -> Any:
    """Returns the ratings of a file and a folder; None without a file."""
    return load_rated(file, images, scale) if file else None


def find_backbone(weights: str) -> str:
    """Returns imagenet and none as they are, of anything else the path of the file."""
    from nima_pretrain.weights.cache import find_weights

    if weights in ("imagenet", "none"):
        return weights
    return str(
        find_weights(
            weights,
        )
    )


def listed_in(ratings: Any, file: Path | None) -> Any:
    """Returns the ratings of the photos that a file list names; all of them without a list."""
    from nima_pretrain.data.ratings import listed
    from nima_pretrain.data.split import read_file_list

    return listed(ratings, read_file_list(file), file) if file else ratings


def start_tensorflow() -> None:
    """Lets log lines reach the user and imports TensorFlow, without its noise."""
    from nima_pretrain.cli.console import start_logging
    from nima_pretrain.cli.startup import import_tensorflow

    start_logging()
    import_tensorflow()
