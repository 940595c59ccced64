"""One's own taste on real people: the raters of OASIS' beauty ratings, about 102 votes each.

Of every rater some votes are given to `taste`'s own functions as stars, rounded to five, and the
others are held back. On these the person's model is compared with the general model and with the
mean vote of all other raters, by the Spearman correlation with the person's votes; and the
decision of the cross-validation, which has seen the given votes alone, with what it should have
been.

The general model must not have seen the photos. So it is a head on frozen ImageNet features,
cross-fitted: the score of a photo is by a head that was fitted to the mean ratings of the other
four folds, in which themes are kept together. The person's head is on the same features.

The first 100 raters choose the deviation of the prior (--choose); the tables are of the others.
People without a taste of their own are simulated, too: votes drawn from the general model.

    python benchmarks/taste.py OASIS --backbone mobilenet_v2_1.0_224_no_top.h5 --png taste.png

OASIS is a folder with images/, labels.json, folds.csv (image_id,fold) and raters.csv
(rater,image_id,rating from 1 to 7).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.evaluation.figures import save_figure
from nima_pretrain.library.taste_check import FOLDS, cross_validate, folds_of, near_duplicates
from nima_pretrain.library.taste_head import (
    TASTE_DEVIATION,
    Design,
    design_of,
    fit_tilt,
    tilted_means,
)
from nima_pretrain.metrics import srcc

GIVEN = (20, 40, 80)
DEVIATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
STARS = np.linspace(1, 5, 7)  # of OASIS' votes, 1 to 7
_CHOOSING = 100
_REPEATS = 4
_RESAMPLES = 2000
_BLUE, _GREEN, _RED, _GREY = "#2b6cb0", "#2f855a", "#9b2c2c", "#aaaaaa"


class Study(NamedTuple):
    """The photos and votes.

    Attributes:
        features: (N, F) floats.
        logits: (N, 7) floats, of the cross-fitted general model.
        votes: (R, N) floats, 1 to 7; NaN without a vote.
        groups: (N,) integers, equal for photos that look alike.
    """

    features: np.ndarray
    logits: np.ndarray
    votes: np.ndarray
    groups: np.ndarray

    @property
    def general(self) -> np.ndarray:
        """The general model's scores, (N,), in stars."""
        return tilted_means(self.logits, np.zeros(len(self.logits)), STARS)

    def mean_of_others(self, rater: int) -> np.ndarray:
        """Returns the mean vote of all other raters for every photo, (N,)."""
        return np.nanmean(np.delete(self.votes, rater, axis=0), axis=0)


def read_study(oasis: Path, backbone: str, width: float) -> Study:
    """Returns photos, votes and the general model."""
    from nima_pretrain.evaluation.probe import frozen_features

    ratings = load_ratings(oasis / "labels.json", oasis / "images")
    row_of = {Path(name).stem: row for row, name in enumerate(ratings.names)}
    folds = pd.read_csv(oasis / "folds.csv").set_index("image_id")["fold"]
    fold = np.array([folds[name] for name in row_of])
    table = pd.read_csv(oasis / "raters.csv")
    rater = table["rater"].astype("category").cat.codes
    votes = np.full((rater.max() + 1, len(row_of)), np.nan)
    votes[rater, table["image_id"].map(row_of)] = table["rating"]
    network = NetworkConfig(width=width, input_size=224, fit="squash")
    features = frozen_features(backbone, network, ratings.paths)
    means = ratings.distributions @ STARS
    logits = np.empty_like(ratings.distributions)
    for held_out in np.unique(fold):
        others = fold != held_out
        start = np.log(ratings.distributions[others].mean(axis=0))
        design = design_of(features[others], np.tile(start, (others.sum(), 1)), STARS)
        columns = features[~others] - design.centre
        parameters = fit_tilt(design, means[others])
        tilts = parameters[0] + columns @ design.components @ parameters[2:]
        logits[~others] = start + tilts[:, None] * STARS
    study = Study(features, logits, votes, near_duplicates(features))
    agreement = srcc(means, study.general)
    print(f"{len(votes)} raters, {len(means)} photos; general model: SRCC {agreement:.3f}")
    return study


def as_stars(votes: np.ndarray) -> np.ndarray:
    """Returns votes from 1 to 7 as whole stars from 1 to 5."""
    return np.rint(1 + (votes - 1) * 4 / 6)


