"""`nima-pretrain render`."""

from pathlib import Path
from typing import Annotated

import typer


def render(
    photo: Annotated[Path, typer.Argument(help="One photo.")],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder for views.")],
    bank: Annotated[str, typer.Option(help="paper or repaired.")] = "paper",
    size: Annotated[int, typer.Option(min=32, help="Side of a view, pixels.")] = 224,
    fit: Annotated[str, typer.Option(help="letterbox or squash.")] = "letterbox",
    seed: Annotated[int, typer.Option(min=0, help="Seed of random distortions.")] = 0,
) -> None:
    """Write all distorted views of a photo, and a contact sheet."""
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
