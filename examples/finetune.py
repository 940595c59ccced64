"""Fine-tunes a NIMA model on human ratings, evaluates it, and scores one photograph.

python examples/finetune.py ratings.json photos runs/finetune --backbone runs/pretrain/backbone.h5
"""

from pathlib import Path
from typing import Annotated

import typer

import nima_pretrain
from nima_pretrain.config import FinetuneConfig
from nima_pretrain.data.rating_files import load_ratings


def main(
    ratings: Annotated[Path, typer.Argument(help="AVA.txt, TID2013's MOS, idealo's JSON, CSV.")],
    images: Annotated[Path, typer.Argument(help="Folder of the rated photographs.")],
    run: Annotated[Path, typer.Argument(help="The run directory, for all files.")],
    backbone: Annotated[str, typer.Option(help="imagenet, none or a backbone.h5.")] = "imagenet",
    epochs: Annotated[int, typer.Option(help="At most.")] = 20,
    input_size: Annotated[int, typer.Option(help="Side of the input, pixels.")] = 96,
) -> None:
    """Learns from four fifths of the ratings and compares with the others."""
    known, held_out = load_ratings(ratings, images).split(fraction=0.2, seed=0)
    config = FinetuneConfig(
        width=0.35,
        input_size=input_size,
        batch_size=16,
        head_learning_rate=1e-4,
        epochs=epochs,
    )
    nima_pretrain.finetune(known, run, config=config, backbone=backbone)

    found = nima_pretrain.evaluate(run / "nima.h5", held_out, name="held-out")
    model, constant = found.results.model, found.results.constant
    print(f"mean absolute error: {model['mae']:.3f}, of a constant {constant['mae']:.3f} points")

    scorer = nima_pretrain.load_scorer(run / "nima.h5")
    score = scorer(held_out.paths[0])
    print(f"{score.path.name}: predicted {score.mean:.2f}, rated {held_out.mean_scores[0]:.2f}")


if __name__ == "__main__":
    typer.run(main)
