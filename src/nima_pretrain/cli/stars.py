"""`nima-pretrain stars`, and the options that predict has in common with it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nima_pretrain.cli.console import say, start_logging
from nima_pretrain.cli.options import given
from nima_pretrain.errors import InputError
from nima_pretrain.library.star_rules import THRESHOLDS, StarRules, rules_of

_MOST_PROBLEMS = 10
PANEL = "Stars"
# The parameters of `rules_of`.
STAR_OPTIONS = ("stars", "rank", "reject", "sidecar", "overwrite_stars")

Thresholds = Annotated[
    str,
    typer.Option(
        "--stars",
        metavar="P1,P2,P3,P4,P5",
        help="Percentiles from which a photo has 1, 2, 3, 4 and 5 stars; below P1 it has 1, too.",
        rich_help_panel=PANEL,
    ),
]
Rank = Annotated[
    bool,
    typer.Option(
        "--rank",
        help="Take percentiles among these photos, not among the training ratings: with the "
        "default thresholds the best 5 % have 5 stars.",
        rich_help_panel=PANEL,
    ),
]
Reject = Annotated[
    bool,
    typer.Option("--reject", help="Reject photos below P1: rating -1.", rich_help_panel=PANEL),
]
SidecarNaming = Annotated[
    str,
    typer.Option(
        "--sidecar",
        metavar="full|stem|both",
        help="full: photo.jpg.xmp (darktable, digiKam, immich); stem: photo.xmp (Adobe).",
        rich_help_panel=PANEL,
    ),
]
OverwriteStars = Annotated[
    bool,
    typer.Option(
        "--overwrite-stars", help="Replace stars that people gave, too.", rich_help_panel=PANEL
    ),
]


def stars(
    context: typer.Context,
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES",
            help="Score file of predict (.csv, .json, .jsonl); a folder, too, with --undo.",
        ),
    ],
    stars: Thresholds = THRESHOLDS,
    rank: Rank = False,
    reject: Reject = False,
    sidecar: SidecarNaming = "full",
    overwrite_stars: OverwriteStars = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Restore the sidecars as they were before.")
    ] = False,
) -> None:
    """Give stars to scored photos, in XMP sidecars that photo programs read."""
    start_logging()
    from nima_pretrain.library.stars import stars as write_stars
    from nima_pretrain.library.undo import undo_stars

    if undo:
        if rules_of(**{name: context.params[name] for name in STAR_OPTIONS}) != StarRules():
            raise InputError(
                "Expected --undo without --stars, --rank, --reject, --sidecar and "
                "--overwrite-stars: every sidecar becomes what it was before."
            )
        undone = undo_stars(scores)
        say(f"{undone.restored} sidecars restored, {undone.removed} removed{_few(undone.problems)}")
        failed = bool(undone.problems)
    else:
        counts = write_stars(**given(context, "undo"))
        say_stars(counts)
        failed = bool(counts.problems)
    if failed:
        raise typer.Exit(1)


def say_stars(counts: Any) -> None:
    """Prints a summary of written stars, `StarCounts`, and the problems."""
    names = {-1: "rejected", 1: "1 star"}
    given = sorted(counts.written.items(), reverse=True)
    numbers = ", ".join(
        f"{names.get(stars, f'{stars} stars')}: {number}" for stars, number in given
    )
    parts = [f"{counts.written.total()} photos got stars" + (f" ({numbers})" if numbers else "")]
    if counts.unchanged:
        parts.append(f"{counts.unchanged} had them already")
    if counts.kept:
        parts.append(f"{counts.kept} keep those of a person")
    if counts.unscored:
        parts.append(f"{counts.unscored} have no score")
    say(", ".join(parts) + _few(counts.problems))


def _few(problems: tuple[str, ...]) -> str:
    """Returns the number of problems, and the first ones on lines of their own."""
    if not problems:
        return ""
    lines = [f", {len(problems)} failed:", *problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"and {len(problems) - _MOST_PROBLEMS} more")
    return "\n  ".join(lines)
