"""Commands that apply: scores for photos, and a look at the distortions."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import say
from nima_pretrain.cli.options import start_tensorflow
from nima_pretrain.errors import InputError


def predict(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos, folders (searched through), quoted patterns; - or nothing: a list on "
            "standard input, one path a line or each ended by a NUL byte.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A nima.h5, side-car beside it, or published weights. Default: the first of "
            "`weights list` that scores photos.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="Where rows go as they come; - is standard output.")
    ] = "-",
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="csv, json, jsonl or idealo. Default: by FILE's name."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out what FILE has already, add the rest.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="At the end, best photos first.")] = False,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At the end, keep the N best.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="A pretext.h5: say which distortions it sees."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with thumbnails, too.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if a file could not be scored.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse files that claim more: they may be bombs.")
    ] = 250_000_000,
    full_size: Annotated[
        bool,
        typer.Option("--full-size", help="Decode large photos in full: exact, and slower."),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Photos that go through the network at once.")
    ] = 32,
) -> None:
    """Score photos: mean, spread and distribution of the ratings they would get."""
    listing = _listing(photos)
    file = None if output == "-" else Path(output)
    _check_output(file, resume, overwrite)
    start_tensorflow()
    from nima_pretrain.data.photos import Photo, read_photo
    from nima_pretrain.networks.photo_model import PhotoModel
    from nima_pretrain.prediction.formats import format_of
    from nima_pretrain.prediction.predict import Job
    from nima_pretrain.prediction.predict import predict as predict_all
    from nima_pretrain.prediction.scorer import Scorer
    from nima_pretrain.progress import show_on
    from nima_pretrain.weights.cache import find_weights, name_of_default
    from nima_pretrain.weights.store import load_model, read_side_car

    if quiet:
        show_on(None)

    weights_file = find_weights(
        weights or name_of_default(),
    )
    side_car = read_side_car(weights_file, "nima")
    style = format_of(format_name, file, side_car.score_scale.bins)
    if not style.keeps_all and (resume or report):
        raise InputError(
            f"--format {style.name} keeps no more than names and means, which is too little for "
            "--resume and --report. Choose csv, json or jsonl."
        )
    explainer = None
    if explain:
        from nima_pretrain.prediction.explaining import load_explainer

        explainer = load_explainer(
            find_weights(
                explain,
            )
        )
    model = PhotoModel(load_model(weights_file), side_car.network)

    def read(path: Path, size: int) -> Photo:
        return read_photo(path, None if full_size else size, max_pixels)

    scorer = Scorer(model, side_car, explainer, batch_size, read)
    job = Job(listing, file, style, resume, sort, top)

    try:
        counts = predict_all(job, scorer, _reporter(report, side_car))
    except KeyboardInterrupt:
        if file and style.keeps_all:
            say(f"Stopped. {file} has the rows so far; --resume goes on.")
        raise
    if not quiet:
        already = f", {counts.there_already} were there already" if counts.there_already else ""
        places = " and ".join(str(place) for place in (file, report) if place)
        written = f": {places}" if places else ""
        say(f"{counts.scored} photos scored, {counts.failed} could not be{already}{written}")
    if strict and counts.failed:
        raise typer.Exit(1)


def _reporter(page: Path | None, side_car: Any) -> Callable[[Any], None] | None:
    """What makes a page of all rows; None if there is to be none."""
    if page is None:
        return None
    from nima_pretrain.prediction.page import write_score_report

    return lambda rows: write_score_report(page, rows, side_car.score_scale)


def _listing(photos: list[str] | None) -> Any:
    from nima_pretrain.data.finding import listing_of, listing_of_lines

    if photos and photos != ["-"]:
        return listing_of(photos)
    if not photos and sys.stdin.isatty():
        raise InputError("Expected photos: files, folders, patterns, or a list on standard input.")
    return listing_of_lines(sys.stdin.buffer.read())


def _check_output(file: Path | None, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise InputError("Expected --resume or --overwrite, received both.")
    if resume and file is None:
        raise InputError("--resume goes on with a file. Expected --output FILE.")
    if file is not None and file.exists() and not (resume or overwrite):
        raise InputError(
            f"{file} is there already. Go on with it with --resume, replace it with --overwrite, "
            "or choose another --output."
        )


def render(
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
    from nima_pretrain.data.photos import load_photo
    from nima_pretrain.distortions import get_bank
    from nima_pretrain.distortions.contact_sheet import contact_sheet
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
