"""Options shared by several commands, and helpers for configs and arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.config import AnyConfig, load_config
from nima_pretrain.errors import InputError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="JSON file with any keys of the config."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE ...", help="Override single values of the config."),
]
Run = Annotated[Path, typer.Option("--run", metavar="DIR", help="The run directory, for outputs.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Delete an existing run in the same folder.")
]
BaseWeights = Annotated[
    str,
    typer.Option(
        "--base-weights",
        metavar="imagenet|bundled|none|PATH|NAME",
        help="Initialization: Keras' ImageNet weights, downloaded or bundled, random weights, a "
        ".h5 file, or the name of published weights.",
    ),
]
BackboneWeights = Annotated[
    str,
    typer.Option(
        "--backbone",
        metavar="imagenet|bundled|none|PATH|NAME",
        help="Initialization of the backbone: Keras' ImageNet weights, the bundled backbone, "
        "random weights, a backbone.h5, or the name of published weights.",
    ),
]
RatingsFile = Annotated[
    Path,
    typer.Option("--ratings", metavar="FILE", help="AVA.txt, TID2013's MOS, idealo's JSON, CSV."),
]
ValidationRatings = Annotated[
    Path | None,
    typer.Option("--validation-ratings", metavar="FILE", help="Default: a held-out fraction."),
]
ImagesFolder = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="Folder of the rated images.")
]
TrainingList = Annotated[
    Path | None,
    typer.Option(
        "--training-list", metavar="FILE", help="File list of training photos, one per line."
    ),
]
ValidationList = Annotated[
    Path | None,
    typer.Option("--validation-list", metavar="FILE", help="File list of validation photos."),
]
TestList = Annotated[
    Path | None, typer.Option("--test-list", metavar="FILE", help="File list of test photos.")
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="LOW:HIGH[:BINS]", help="Score scale, if the ratings do not state it."),
]
EngineChoice = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="litert|tensorflow",
        help="Default: litert, which starts and scores faster, where the weights have a .tflite "
        "file.",
    ),
]
WithMirrored = Annotated[
    bool,
    typer.Option(
        "--with-mirrored",
        help="Scores are means over a photo and its mirror image, for twice the computation.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(help="Name of the evaluation. Default: by ratings file, part and mirror images."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Resume a stopped run, with the same arguments."),
]


def config_of(
    kind: type[AnyConfig],
    run: Path,
    *,
    resume: bool,
    overwrite: bool,
    file: Path | None,
    overrides: Sequence[str] | None,
    base: AnyConfig | None = None,
) -> AnyConfig:
    """Returns the requested config; the values of a resumed run replace the defaults.

    Args:
        kind: class of the config.
        run: the run directory.
        resume: whether the run is resumed.
        overwrite: whether an existing run is to be deleted.
        file: value of `--config`.
        overrides: values of `--set`.
        base: replaces the defaults of a new run.

    Raises:
        InputError: see `load_config`.
    """
    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")
    before = load_config(kind, run / "config.json") if resume else base
    return load_config(kind, file, overrides or (), before)


def given(context: typer.Context, *others: str, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of a command as keywords of the public function that it calls.

    Options and keywords have the same names, so a command need not repeat them.

    Args:
        context: context of the command.
        others: names of parameters to leave out, which only the command uses.
        changes: keywords to add or replace.
    """
    kept = {name: value for name, value in context.params.items() if name not in others}
    return {**kept, **changes}


def start_engines(engine: str | None, *models: Path) -> None:
    """Imports TensorFlow, without its messages, if it is the engine of one of the models."""
    from nima_pretrain.cli.startup import import_tensorflow
    from nima_pretrain.prediction.engines import engine_for
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import Card

    engines = {engine_for(model, read_side_car(model, Card), engine) for model in models}
    if "tensorflow" in engines:
        import_tensorflow()


def start_tensorflow() -> None:
    """Starts logging and imports TensorFlow without its start-up messages."""
    from nima_pretrain.cli.console import start_logging
    from nima_pretrain.cli.startup import import_tensorflow

    start_logging()
    import_tensorflow()
