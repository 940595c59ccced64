"""`nima-pretrain predict`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import be_quiet, say, start_logging
from nima_pretrain.cli.options import EngineChoice, WithMirrored, given, start_engines
from nima_pretrain.cli.stars import (
    PANEL,
    STAR_OPTIONS,
    OverwriteStars,
    Rank,
    Reject,
    SidecarNaming,
    Thresholds,
    say_stars,
)
from nima_pretrain.errors import InputError
from nima_pretrain.library.star_rules import THRESHOLDS


def predict(
    context: typer.Context,
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            help="Photos, folders (searched recursively) and quoted patterns; - or nothing: a list "
            "on standard input, one path per line or NUL-terminated paths.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A nima.h5 with its side-car, or the name of published weights. Default: the "
            "scorer that comes with the package, or the first one at NIMA_PRETRAIN_WEIGHTS.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="File of the rows; - is standard output.")
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="csv, json, jsonl or idealo. Default: by FILE's suffix."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep FILE; score missing, failed, changed photos.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Score the K-th of N shards of the photos only, on one of N machines; see merge.",
        ),
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort rows by score at the end.")] = False,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N best rows at the end.")
    ] = None,
    group: Annotated[
        bool,
        typer.Option(
            "--group",
            help="Add columns group and best_of_group: bursts and near-duplicates, by the time in "
            "the EXIF data and by appearance. --top then keeps the best of each group only.",
        ),
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="[FILE|NAME]",
            help="Explain scores by distortions, by a pretext.h5. Default: the bundled one.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write an HTML page with thumbnails.")
    ] = None,
    engine: EngineChoice = None,
    with_mirrored: WithMirrored = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Folders without photos are no error.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit code 1 if a file could not be scored or given stars."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger files, which may be decompression bombs.")
    ] = 250_000_000,
    full_size: Annotated[
        bool,
        typer.Option("--full-size", help="Decode large photos at full size: exact, but slower."),
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Photos per batch of the network.")] = 32,
    xmp: Annotated[
        bool,
        typer.Option(
            "--xmp",
            help="Also write stars into XMP sidecars; `nima-pretrain stars --undo` undoes it.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    stars: Thresholds = THRESHOLDS,
    rank: Rank = False,
    reject: Reject = False,
    sidecar: SidecarNaming = "full",
    overwrite_stars: OverwriteStars = False,
) -> None:
    """Score photos: mean, standard deviation and distribution of the predicted ratings."""
    from nima_pretrain.prediction.files import check_output
    from nima_pretrain.weights.finding import find_explainer, find_scorer

    listing = _listing(photos)
    file = None if output == "-" else Path(output)
    # Reports wrong arguments before an engine is started.
    check_output(file, resume=resume, overwrite=overwrite)
    start_logging()
    if quiet:
        be_quiet()
    models = {"weights": find_scorer(weights)}
    rules = _rules(context, models["weights"])
    if explain is not None:
        models["explain"] = find_explainer(explain)
    start_engines(engine, *models.values())
    from nima_pretrain.prediction.predict import predict as score_photos

    arguments = given(
        context, "quiet", "strict", "xmp", *STAR_OPTIONS, photos=listing, output=file, **models
    )
    written_stars: list[Any] = []
    if rules:
        from nima_pretrain.library.stars import give_stars

        arguments["on_rows"] = lambda rows: written_stars.append(give_stars(rows, rules))
    try:
        counts = score_photos(**arguments)
    except KeyboardInterrupt:
        if file and format != "idealo":
            say(f"Stopped. {file} has the rows so far; --resume goes on.")
        raise
    if not quiet:
        already = f", {counts.there_already} were there already" if counts.there_already else ""
        places = " and ".join(str(place) for place in (file, report) if place)
        written = f": {places}" if places else ""
        say(f"{counts.scored} photos scored, {counts.failed} could not be{already}{written}")
    without_stars = sum(len(counted.problems) for counted in written_stars)
    if without_stars or not quiet:
        for counted in written_stars:
            say_stars(counted)
    if explain is not None and counts.there_already and not quiet:
        say("Rows that were there already keep their explanation, or have none.")
    if strict and (counts.failed or without_stars):
        raise typer.Exit(1)


def _rules(context: typer.Context, scorer: Path) -> Any:
    """Returns the rules for stars, if they are to be written; checks that they can be."""
    from nima_pretrain.library.star_rules import StarRules, rules_of
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard

    rules = rules_of(**{name: context.params[name] for name in STAR_OPTIONS})
    if not context.params["xmp"]:
        if rules != StarRules():
            raise InputError(
                "Expected --xmp beside --stars, --rank, --reject, --sidecar and --overwrite-stars: "
                "they say how stars are written."
            )
        return None
    if not rules.rank and not read_side_car(scorer, NimaCard).training_scores:
        raise InputError(
            f"Expected weights with the percentiles of their training ratings for --xmp, which "
            f"{scorer} do not have. Rank the photos with --rank."
        )
    return rules


def _listing(photos: list[str] | None) -> Any:
    from nima_pretrain.data.finding import listing_of, listing_of_lines

    if photos and photos != ["-"]:
        return listing_of(photos)
    if sys.stdin is None or (not photos and sys.stdin.isatty()):
        raise InputError("Expected photos: files, folders, patterns, or a list on standard input.")
    return listing_of_lines(sys.stdin.buffer.read())
