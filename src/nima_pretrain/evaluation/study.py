"""The study of a model: its outputs on distorted views of held-out photos."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import root_of
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import DistortionBank, get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.stability import Stability, blank_percentiles, invisible_changes
from nima_pretrain.evaluation.study_photos import Part, photos_to_study
from nima_pretrain.evaluation.study_report import StudyResults, write_study
from nima_pretrain.evaluation.view_outputs import (
    nima_score,
    outputs_of_pretext,
    outputs_of_scorer,
    pretext_score,
)
from nima_pretrain.progress import counting
from nima_pretrain.weights.finding import find_model
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import BackboneCard, Card, NimaCard, PretextCard
from nima_pretrain.weights.store import load_model


def study(
    model: Path | str,
    photos: Path | str,
    *,
    part: Part = "held-out",
    bank: str = "paper",
    with_mirrored: bool = False,
    num_workers: int | None = None,
) -> list[StudyResults]:
    """Returns the main results of studies of one or two models on held-out photos.

    Writes CSV and PNG to `study/<name of the weights>/` in the run, a name that ends in
    `-mirrored` for scores with mirror images, and a section of the run's `report.html`.

    Args:
        model: a `pretext.h5` or a `nima.h5`, its side-car beside it, in its run; a run with either
            or both; or the name of published weights or "bundled", whose run is `runs/NAME`.
        photos: folder of photographs.
        part: the photos to use, by `photos.csv` and `ratings.csv` of the run and of its backbone's
            pretraining: "held-out" for all but the training photos, "validation" or "test".
            Without such files all photos count as held-out.
        bank: bank of the views for a NIMA model, "paper" or "repaired"; a pretext model has its
            own.
        with_mirrored: whether the scores of a NIMA model are means over an image and its mirror
            image, see `load_scorer`.
        num_workers: processes that render; None for half the cores, 0 for none.

    Raises:
        InputError: there are no such weights, they are of another kind, or no photo is left.

    Example:
        >>> (found,) = study("runs/nima/nima.h5", "photos")
        >>> found.pairs["all, all"]
    """
    folder = Path(model)
    if folder.is_dir():
        known = (folder / name for name in ("pretext.h5", "nima.h5"))
        models = [(file, folder) for file in known if file.is_file()]
        if not models:
            raise InputError(f"Expected a pretext.h5 or nima.h5 in {model}, found neither.")
    else:
        models = [find_model(model)]
        if not models[0][0].is_file():
            raise InputError(f"Expected a run, a weights file or a name, but {model} is not there.")
    return [
        _study(file, run, Path(photos), part, bank, with_mirrored, num_workers)
        for file, run in models
    ]


def _study(
    weights: Path,
    run: Path,
    photos: Path,
    part: Part,
    bank: str,
    with_mirrored: bool,
    num_workers: int | None,
) -> StudyResults:
    side_car = read_side_car(weights, Card)
    if isinstance(side_car, BackboneCard):
        raise InputError(
            f"Expected weights that score photos, but {weights} is a backbone alone. "
            "Study the pretext.h5 or the nima.h5 that was trained with it."
        )
    if with_mirrored and isinstance(side_car, PretextCard):
        raise InputError(
            f"Expected a nima.h5 for scores with mirror images, received {weights}. If the run has "
            "a nima.h5, study that file alone."
        )
    names, are_held_out = photos_to_study(run, photos, part)
    if isinstance(side_car, PretextCard):
        if "ranking" not in side_car.tasks:
            trained = " and ".join(side_car.tasks) or side_car.method
            raise InputError(
                f"Expected weights that score photos, but {weights} was trained on {trained}. "
                "Fine-tune its backbone.h5, and study that."
            )
        bank = side_car.bank or bank
    views_bank = get_bank(bank)
    model = load_model(weights)
    with counting("studying photos", len(names)) as show:
        views = _views(photos, names, views_bank, side_car.network, num_workers, show)
        if isinstance(side_car, NimaCard):
            score = nima_score(model, side_car.score_scale, with_mirrored=with_mirrored)
            outputs = outputs_of_scorer(score, views_bank, views)
            score_name = "mean score"
        else:
            score, score_name = pretext_score(model), "ranking score"
            outputs = outputs_of_pretext(model, views_bank, views)
    root = root_of(photos)
    network = side_car.network
    with counting("measuring stability", len(names)) as show:
        unseen = _loaded([root / name for name in names], show)
        moves = invisible_changes(score, unseen, network.input_size, network.fit)
    original = outputs.scores[:, views_bank.view_names.index("original")]
    blanks = blank_percentiles(score, original, network.input_size, network.fit)
    stability = Stability(moves, blanks)
    return write_study(
        outputs,
        weights,
        run,
        score_name,
        stability,
        with_mirrored=with_mirrored,
        are_held_out=are_held_out,
    )


def _loaded(paths: list[Path], show: Callable[[int], None]) -> Iterator[np.ndarray]:
    for done, path in enumerate(paths, start=1):
        yield load_photo(path)
        show(done)


def _views(
    folder: Path,
    names: list[str],
    bank: DistortionBank,
    network: NetworkConfig,
    num_workers: int | None,
    show: Any,
) -> Iterator[np.ndarray]:
    batches = ViewBatches(
        root_of(folder),
        names,
        bank,
        size=network.input_size,
        fit=network.fit,
        photos_per_batch=1,
        seed=0,
        vary=False,
        num_workers=num_workers,
    )
    for done, batch in enumerate(islice(batches, len(names)), start=1):
        yield batch[0]
        show(done)
