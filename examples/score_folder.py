"""Scores the photographs of a folder and prints the best of them.

python examples/score_folder.py PHOTOS --weights runs/finetune/nima.h5
"""

from pathlib import Path
from typing import Annotated

import typer

import nima_pretrain
from nima_pretrain.data.finding import find_photos


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs.")],
    weights: Annotated[str | None, typer.Option(help="A nima.h5, or published weights.")] = None,
    best: Annotated[int, typer.Option(help="Number of photographs to print.")] = 10,
) -> None:
    """Prints mean score, spread and path of the best photographs, and what could not be read."""
    scorer = nima_pretrain.load_scorer(weights)
    scores = list(scorer.score(find_photos(photos)))
    scored = [score for score in scores if score.mean is not None]
    for score in sorted(scored, key=lambda score: score.mean or 0.0, reverse=True)[:best]:
        print(f"{score.mean:.2f} +- {score.std:.2f}  {score.path}")
    for score in scores:
        if score.error:
            print(f"not scored: {score.path}: {score.error}")


if __name__ == "__main__":
    typer.run(main)
