"""The command that distils."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import print_finetuning
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
    ValidationRatings,
    find_backbone,
    load_if_given,
    load_rated,
    start_tensorflow,
)
from nima_pretrain.cli.runs import check_not_both, configs_of, open_run
from nima_pretrain.config import DistillConfig
from nima_pretrain.errors import InputError

_TEACHER = re.compile(
    r"(?P<backbone>\w+)(:(?P<width>[\d.]+))?(@(?P<input_size>\d+))?(=(?P<weights>.+))?"
)


def distill(
    ratings: RatingsFile,
    images: ImagesFolder,
    run: Run,
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
        typer.Option(metavar="DIR", help="Photos without ratings, to learn from the teacher."),
    ] = None,
    validation_ratings: ValidationRatings = None,
    backbone: BackboneWeights = "imagenet",
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of the classifiers' features. Default: beside the run."),
    ] = None,
    scale: Scale = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
) -> None:
    """Learn from human ratings and from what object classifiers know: teach a small NIMA model.

    A reconstruction after Hou et al. (2022), whose details are not published.
    """
    check_not_both(resume, overwrite)
    overrides = [*(set_ or ())]
    if teachers is not None:
        overrides.append(f"teachers={json.dumps([_teacher(text) for text in teachers.split(',')])}")
    before, resolved = configs_of(DistillConfig, run, resume, config, overrides)
    start_tensorflow()
    from nima_pretrain.distillation import distill as stage

    rated = load_rated(ratings, images, scale)
    validation = load_if_given(validation_ratings, images, scale)
    weights = find_backbone(backbone)
    open_run(run, before, resolved, overwrite)
    if resume:
        results = stage.resume(rated, run, resolved, validation, unlabelled)
    else:
        results = stage.distill(rated, run, resolved, validation, weights, unlabelled, cache)
    print_finetuning(results, run)


def _teacher(text: str) -> dict[str, Any]:
    """Reads NAME[:WIDTH][@SIZE][=WEIGHTS]."""
    found = _TEACHER.fullmatch(text.strip())
    if not found:
        raise InputError(f"Expected a teacher as NAME[:WIDTH][@SIZE][=WEIGHTS], received {text!r}.")
    given = {name: value for name, value in found.groupdict().items() if value is not None}
    return {
        name: value if name in ("backbone", "weights") else json.loads(value)
        for name, value in given.items()
    }
