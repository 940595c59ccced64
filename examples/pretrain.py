"""Pretrains a small backbone on a folder of photographs, and looks at what it has learned.

python examples/pretrain.py PHOTOS runs/pretrain --epochs 3
"""

from pathlib import Path
from typing import Annotated

import typer

import nima_pretrain
from nima_pretrain.config import PretrainConfig


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs without labels.")],
    run: Annotated[Path, typer.Argument(help="The run directory, for all files.")],
    base_weights: Annotated[str, typer.Option(help="imagenet, none or a path.")] = "imagenet",
    epochs: Annotated[int, typer.Option()] = 3,
    input_size: Annotated[int, typer.Option(help="Side of the input, pixels.")] = 96,
) -> None:
    """Ranks distorted versions and regresses their levels; prints the share of pairs in order."""
    config = PretrainConfig(
        width=0.35,
        input_size=input_size,
        tasks="ranking+regression",
        photos_per_batch=2,
        epochs=epochs,
    )
    results = nima_pretrain.pretrain(photos, run, config=config, base_weights=base_weights)
    print(f"best epoch: {results.best_epoch} of {results.epochs}")
    print(f"pairs in order, validation: {results.metrics['val_ordered_pairs']:.3f}")

    (study,) = nima_pretrain.study(run / "pretext.h5", photos, part="validation")
    for aspect in ("technical", "style", "composition"):
        print(f"{aspect}: {study.pairs[f'{aspect}, all']:.3f}")
    print(f"figures: {study.folder}")


if __name__ == "__main__":
    typer.run(main)
