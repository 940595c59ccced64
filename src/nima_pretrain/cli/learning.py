"""Commands that train: the whole road, its stages, and a grid of them."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import (
    print_evaluation,
    print_finetuning,
    print_pretraining,
    print_results,
)
from nima_pretrain.cli.options import (
    BackboneWeights,
    BaseWeights,
    ConfigFile,
    ImagesFolder,
    Overrides,
    Overwrite,
    RatingsFile,
    Resume,
    Run,
    Scale,
    TestList,
    TrainingList,
    ValidationList,
    ValidationRatings,
    find_backbone,
    listed_in,
    load_if_given,
    load_rated,
    split_files,
    start_tensorflow,
)
from nima_pretrain.cli.runs import check_not_both, configs_of, open_run
from nima_pretrain.config import (
    PRETEXT_CONFIGS,
    AnyPretextConfig,
    FinetuneConfig,
    ReproduceConfig,
    TrainConfig,
    load_config,
)
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json


def train(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos; left out, the demo runs on embedded ones."),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option("--ratings", metavar="FILE", help="Ratings to learn from."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Folder of the rated images."),
    ] = None,
    validation_ratings: ValidationRatings = None,
    test_ratings: Annotated[
        Path | None,
        typer.Option("--test-ratings", metavar="FILE", help="Ratings to evaluate on."),
    ] = None,
    scale: Scale = None,
    run: Run = Path("runs/demo"),
    base_weights: Annotated[
        str | None,
        typer.Option(
            "--base-weights",
            metavar="imagenet|none|PATH",
            help="What pretraining starts from. Default: imagenet; the demo: none.",
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    training_list: TrainingList = None,
    validation_list: ValidationList = None,
    test_list: TestList = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
) -> None:
    """The whole road: pretrain on photos, fine-tune on ratings, evaluate, score the photos.

    Without arguments it runs a small demo on photographs that installed packages carry, with
    synthetic ratings.
    """
    is_demo = photos is None
    given = {"--ratings": ratings, "--images": images, "--test-ratings": test_ratings}
    missing = [option for option, value in given.items() if value is None]
    if is_demo and len(missing) < len(given):
        raise InputError("Expected a folder of PHOTOS beside the ratings, received none.")
    if not is_demo and missing:
        raise InputError(
            f"Expected {', '.join(missing)} beside the photos: the whole road ends in fine-tuning "
            "and evaluation on human ratings. To pretrain alone, use `nima-pretrain pretrain`."
        )
    check_not_both(resume, overwrite)
    lists = split_files(training_list, validation_list, test_list)
    start_tensorflow()
    from nima_pretrain.training import pipeline as road

    base = road.DEMO_CONFIG if is_demo else None
    before, resolved = configs_of(TrainConfig, run, resume, config, set_ or (), base)
    if is_demo:
        open_run(run, before, resolved, overwrite)
        inputs = road.demo_inputs(run, resolved)
    else:
        assert photos and ratings and images and test_ratings
        inputs = road.RoadInputs(
            photos,
            load_rated(ratings, images, scale),
            load_if_given(validation_ratings, images, scale),
            load_rated(test_ratings, images, scale),
            lists,
        )
        open_run(run, before, resolved, overwrite)
    start = base_weights or ("none" if is_demo else "imagenet")
    results = road.train(inputs, run, resolved, start)
    kind = "synthetic ratings" if is_demo else "human ratings"
    print_pretraining(results["pretrain"])
    print_evaluation(results["evaluation"], kind)
    for name in ("results.json", "predictions.csv", "backbone.h5", "nima.h5"):
        print(run / name)
    if is_demo:
        print(
            "These numbers prove the road, not the method: quarters of seven photographs, "
            "synthetic ratings."
        )


def pretrain(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, searched recursively.")],
    run: Run,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(PRETEXT_CONFIGS),
            help="Rank (and name, or measure) distortions; name rotations; find the other view. "
            "Default: distortions, or that of the run that is resumed.",
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
    """Learn from photos without labels: rank distorted versions, name or measure the distortion.

    RotNet and SimCLR are there to compare with.
    """
    check_not_both(resume, overwrite)
    kind = _pretext_config(task, run, resume)
    before, resolved = configs_of(kind, run, resume, config, set_ or ())
    lists = split_files(training_list, validation_list, test_list)
    start_tensorflow()
    from nima_pretrain.training import pretrain as stage

    open_run(run, before, resolved, overwrite)
    if resume:
        results = stage.resume(photos, run, resolved)
    else:
        results = stage.pretrain(photos, run, resolved, base_weights, lists)
    print_pretraining(results)
    for name in ("results.json", "log.csv", "pretext.h5", "backbone.h5"):
        print(run / name)


def finetune(
    ratings: RatingsFile,
    images: ImagesFolder,
    run: Run,
    validation_ratings: ValidationRatings = None,
    backbone: BackboneWeights = "imagenet",
    scale: Scale = None,
    share: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="Learn from a fixed part of the training ratings."),
    ] = None,
    training_list: TrainingList = None,
    validation_list: ValidationList = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
) -> None:
    """Learn from human ratings: train a NIMA model, the head first, then everything."""
    check_not_both(resume, overwrite)
    overrides = [*(set_ or ()), *([f"share={share}"] if share is not None else [])]
    before, resolved = configs_of(FinetuneConfig, run, resume, config, overrides)
    if validation_list and validation_ratings:
        raise InputError("Expected --validation-list or --validation-ratings, received both.")
    start_tensorflow()
    from nima_pretrain.training import finetune as stage

    rated = load_rated(ratings, images, scale)
    validation = load_if_given(validation_ratings, images, scale)
    if validation_list:
        validation = listed_in(rated, validation_list)
    rated = listed_in(rated, training_list)
    weights = find_backbone(backbone)
    open_run(run, before, resolved, overwrite)
    if resume:
        results = stage.resume(rated, run, resolved, validation)
    else:
        results = stage.finetune(rated, run, resolved, validation, weights)
    print_finetuning(results, run)


def reproduce(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="JSON: data, starts, shares.")],
    run: Run,
    set_: Overrides = None,
) -> None:
    """Train and compare a grid of starts, shares and seeds, as in the paper's Table 2.

    What is finished stays: stop it, extend the config, run it again.
    """
    resolved = load_config(ReproduceConfig, config, set_ or ())
    start_tensorflow()
    from nima_pretrain.reproduction.finished import Grid
    from nima_pretrain.reproduction.grid import folds_of, load, run_grid
    from nima_pretrain.reproduction.results import write_results
    from nima_pretrain.training.run_directory import enter_run

    ratings = load(resolved.data)
    folds = folds_of(resolved, ratings)
    enter_run(run, resolved)
    run_grid(run, resolved, folds)
    results = write_results(Grid(run, resolved, ratings, folds))
    print_results(results, resolved.baseline)
    for name in ("results.json", "results.md", "report.html"):
        print(run / name)


def _pretext_config(task: str | None, run: Path, resume: bool) -> type[AnyPretextConfig]:
    if resume and (run / "config.json").is_file():
        of_run = read_json(run / "config.json", "config").get("task", "distortions")
        if task not in (None, of_run):
            raise InputError(f"The run {run} was begun with --task {of_run}, received {task}.")
        task = of_run
    task = task or "distortions"
    if task not in PRETEXT_CONFIGS:
        raise InputError(f"Expected --task {', '.join(PRETEXT_CONFIGS)}, received {task!r}.")
    return PRETEXT_CONFIGS[task]
