"""`nima-pretrain distill`."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli import options
from nima_pretrain.cli.finetune import print_finetuning
from nima_pretrain.config import DistillConfig
from nima_pretrain.errors import InputError

_TEACHER = re.compile(
    r"(?P<backbone>\w+)(:(?P<width>[\d.]+))?(@(?P<input_size>\d+))?(=(?P<weights>.+))?"
)


def distill(
    context: typer.Context,
    ratings: options.RatingsFile,
    images: options.ImagesFolder,
    run: options.Run,
    teachers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:WIDTH][@SIZE][=WEIGHTS],...",
            help="Classifiers of keras.applications, e.g. MobileNetV2,ResNet50@224=resnet.h5; "
            "weights: imagenet, none or a path.",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos without ratings, for the teacher's terms."),
    ] = None,
    validation_ratings: options.ValidationRatings = None,
    backbone: options.BackboneWeights = "imagenet",
    scale: options.Scale = None,
    config: options.ConfigFile = None,
    set_: options.Overrides = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Cache of features. Default: features beside the run."),
    ] = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
) -> None:
    """Distil object classifiers and human ratings into a small NIMA model.

    A reconstruction from Hou et al. (2022), whose details are not published.
    """
    overrides = [*(set_ or ())]
    if teachers is not None:
        overrides.append(f"teachers={json.dumps([_teacher(text) for text in teachers.split(',')])}")
    resolved = options.config_of(
        DistillConfig, run, resume=resume, overwrite=overwrite, file=config, overrides=overrides
    )
    options.start_tensorflow()
    from nima_pretrain.distillation.distill import distill as run_stage

    results = run_stage(**options.given(context, "set_", "teachers", config=resolved))
    print_finetuning(results, run)


def _teacher(text: str) -> dict[str, Any]:
    """Returns the config of a teacher from NAME[:WIDTH][@SIZE][=WEIGHTS]."""
    found = _TEACHER.fullmatch(text.strip())
    if not found:
        raise InputError(f"Expected a teacher as NAME[:WIDTH][@SIZE][=WEIGHTS], received {text!r}.")
    given = {name: value for name, value in found.groupdict().items() if value is not None}
    return dict(given)
