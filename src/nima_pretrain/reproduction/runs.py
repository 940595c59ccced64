"""Comparison of runs that were evaluated on the same ratings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nima_pretrain.config import load_stage
from nima_pretrain.data.rating_files import RATINGS, read_named
from nima_pretrain.data.ratings import ScoreScale, described_scale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.comparison import Contender
from nima_pretrain.evaluation.comparison import compare as compare_contenders
from nima_pretrain.evaluation.evaluation_files import evaluations_of, read_predictions, scored_of
from nima_pretrain.evaluation.figures import draw_learning_curves, draw_predictions
from nima_pretrain.evaluation.probe import frozen_features, ridge_probe
from nima_pretrain.evaluation.results import EvaluationResults
from nima_pretrain.metrics import ScoredPhotos
from nima_pretrain.reproduction.pages import Pages
from nima_pretrain.reproduction.results import write_categories, write_comparison
from nima_pretrain.training.results import FinetuneResults
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard, sha256_of


def compare(
    runs: Mapping[str, Path | str],
    output: Path | str,
    *,
    baseline: str | None = None,
    evaluation: str | None = None,
    probe: bool = True,
) -> dict[str, Any]:
    """Compares evaluated runs, writes tables and figures, and returns the main results.

    Args:
        runs: directories of fine-tuning runs, by display name.
        output: folder of `results.md`, `report.html`, `results.json` and `results/`.
        baseline: name of one of the runs; None for the first.
        evaluation: name of the evaluation; None for the only one that all runs share.
        probe: whether ridge probes on the runs' initial frozen features are included.

    Raises:
        InputError: a run does not exist or is none of fine-tuning, the runs have no evaluation in
            common, their evaluations are on different ratings or photos, of earlier weights, or
            only some with mirror images, or the probe cannot read a photo.

    Example:
        >>> compare({"ImageNet": "runs/imagenet", "ranking": "runs/ranking"}, "comparison")
    """
    paths = {run: Path(path) for run, path in runs.items()}
    missing = [path for path in paths.values() if not path.is_dir()]
    if missing:
        raise InputError(f"Expected the folder of a run, but {missing[0]} does not exist.")
    baseline = baseline or next(iter(paths), None)
    if baseline not in paths:
        raise InputError(f"Expected a baseline of {', '.join(paths)}, received {baseline!r}.")
    name = _shared_evaluation(paths, evaluation)
    others = [path for path in paths.values() if not (path / RATINGS).is_file()]
    if others:
        raise InputError(
            f"Expected runs of fine-tuning, but {others[0]} has no {RATINGS}. That of `train` is "
            "in its folder finetune."
        )
    folders = {run: evaluations_of(path)[name] for run, path in paths.items()}
    results = {run: EvaluationResults.read(path) for run, path in folders.items()}
    if len({result.ratings_sha256 for result in results.values()}) > 1:
        raise InputError(
            f"The evaluations called {name!r} are on different ratings. Evaluate all runs on the "
            "same ones."
        )
    for run, result in results.items():
        weights = paths[run] / (result.weights or "nima.h5")
        is_known = result.weights_sha256 and weights.is_file()
        if is_known and result.weights_sha256 != sha256_of(weights):
            raise InputError(
                f"{folders[run]} is an evaluation of other weights than {weights} has now. "
                "Evaluate it anew."
            )
    if len({result.with_mirrored for result in results.values()}) > 1:
        raise InputError(
            f"The evaluations called {name!r} are of scores with mirror images for some runs, and "
            "without for others. Evaluate all runs alike."
        )
    tables = {run: read_predictions(folder).sort_index() for run, folder in folders.items()}
    if len({tuple(table.index) for table in tables.values()}) > 1:
        raise InputError("Some photos could be read in one evaluation only. Evaluate anew.")
    entries = [Contender(run, (scored_of(table),)) for run, table in tables.items()]
    scale = described_scale(results[baseline].scale)
    probes = _probes(paths, tables, scale) if probe else []
    threshold = results[baseline].threshold
    compared = compare_contenders(entries, baseline, threshold, probes)
    epochs = [FinetuneResults.read(path).epochs for path in paths.values()]
    pages = Pages(Path(output))
    count = len(tables[baseline])
    about = f"{len(runs)} runs on {count} photos of {name}."
    found = write_comparison(pages, compared, epochs, baseline, about)
    write_categories(pages, entries, baseline, threshold, tables[baseline])
    logs = {run: [pd.read_csv(path / "log.csv")] for run, path in paths.items()}
    pages.figure("learning_curves", draw_learning_curves(logs), "Validation loss by epoch.")
    pages.figure("predictions", draw_predictions(tables), "Predicted against true means.")
    return pages.finish(f"Comparison on {name}", found | {"photos": count, "baseline": baseline})


def _shared_evaluation(runs: Mapping[str, Path], wanted: str | None) -> str:
    names = {run: set(evaluations_of(path)) for run, path in runs.items()}
    without = [run for run, found in names.items() if not found or (wanted and wanted not in found)]
    if without:
        raise InputError(
            f"{without[0]} has no evaluation{f' {wanted!r}' if wanted else ''}. First run "
            f"`nima-pretrain evaluate {runs[without[0]]}/nima.h5 --ratings ... --images ...`."
        )
    shared = {wanted} if wanted else set.intersection(*names.values())
    if len(shared) != 1:
        found = ", ".join(sorted(shared or set.union(*names.values())))
        raise InputError(
            f"Expected one evaluation that all runs share, found {len(shared)} ({found}). Name it "
            "with --evaluation."
        )
    return str(shared.pop())


def _probes(
    runs: Mapping[str, Path], tables: Mapping[str, pd.DataFrame], scale: ScoreScale
) -> list[Contender]:
    """Returns one ridge probe per run, on the frozen features of the run's initial weights.

    It is fitted on the training and validation photos, the same that fine-tuning uses. Its scores
    are mapped linearly to the scale of the evaluation, as those of the runs are.
    """
    entries = []
    for run, path in runs.items():
        table = tables[run]
        rated = read_named(path / RATINGS)
        own_scale = read_side_car(path / "nima.h5", NimaCard).score_scale
        scores = own_scale.scores
        bins = [f"p{column + 1}" for column in range(len(scores))]
        means = rated[bins].to_numpy(np.float64) @ scores
        weights = FinetuneResults.read(path).backbone_weights
        config = load_stage(path / "config.json")
        paths = [Path(file) for file in [*rated["path"], *table["path"]]]
        features = frozen_features(weights, config.network, paths)
        fitted, others = features[: len(rated)], features[len(rated) :]
        unreadable = [file for file, row in zip(paths, features, strict=True) if np.isnan(row[0])]
        if unreadable:
            raise InputError(
                f"The probe needs the photos of {path}, but cannot read {unreadable[0]} and "
                f"{len(unreadable) - 1} others. Put them back, or pass --no-probe."
            )
        predicted = np.clip(ridge_probe(fitted, means, others), scores[0], scores[-1])
        predicted = own_scale.mapped(predicted, scale)
        none = np.full(len(table), np.nan)
        true = table["true_mean"].to_numpy(np.float64)
        entries.append(
            Contender(f"ridge probe, {run}", (ScoredPhotos(true, predicted, none, none),))
        )
    return entries
