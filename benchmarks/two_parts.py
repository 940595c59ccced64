"""A scorer in two parts: a NIMA model for the content, and a pretext model for the order of views.

The score of an image is that of the NIMA model plus a weight, in points, times its rank: the logit
of the pretext model's ranking score, in standard deviations over the rated photos. With --below,
ranks only subtract: from a quantile of the rated photos' ranks downwards.

Takes the cells of a grid, one per fold, and a pretext model that saw neither the rated photos nor
the listed photographs. For several weights it prints what `order_tradeoff.py` prints: the Spearman
correlation with the ratings, its difference to weight 0, and the pairs of views in order.

    python benchmarks/two_parts.py PHOTOS pretext.h5 CELL... --list held_out.txt
"""

import argparse
from pathlib import Path

import numpy as np
from order_tradeoff import pairs_in_order, tradeoff

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.config.whole import TEST
from nima_pretrain.data.file_lists import read_file_list
from nima_pretrain.data.photos import load_fitted, load_photo
from nima_pretrain.distortions import get_bank
from nima_pretrain.evaluation.evaluation_files import evaluations_of, read_predictions

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Returns the logits of probabilities, at most 14 in size."""
    inside = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photographs that no model has seen")
    parser.add_argument("pretext", type=Path, help="a pretext.h5 that ranks")
    parser.add_argument("cells", type=Path, nargs="+", help="runs with an evaluation")
    parser.add_argument("--list", type=Path, required=True, help="file list of the photographs")
    parser.add_argument("--model", default="nima.h5", help="of a cell; or ratings_alone.h5")
    parser.add_argument("--below", type=float, help="quantile of ranks that are not lowered")
    arguments = parser.parse_args()
    import_tensorflow()
    from nima_pretrain.evaluation.view_outputs import nima_score, pretext_score
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import Card, NimaCard
    from nima_pretrain.weights.store import load_model

    bank = get_bank("paper")
    photos = [load_photo(arguments.photos / name) for name in read_file_list(arguments.list)]
    network = read_side_car(arguments.pretext, Card).network
    order = pretext_score(load_model(arguments.pretext))
    views = [bank.render(photo, network.input_size, 0, network.fit) for photo in photos]
    ranks_of_views = logits(np.stack([order(of_photo) for of_photo in views]))
    true, rated, of_views, ranks = [], [], [], []
    for cell in arguments.cells:
        table = read_predictions(evaluations_of(cell)[TEST])
        card = read_side_car(cell / "nima.h5", NimaCard)
        if card.network != network:
            raise SystemExit(f"{cell} has another network than the pretext model: {card.network}")
        score = nima_score(load_model(cell / arguments.model), card.score_scale)
        fitted = np.stack(
            [load_fitted(Path(path), network.input_size, network.fit) for path in table["path"]]
        )
        true.append(table["true_mean"].to_numpy())
        rated.append(score(fitted))
        of_views.append(np.stack([score(of_photo) for of_photo in views]))
        ranks.append(logits(order(fitted)))
    everyone = np.concatenate(ranks)
    unit = everyone.std()

    def part(ranks: np.ndarray) -> np.ndarray:
        if arguments.below is None:
            return ranks / unit
        return np.minimum(0, ranks - np.quantile(everyone, arguments.below)) / unit

    predicted = {
        weight: [scores + weight * part(own) for scores, own in zip(rated, ranks, strict=True)]
        for weight in WEIGHTS
    }
    pairs = {
        weight: [pairs_in_order(scores + weight * part(ranks_of_views)) for scores in of_views]
        for weight in WEIGHTS
    }
    result = tradeoff("weight", true, predicted, pairs)
    print(f"{len(true)} models, {len(everyone)} rated photos, {len(photos)} photographs")
    print(result.to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
