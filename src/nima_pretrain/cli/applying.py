"""Commands that apply: scores for photos, and a look at the distortions."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.options import start_tensorflow
from nima_pretrain.console import track


def predict(
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
    from nima_pretrain.data.finding import find_photos
    from nima_pretrain.files import replacing

    paths = [path for root in photos for path in find_photos(root)]
    start_tensorflow()
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
