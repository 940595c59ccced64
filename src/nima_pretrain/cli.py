"""The command line: `nima-pretrain <command>`. Thin: it reads arguments and prints results.

TensorFlow is imported inside the commands that need it, so that `--help` answers at once.
"""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nima_pretrain import __version__
from nima_pretrain.console import (
    console,
    print_evaluation,
    print_finetuning,
    print_pretraining,
    print_study,
    start_logging,
    track,
)
from nima_pretrain.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teaches a network what makes a photograph pleasing, and scores photographs with it.",
)

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
        metavar="imagenet|none|PATH",
        help="What fine-tuning starts from: a backbone.h5, Keras' ImageNet weights, or nothing.",
    ),
]
RatingsFile = Annotated[
    Path, typer.Option("--ratings", metavar="FILE", help="Human ratings, idealo's JSON.")
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


@app.command(name="train")
def train_command(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos; left out, the demo runs on embedded ones."),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option("--ratings", metavar="FILE", help="Ratings to learn from, idealo's JSON."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="Folder of the rated images."),
    ] = None,
    validation_ratings: Annotated[
        Path | None,
        typer.Option("--validation-ratings", metavar="FILE", help="Left out: some held out."),
    ] = None,
    test_ratings: Annotated[
        Path | None,
        typer.Option("--test-ratings", metavar="FILE", help="Ratings to evaluate on."),
    ] = None,
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
) -> None:
    """The whole road: pretrain on photos, fine-tune on ratings, evaluate, score the photos.

    Without arguments it runs a small demo on photographs that installed packages carry, with
    synthetic ratings.
    """
    from nima_pretrain.config import TrainConfig, load_config

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
    lists = _split_files(training_list, validation_list, test_list)
    start_logging()
    _import_tensorflow()
    from nima_pretrain.data.rating_files import load_ratings
    from nima_pretrain.training.road import DEMO_CONFIG, RoadInputs, demo_inputs, train
    from nima_pretrain.training.run import create_run

    resolved = load_config(TrainConfig, config, set_ or (), DEMO_CONFIG if is_demo else None)
    if is_demo:
        create_run(run, resolved, overwrite)
        inputs = demo_inputs(run, resolved)
    else:
        assert photos and ratings and images and test_ratings
        inputs = RoadInputs(
            photos,
            load_ratings(ratings, images),
            load_ratings(validation_ratings, images) if validation_ratings else None,
            load_ratings(test_ratings, images),
            lists,
        )
        create_run(run, resolved, overwrite)
    start = base_weights or ("none" if is_demo else "imagenet")
    results = train(inputs, run, resolved, start, console())
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


@app.command(name="pretrain")
def pretrain_command(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, searched recursively.")],
    run: Run,
    config: ConfigFile = None,
    set_: Overrides = None,
    base_weights: BaseWeights = "imagenet",
    training_list: TrainingList = None,
    validation_list: ValidationList = None,
    test_list: TestList = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with a run that was stopped; its weights and lists stay."
        ),
    ] = False,
) -> None:
    """Learn from photos without labels: rank distorted versions, name or measure the distortion."""
    from nima_pretrain.config import PretrainConfig, load_config

    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")
    before = load_config(PretrainConfig, run / "config.json") if resume else None
    resolved = load_config(PretrainConfig, config, set_ or (), before)
    lists = _split_files(training_list, validation_list, test_list)
    start_logging()
    _import_tensorflow()
    from nima_pretrain.training import pretrain
    from nima_pretrain.training.run import check_same_run, create_run

    if before:
        check_same_run(run, before, resolved)
        results = pretrain.resume(photos, run, resolved, console())
    else:
        create_run(run, resolved, overwrite)
        results = pretrain.pretrain(photos, run, resolved, base_weights, lists, console())
    print_pretraining(results)
    for name in ("results.json", "log.csv", "pretext.h5", "backbone.h5"):
        print(run / name)


@app.command(name="finetune")
def finetune_command(
    ratings: RatingsFile,
    images: ImagesFolder,
    run: Run,
    validation_ratings: Annotated[
        Path | None,
        typer.Option("--validation-ratings", metavar="FILE", help="Left out: some held out."),
    ] = None,
    backbone: BackboneWeights = "imagenet",
    config: ConfigFile = None,
    set_: Overrides = None,
    overwrite: Overwrite = False,
) -> None:
    """Learn from human ratings: train a NIMA model, the head first, then everything."""
    from nima_pretrain.config import FinetuneConfig, load_config

    resolved = load_config(FinetuneConfig, config, set_ or ())
    start_logging()
    _import_tensorflow()
    from nima_pretrain.data.rating_files import load_ratings
    from nima_pretrain.training.finetune import finetune
    from nima_pretrain.training.run import create_run

    rated = load_ratings(ratings, images)
    validation = load_ratings(validation_ratings, images) if validation_ratings else None
    create_run(run, resolved, overwrite)
    results = finetune(rated, run, resolved, validation, backbone, console())
    print_finetuning(results)
    for name in ("results.json", "log.csv", "nima.h5"):
        print(run / name)


