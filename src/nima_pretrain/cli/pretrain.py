"""`nima-pretrain pretrain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import (
    BaseWeights,
    ConfigFile,
    Overrides,
    Overwrite,
    Resume,
    Run,
    TestList,
    TrainingList,
    ValidationList,
    config_of,
    given,
    start_tensorflow,
)
from nima_pretrain.config import METHOD_CONFIGS, PretextConfig, method_named_in
from nima_pretrain.errors import InputError

if TYPE_CHECKING:
    from nima_pretrain.training.results import PretrainResults


def pretrain(
    context: typer.Context,
    photos: Annotated[Path, typer.Argument(help="Folder of photos, searched recursively.")],
    run: Run,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "--task",
            metavar="|".join(METHOD_CONFIGS),
            help="The pretext method. Default: distortions, or that of a resumed run.",
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    base_weights: BaseWeights = "imagenet",
    training_list: TrainingList = None,
    validation_list: ValidationList = None,
    test_list: TestList = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
) -> None:
    """Pretrain on photos without labels: rank distorted views, classify or regress distortions."""
    kind = _config_class(method, run, resume)
    resolved = config_of(kind, run, resume=resume, overwrite=overwrite, file=config, overrides=set_)
    start_tensorflow()
    from nima_pretrain.training.pretrain import pretrain as run_stage

    results = run_stage(**given(context, "set_", config=resolved))
    print_pretraining(results)
    for name in ("results.json", "log.csv", "pretext.h5", "backbone.h5"):
        print(run / name)


def print_pretraining(results: "PretrainResults") -> None:
    """Prints the results of pretraining."""
    from nima_pretrain.pretext.methods import METHODS
    from nima_pretrain.report import number

    metric, label = METHODS[results.method or "distortions"].progress
    test = results.test or {}
    rows = [
        [part, str(results.photos[part]), number(loss), number(figure)]
        for part, loss, figure in (
            ("validation", results.metrics.get("val_loss"), results.metrics.get(f"val_{metric}")),
            ("test", test.get("loss"), test.get(metric)),
        )
    ]
    title = f"Pretraining, epoch {results.best_epoch} of {results.epochs}"
    print_table(title, ["photos", "number", "loss", label], rows)


def _config_class(method: str | None, run: Path, resume: bool) -> type[PretextConfig]:
    if resume and (run / "config.json").is_file():
        of_run = method_named_in(run / "config.json")
        if method not in (None, of_run):
            raise InputError(f"The run {run} was begun with --method {of_run}, received {method}.")
        method = of_run
    method = method or "distortions"
    if method not in METHOD_CONFIGS:
        raise InputError(f"Expected --method {', '.join(METHOD_CONFIGS)}, received {method!r}.")
    return METHOD_CONFIGS[method]
