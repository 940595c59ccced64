"""The trade-off of the ordering stage: agreement with people against pairs of views in order.

Takes the cells of a grid whose models went through the ordering stage, one per fold. For several
shares of the stage's change of the weights it prints the Spearman correlation with the ratings of
the photos that each model has not seen, pooled over the cells, with the difference to the ratings
alone (share 0) and its 95 % interval over photos; and the share of pairs in order on photographs
that no model was trained on, averaged over the cells. A figure shows both.

    python benchmarks/order_tradeoff.py PHOTOS CELL... --list held_out.txt --png tradeoff.png
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.config import load_stage
from nima_pretrain.config.whole import TEST
from nima_pretrain.data.file_lists import read_file_list
from nima_pretrain.data.photos import load_fitted, load_photo
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.evaluation.evaluation_files import evaluations_of, read_predictions
from nima_pretrain.evaluation.stability import Score
from nima_pretrain.metrics import srcc

SHARES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
_RESAMPLES = 2000


def scores_by_share(
    cell: Path, shares: tuple[float, ...], photos: list[np.ndarray], paths: list[Path]
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Returns the scores of the views (N, V) and of the rated photos (R,) for every share."""
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard

    network = read_side_car(cell / "nima.h5", NimaCard).network
    bank = get_bank("paper")
    views = [bank.render(photo, network.input_size, 0, network.fit) for photo in photos]
    rated = np.stack([load_fitted(path, network.input_size, network.fit) for path in paths])
    return {
        share: (np.stack([score(of_photo) for of_photo in views]), score(rated))
        for share, score in scorers_by_share(cell, shares)
    }


def scorers_by_share(cell: Path, shares: tuple[float, ...]) -> Iterator[tuple[float, Score]]:
    """Yields every share with the scorer that keeps it, which is valid until the next one."""
    from nima_pretrain.evaluation.view_outputs import nima_score
    from nima_pretrain.weights.reading import read_side_car
    from nima_pretrain.weights.side_car import NimaCard
    from nima_pretrain.weights.store import load_model

    model = load_model(cell / "nima.h5")
    before = load_model(cell / "ratings_alone.h5").get_weights()
    kept = load_stage(cell / "config.json").order.kept
    change = [(new - old) / kept for old, new in zip(before, model.get_weights(), strict=True)]
    score = nima_score(model, read_side_car(cell / "nima.h5", NimaCard).score_scale)
    for share in shares:
        model.set_weights([old + share * by for old, by in zip(before, change, strict=True)])
        yield share, score


def pairs_in_order(scores: np.ndarray) -> dict[str, float]:
    """Returns the share of pairs in order, of all and by aspect, for scores (N, V)."""
    from nima_pretrain.pretext.targets import ranked_pairs

    bank = get_bank("paper")
    pairs = ranked_pairs(bank)
    in_order = scores[:, pairs.better] > scores[:, pairs.worse]
    aspects = np.array([bank.series[index].distortion.aspect.value for index in pairs.series])
    groups = {"all": np.ones(len(aspects), bool), **{a.value: aspects == a.value for a in Aspect}}
    return {name: float(in_order[:, rows].mean()) for name, rows in groups.items()}


def tradeoff(
    name: str,
    true: list[np.ndarray],
    predicted: dict[float, list[np.ndarray]],
    pairs: dict[float, list[dict[str, float]]],
) -> pd.DataFrame:
    """Returns the agreement with people and the pairs in order for each value of a setting.

    Args:
        name: name of the setting.
        true: mean ratings of each model's photos.
        predicted: scores of these photos by value; gains are differences to those of value 0.
        pairs: shares of pairs in order by value, for each model.
    """
    people = np.concatenate(true)
    rng = np.random.default_rng(0)
    resamples = rng.integers(len(people), size=(_RESAMPLES, len(people)))
    alone = np.concatenate(predicted[0.0])
    base = np.array([srcc(people[rows], alone[rows]) for rows in resamples])
    lines = []
    for value, by_model in predicted.items():
        scores = np.concatenate(by_model)
        gains = np.array([srcc(people[rows], scores[rows]) for rows in resamples]) - base
        low, high = np.percentile(gains, [2.5, 97.5])
        agreement = srcc(people, scores)
        gain = agreement - srcc(people, alone)
        lines.append({name: value, "SRCC": agreement, "gain": gain, "low": low, "high": high})
    in_order = pd.DataFrame([pd.DataFrame(pairs[value]).mean() for value in predicted])
    return pd.concat([pd.DataFrame(lines), in_order], axis=1)


def main() -> None:
    """Prints the table and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photographs that no model has seen")
    parser.add_argument("cells", type=Path, nargs="+", help="runs with an evaluation")
    parser.add_argument("--list", type=Path, required=True, help="file list of the photographs")
    parser.add_argument("--png", type=Path, help="the figure")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="besides 0")
    arguments = parser.parse_args()
    shares = tuple(sorted({0.0, *arguments.shares}))
    import_tensorflow()
    photos = [load_photo(arguments.photos / name) for name in read_file_list(arguments.list)]
    true: list[np.ndarray] = []
    predicted: dict[float, list[np.ndarray]] = {share: [] for share in shares}
    pairs: dict[float, list[dict[str, float]]] = {share: [] for share in shares}
    for cell in arguments.cells:
        table = read_predictions(evaluations_of(cell)[TEST])
        true.append(table["true_mean"].to_numpy())
        for share, (views, rated) in scores_by_share(
            cell, shares, photos, [Path(path) for path in table["path"]]
        ).items():
            predicted[share].append(rated)
            pairs[share].append(pairs_in_order(views))
    num_rated = sum(map(len, true))
    print(f"{len(arguments.cells)} models, {num_rated} rated photos, {len(photos)} photographs")
    result = tradeoff("share", true, predicted, pairs)
    print(result.to_string(index=False, float_format="%.3f"))
    if arguments.png:
        draw(result).savefig(arguments.png, dpi=110)


def draw(result: pd.DataFrame) -> Figure:
    """Returns the curve of both by share."""
    figure = Figure((6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(result["all"], result["SRCC"], "o-", color="#2b6cb0")
    for _, row in result.iterrows():
        axes.annotate(
            f"{row['share']:g}", (row["all"], row["SRCC"]), (4, 4), textcoords="offset points"
        )
    axes.axhline(result["SRCC"].iloc[0], color="#aaa", linewidth=1)
    axes.set_xlabel("share of pairs of views in order")
    axes.set_ylabel("SRCC with people")
    return figure


if __name__ == "__main__":
    main()