@app.command(name="evaluate")
def evaluate_command(
    weights: Annotated[Path, typer.Argument(help="A nima.h5, with its side-car beside it.")],
    ratings: RatingsFile,
    images: ImagesFolder,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The results as JSON.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="One row a photo as CSV."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Mean above which a photo is good. Default: 5 on 1..10, else midway."),
    ] = None,
) -> None:
    """Compare a model's scores with human ratings."""
    start_logging()
    _import_tensorflow()
    from nima_pretrain.data.rating_files import load_ratings
    from nima_pretrain.evaluation import evaluate
    from nima_pretrain.files import replacing, write_json
    from nima_pretrain.networks.weights import load_model, read_side_car

    side_car = read_side_car(weights, "nima")
    rated = load_ratings(ratings, images)
    evaluation = evaluate(load_model(weights), side_car, rated, threshold)
    if output:
        write_json(output, evaluation.results)
    if predictions:
        with replacing(predictions) as partial:
            evaluation.table.to_csv(partial, index=False)
    print_evaluation(evaluation.results, ratings.name)


@app.command(name="predict")
def predict_command(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    weights: Annotated[
        Path, typer.Option("--weights", metavar="FILE", help="A nima.h5, side-car beside it.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="CSV; left out, standard output."),
    ] = None,
) -> None:
    """Score photos: mean, spread and distribution of the ratings they would get."""
    start_logging()
    from nima_pretrain.data.photos import find_photos
    from nima_pretrain.files import replacing

    paths = [path for root in photos for path in find_photos(root)]
    _import_tensorflow()
    from nima_pretrain.networks.weights import load_model, read_side_car
    from nima_pretrain.scoring import predictions_table, score_photos

    side_car = read_side_car(weights, "nima")
    scores = track(
        score_photos(load_model(weights), side_car.network, paths), len(paths), "scoring"
    )
    table = predictions_table(scores, side_car.score_scale)
    if output is None:
        print(table.to_csv(index=False), end="")
        return
    with replacing(output) as partial:
        table.to_csv(partial, index=False)
    failed = int((table["status"] == "error").sum())
    print(f"{len(table) - failed} photos scored, {failed} could not be read: {output}")


@app.command(name="study")
def study_command(
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
    start_logging()
    _import_tensorflow()
    from nima_pretrain.study.study import study

    for file in files:
        results = study(file, photos, part, bank, console=console())
        print_study(results, file.name)
        print(results["folder"])
        print(results["report"])


@app.command(name="render")
def render_command(
    photo: Annotated[Path, typer.Argument(help="One photo.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where views go.")],
    bank: Annotated[str, typer.Option(help="paper or repaired.")] = "paper",
    size: Annotated[int, typer.Option(min=32, help="Side of a view, pixels.")] = 224,
    fit: Annotated[str, typer.Option(help="letterbox or squash.")] = "letterbox",
    seed: Annotated[int, typer.Option(min=0, help="Of the random distortions.")] = 0,
) -> None:
    """Write all distorted views of a photo, and one contact sheet of them."""
    from PIL import Image

    from nima_pretrain.config import PretrainConfig, load_config
    from nima_pretrain.contact_sheet import contact_sheet
    from nima_pretrain.data.photos import load_photo
    from nima_pretrain.distortions import get_bank
    from nima_pretrain.files import replacing

    config = load_config(PretrainConfig, overrides=[f"bank={bank}", f"fit={fit}"])
    views_bank = get_bank(config.bank)
    views = views_bank.render(load_photo(photo), size, seed, config.fit)
    for name, view in zip(views_bank.view_names, views, strict=True):
        with replacing(output / f"{name}.png") as partial:
            Image.fromarray(view).save(partial)
    with replacing(output / "contact_sheet.png") as partial:
        contact_sheet(views, views_bank).save(partial)
    print(f"{len(views)} views and {output / 'contact_sheet.png'}")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"nima-pretrain {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; wrong input ends with one message on stderr and exit code 2."""
    try:
        app(args=_spread_overrides(sys.argv[1:]), prog_name="nima-pretrain")
    except InputError as error:
        print(f"nima-pretrain: {error}", file=sys.stderr)
        sys.exit(2)


def _spread_overrides(arguments: list[str]) -> list[str]:
    """Lets one --set take several KEY=VALUE: each gets a --set of its own."""
    spread: list[str] = []
    in_set = False
    for argument in arguments:
        if argument == "--set":
            in_set = True
        elif in_set and re.match(r"[a-z_.]+=", argument):
            spread += ["--set", argument]
        else:
            in_set = False
            spread.append(argument)
    return spread


def _split_files(training: Path | None, validation: Path | None, test: Path | None) -> Any:
    from nima_pretrain.data.split import SplitFiles

    if training is None and validation is None and test is None:
        return None
    if training is None or validation is None:
        raise InputError("Expected --training-list and --validation-list together.")
    return SplitFiles(training, validation, test)


def _import_tensorflow() -> None:
    from nima_pretrain.startup import import_tensorflow

    import_tensorflow()
