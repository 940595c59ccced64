"""Distillation: ratings, photos and object classifiers in, an ordinary `nima.h5` out.

A reconstruction after the abstract of Hou, Ding, Lin, Liu and Fang (2022), *Distilling Knowledge
from Object Classification to Aesthetics Assessment*. Frozen classifiers give features of all their
stages; a head on these learns the ratings: the teacher. The student is a single network that
learns the ratings, the teacher's feature and its prediction, in the schedule of fine-tuning.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.config import DistillConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.scanning import scan_photos
from nima_pretrain.distillation.features import FeatureCache
from nima_pretrain.distillation.objective import DistillationObjective, Lessons
from nima_pretrain.distillation.teaching import teach
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json, replacing, write_json
from nima_pretrain.progress import counting
from nima_pretrain.training import finetune
from nima_pretrain.training.objective import LabelObjective, Objective
from nima_pretrain.training.ratings_split import Parts

logger = logging.getLogger(__name__)

_LESSONS = "lessons.npz"
_TEACHER = "teacher.json"


def distill(
    ratings: Ratings,
    run: Path,
    config: DistillConfig,
    validation_ratings: Ratings | None = None,
    backbone_weights: str = "imagenet",
    unlabelled: Path | None = None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Trains a student and returns its results, which `results.json` holds too.

    Args:
        ratings: see `finetune.finetune`, as for the others.
        run: the run directory; it exists.
        config: teachers, student and schedule.
        validation_ratings: see there.
        backbone_weights: what the student starts from.
        unlabelled: folder of photos without ratings that join in the teacher's terms, or None.
        cache: folder of the classifiers' features; None for one beside the run.

    Raises:
        InputError: ratings, photos or weights are not what they should be, or the disk is full.
    """
    objective_of = partial(
        _objective,
        run=run,
        config=config,
        unlabelled=unlabelled,
        cache=cache,
    )
    return finetune.finetune(
        ratings, run, config, validation_ratings, backbone_weights, objective_of
    )


def resume(
    ratings: Ratings,
    run: Path,
    config: DistillConfig,
    validation_ratings: Ratings | None = None,
    unlabelled: Path | None = None,
) -> dict[str, Any]:
    """Goes on with a training that was stopped at any moment; see `distill` for the arguments.

    What the teacher said is kept in the run, and not computed anew.
    """
    objective_of = partial(
        _objective,
        run=run,
        config=config,
        unlabelled=unlabelled,
        cache=None,
    )
    return finetune.resume(ratings, run, config, validation_ratings, objective_of)


def _objective(
    parts: Parts,
    run: Path,
    config: DistillConfig,
    unlabelled: Path | None,
    cache: Path | None,
) -> Objective:
    if config.of_labels_alone:
        return LabelObjective(parts)
    digests = _digests_without_ratings(unlabelled, parts) if unlabelled else {}
    of_training = [parts.scan.digests[path] for path in parts.training.paths]
    learned = [*of_training, *digests.values()]
    folder = cache or run.parent / "features"
    lessons, about = _lessons_of(run, learned, lambda: _teach(parts, digests, folder, config))
    return DistillationObjective(
        parts,
        lessons,
        tuple(digests),
        config.feature_weight,
        config.prediction_weight,
        {"teacher": about, "unlabelled": len(digests)},
    )


def _lessons_of(
    run: Path, learned: list[str], compute: Callable[[], tuple[Lessons, dict[str, float]]]
) -> tuple[Lessons, dict[str, float]]:
    """What the teacher said of these photos, from the run if it is there."""
    file = run / _LESSONS
    if file.is_file():
        with np.load(file, allow_pickle=False) as content:
            if content["photos"].tolist() != learned:
                raise InputError(
                    f"The photos are not those that {run} was begun with. Put them back, or begin "
                    "a new run."
                )
            lessons = Lessons(content["predictions"], content["features"])
        return lessons, read_json(run / _TEACHER, "teacher")
    lessons, about = compute()
    write_json(run / _TEACHER, about)
    with replacing(file) as beside:
        np.savez(beside, photos=np.array(learned), **lessons._asdict())
    return lessons, about


def _teach(
    parts: Parts,
    unlabelled: dict[Path, str],
    cache: Path,
    config: DistillConfig,
) -> tuple[Lessons, dict[str, float]]:
    rated = (*parts.training.paths, *parts.validation.paths)
    digests = {path: parts.scan.digests[path] for path in rated} | unlabelled
    by_teacher = []
    for teacher in config.teachers:
        with counting(f"features of {teacher.backbone}", len(digests)) as show:
            by_teacher.append(FeatureCache(cache).features(teacher, digests, show))
    features = np.concatenate(by_teacher, axis=1)  # (N, F)
    row_of = {path: row for row, path in enumerate(digests)}
    of_training, of_validation, others = (
        features[np.array([row_of[path] for path in paths], np.int64)]
        for paths in (parts.training.paths, parts.validation.paths, unlabelled)
    )
    lessons, about = teach(
        of_training,
        parts.training.distributions,
        (of_validation, parts.validation.distributions),
        others,
        config,
    )
    logger.info(
        "teacher: %d networks, %d features, validation loss %.4f after %d epochs",
        len(config.teachers),
        features.shape[1],
        about["val_loss"],
        about["epochs"],
    )
    return lessons, about


def _digests_without_ratings(folder: Path, parts: Parts) -> dict[Path, str]:
    """The photos of a folder that can be read and are not among the rated ones."""
    paths = list(find_photos(folder))
    with counting("checking photos", len(paths)) as show:
        scan = scan_photos(paths, show)
    rated = set(parts.scan.digests.values())
    found = {path: digest for path, digest in scan.digests.items() if digest not in rated}
    logger.info(
        "photos without ratings: %d, %d unreadable, %d rated",
        len(found),
        len(scan.unreadable),
        len(scan.digests) - len(found),
    )
    if not found:
        raise InputError(f"Expected photos without ratings in {folder}, found none.")
    return found