def drawn(
    study: Study, rater: int, count: int, number: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the rows of given and held-back votes; None if either are all the same.

    Args:
        study: photos and votes.
        rater: number of the rater.
        count: number of votes to give.
        number: of the draw.
    """
    rows = np.flatnonzero(np.isfinite(study.votes[rater]))
    rows = np.random.default_rng([number, rater]).permutation(rows)
    given, held_back = rows[:count], rows[count:]
    votes = study.votes[rater]
    if np.ptp(as_stars(votes[given])) == 0 or np.ptp(votes[held_back]) == 0:
        return None
    return given, held_back


def best_for(design: Design, stars: np.ndarray) -> float:
    """Returns the deviation, or 0, with the least squared error by 5-fold on a person's stars."""
    rng = np.random.default_rng(0)
    errors = dict.fromkeys((0.0, *DEVIATIONS), 0.0)
    for _ in range(_REPEATS):
        folds = folds_of(np.arange(len(stars)), rng)
        is_used = np.arange(FOLDS)[:, None] != folds
        for deviation in errors:
            means = design.means(fit_tilt(design, stars, deviation, is_used))  # (FOLDS, N)
            errors[deviation] += np.sum(~is_used * (means - stars) ** 2)
    return min(errors, key=lambda deviation: errors[deviation])


def choose(study: Study, raters: Sequence[int]) -> pd.DataFrame:
    """Returns the mean gain of SRCC by the prior's deviation and the number of given votes.

    The last column is for a deviation that is chosen for every person by cross-validation.
    """
    lines = []
    for count in GIVEN:
        gains: dict[float | str, list[float]] = {key: [] for key in (*DEVIATIONS, "by person")}
        for rater in raters:
            rows = drawn(study, rater, count, 0)
            if rows is None:
                continue
            given, back = rows
            votes = study.votes[rater]
            stars = as_stars(votes[given])
            design = design_of(study.features[given], study.logits[given], STARS)
            before = srcc(votes[back], study.general[back])
            for key, of_key in gains.items():
                deviation = best_for(design, stars) if isinstance(key, str) else key
                parameters = fit_tilt(design, stars, deviation)
                own = design.means_of(study.features[back], study.logits[back], parameters)
                of_key.append(srcc(votes[back], own) - before)
        lines.append({"given": count, **{str(key): np.nanmean(g) for key, g in gains.items()}})
    return pd.DataFrame(lines)


def compare(study: Study, raters: Sequence[int], draws: int) -> pd.DataFrame:
    """Returns a row for every rater, number of given votes and draw."""
    lines = []
    for rater in raters:
        votes, others = study.votes[rater], study.mean_of_others(rater)
        for count in GIVEN:
            for number in range(draws):
                rows = drawn(study, rater, count, number)
                if rows is None:
                    continue
                given, back = rows
                stars = as_stars(votes[given])
                design = design_of(study.features[given], study.logits[given], STARS)
                groups = np.unique(study.groups[given], return_inverse=True)[1]
                check = cross_validate(design, stars, groups)
                parameters = fit_tilt(design, stars)
                own = design.means_of(study.features[back], study.logits[back], parameters)
                lines.append(
                    {
                        "rater": rater,
                        "given": count,
                        "general": srcc(votes[back], study.general[back]),
                        "own": srcc(votes[back], own),
                        "others": srcc(votes[back], others[back]),
                        "expected": check.pairs.gain,
                        "accepted": check.is_better,
                    }
                )
    return pd.DataFrame(lines)


def chance(study: Study, raters: Sequence[int]) -> pd.Series:
    """Returns the share of people without a taste of their own that are accepted, by votes."""
    shares = np.exp(study.logits) / np.exp(study.logits).sum(axis=1, keepdims=True)
    accepted = {}
    for count in GIVEN:
        rng = np.random.default_rng(count)
        found = []
        for rater in raters:
            rows = drawn(study, rater, count, 0)
            if rows is None:
                continue
            given, _ = rows
            votes = np.array([rng.choice(7, p=shares[row]) + 1.0 for row in given])
            design = design_of(study.features[given], study.logits[given], STARS)
            groups = np.unique(study.groups[given], return_inverse=True)[1]
            found.append(cross_validate(design, as_stars(votes), groups).is_better)
        accepted[count] = float(np.mean(found))
    return pd.Series(accepted, name="accepted by chance")


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns one line for every number of given votes: agreement, and decisions."""
    lines = []
    for count, of_count in rows.groupby("given"):
        gain = of_count["own"] - of_count["general"]
        by_rater = of_count.groupby("rater")[["general", "own", "others"]].mean()
        gains = (by_rater["own"] - by_rater["general"]).to_numpy()
        samples = np.random.default_rng(0).integers(len(gains), size=(_RESAMPLES, len(gains)))
        low, high = np.percentile(gains[samples].mean(axis=1), [2.5, 97.5])
        accepted, is_better = of_count["accepted"], gain > 0
        lines.append(
            {
                "given": count,
                "raters": len(by_rater),
                **by_rater.mean(),
                "gain": gains.mean(),
                "low": low,
                "high": high,
                "beats general": (gains > 0).mean(),
                "beats others": (by_rater["own"] > by_rater["others"]).mean(),
                "accepted": accepted.mean(),
                "accepted rightly": (accepted & is_better).mean(),
                "accepted wrongly": (accepted & ~is_better).mean(),
                "refused rightly": (~accepted & ~is_better).mean(),
                "refused wrongly": (~accepted & is_better).mean(),
                "gain if accepted": gain[accepted].mean(),
                "gain if refused": gain[~accepted].mean(),
            }
        )
    return pd.DataFrame(lines)


def draw(rows: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Returns a figure: agreement by votes, the gain of every rater, and the decisions."""
    figure = Figure((11, 3.6), layout="constrained")
    agreement, gains, decisions = figure.subplots(1, 3)
    for name, label, colour in (
        ("others", "mean of all other raters", _GREY),
        ("own", "the person's model", _BLUE),
        ("general", "general model", "#444444"),
    ):
        agreement.plot(table["given"], table[name], "o-", color=colour, label=label)
    agreement.set_xticks(table["given"])
    agreement.set_ylim(0, None)
    agreement.set_xlabel("votes given")
    agreement.set_title("SRCC with the person's held-back votes", fontsize="medium")
    agreement.legend(fontsize="small", loc="lower right")
    by_rater = rows.groupby(["given", "rater"])[["own", "general"]].mean()
    for (count, of_count), colour in zip(
        by_rater.groupby("given"), (_GREY, _GREEN, _BLUE), strict=True
    ):
        gain = np.sort(of_count["own"] - of_count["general"])
        share = 100 * np.arange(1, len(gain) + 1) / len(gain)
        gains.plot(gain, share, color=colour, label=f"{count} votes")
    gains.axvline(0, color="#444444", linewidth=1)
    gains.set_xlim(-0.3, 0.3)
    gains.set_xlabel("gain of SRCC over the general model")
    gains.set_title("raters with at most this gain (%)", fontsize="medium")
    gains.legend(fontsize="small", loc="upper left")
    left = np.zeros(len(table))
    places = np.arange(len(table))
    for name, colour, alpha in (
        ("accepted rightly", _GREEN, 1.0),
        ("accepted wrongly", _RED, 1.0),
        ("refused rightly", _GREEN, 0.35),
        ("refused wrongly", _RED, 0.35),
    ):
        width = 100 * table[name].to_numpy()
        decisions.barh(places, width, left=left, color=colour, alpha=alpha, label=name)
        for place, start, size in zip(places, left, width, strict=True):
            if size >= 4:
                decisions.text(start + size / 2, place, f"{size:.0f}", ha="center", va="center")
        left += width
    decisions.set_yticks(places, [f"{count} votes" for count in table["given"]])
    decisions.invert_yaxis()
    decisions.set_xlim(0, 100)
    decisions.set_xlabel("%, by the held-back votes")
    decisions.set_title("decisions of the cross-validation", fontsize="medium")
    decisions.legend(fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


def main() -> None:
    """Prints the tables and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("oasis", type=Path, help="folder of images, ratings, folds and votes")
    parser.add_argument("--backbone", required=True, help="ImageNet weights without a top")
    parser.add_argument("--width", type=float, default=1.0, help="of MobileNetV2")
    parser.add_argument("--draws", type=int, default=2, help="of the given votes, per rater")
    parser.add_argument("--choose", action="store_true", help="gains by the prior's deviation")
    parser.add_argument("--png", type=Path, help="the figure")
    arguments = parser.parse_args()
    import_tensorflow()
    study = read_study(arguments.oasis, arguments.backbone, arguments.width)
    raters = np.random.default_rng(0).permutation(len(study.votes)).tolist()
    if arguments.choose:
        print(f"gain of SRCC by deviation, first {_CHOOSING} raters; in use: {TASTE_DEVIATION}")
        chosen = choose(study, raters[:_CHOOSING])
        print(chosen.to_string(index=False, float_format="%.4f"))
        return
    rows = compare(study, raters[_CHOOSING:], arguments.draws)
    table = summary(rows)
    print(table.set_index("given").T.to_string(float_format="%.3f"))
    print("accepted of people without a taste:", dict(chance(study, raters[_CHOOSING:])))
    if arguments.png:
        save_figure(draw(rows, table), arguments.png)


if __name__ == "__main__":
    main()
