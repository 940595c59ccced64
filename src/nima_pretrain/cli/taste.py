"""`nima-pretrain taste`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nima_pretrain.cli.console import print_table, say
from nima_pretrain.cli.options import given, start_tensorflow

if TYPE_CHECKING:
    from nima_pretrain.library.taste import TasteResults


def taste(
    context: typer.Context,
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Photos, some with stars in XMP sidecars or in the files."
        ),
    ],
    run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="Folder for the nima.h5 of your taste.")
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="The general model, whose last layer is adapted. Default: the scorer of "
            "`predict`.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the nima.h5 in DIR by a better one.")
    ] = False,
) -> None:
    """Learn your own taste from the stars that you gave to photos.

    A scorer is written only if cross-validation shows that it orders your photos better than the
    general model; else the exit code is 1.
    """
    start_tensorflow()
    from nima_pretrain.library.taste import taste as learn_taste

    results = learn_taste(**given(context))
    print_taste(results)
    if results.weights is None:
        say(
            "Your model is not written: it is not certain to order your photos better than the "
            "general model. Rate more photos, or keep the general model."
        )
        raise typer.Exit(1)
    print(results.weights)


def print_taste(results: "TasteResults") -> None:
    """Prints the comparison of a person's model with the general one."""
    from nima_pretrain.library.taste_check import INTERVAL

    check = results.check
    alike = results.photos - results.distinct
    title = f"Your taste, by cross-validation on {results.photos} photos with stars" + (
        f", {alike} of which look like others" if alike else ""
    )
    columns = ["", "general model", "your model", f"gain, {INTERVAL} % interval"]
    rows = [
        [
            label,
            f"{gain.general:.3f}",
            f"{gain.personal:.3f}",
            f"{gain.gain:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]",
        ]
        for label, gain in (
            ("pairs in your order", check.pairs),
            ("mean error, stars", check.errors),
        )
    ]
    print_table(title, columns, rows)
