"""Distillation: from ratings, photos and object classifiers to an ordinary `nima.h5`.

A reconstruction from the abstract of Hou, Ding, Lin, Liu and Fang (2022), *Distilling Knowledge
from Object Classification to Aesthetics Assessment*. The teacher is a head that is trained on the
ratings, on features from all stages of frozen classifiers. The student is a single network that is
trained on the ratings and on the teacher's feature and prediction, in the stages of fine-tuning.
"""

import logging
from functools import partial
from pathlib import Path

import numpy as np

from nima_pretrain.config import DistillConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.distillation.features import FeatureCache
from nima_pretrain.distillation.objective import DistillationObjective, TeacherOutputs
from nima_pretrain.distillation.teachers import teach_head
from nima_pretrain.errors import InputError
from nima_pretrain.files import read_json, write_json
from nima_pretrain.progress import counting
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.objective import LabelObjective, Objective
from nima_pretrain.training.ratings_split import RatingsSplit, photos_without_ratings
from nima_pretrain.training.results import FinetuneResults
from nima_pretrain.training.run_directory import config_of_run
from nima_pretrain.training.same_run import stored_arrays
from nima_pretrain.training.several_workers import refuse_several_workers
from nima_pretrain.weights.store import check_base_weights

logger = logging.getLogger(__name__)

_LESSONS = "lessons.npz"
_TEACHER = "teacher.json"


def distill(
    ratings: Path | str | Ratings,
    run: Path | str,
    *,
    images: Path | str | None = None,
    validation_ratings: Path | str | Ratings | None = None,
    scale: ScoreScale | str | None = None,
    unlabelled: Path | str | None = None,
    backbone: str = "imagenet",
    cache: Path | str | None = None,
    config: DistillConfig | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> FinetuneResults:
    """Trains a student on human ratings and a teacher's outputs, and returns its results.

    The student is an ordinary NIMA model, see `training.finetune.finetune`. A resumed run reuses
    the stored outputs of the teacher.

    Args:
        ratings: see `finetune`.
        run: see `finetune`.
        images: see `finetune`.
        validation_ratings: see `finetune`.
        scale: see `finetune`.
        unlabelled: folder of photos without ratings for the teacher's terms of the loss, or None.
        backbone: initialization of the student, see `finetune`.
        cache: folder of the classifiers' features; None for `features` beside the run.
        config: teachers, student and schedule; None for the config of a resumed run.
        overwrite: see `finetune`.
        resume: see `finetune`.

    Raises:
        InputError: a new run has no config, ratings, photos or weights are invalid, or the disk is
            full.

    Example:
        >>> from nima_pretrain.config import DistillConfig, TeacherConfig
        >>> config = DistillConfig(teachers=(TeacherConfig(backbone="ResNet50"),))
        >>> distill("ratings.json", "runs/student", images="photos", config=config)
    """
    refuse_several_workers("distill")
    run = Path(run)
    if config is None and not resume:
        raise InputError("Expected a config with teachers, received none.")
    config = config or config_of_run(run, DistillConfig)
    others = Path(unlabelled) if unlabelled else None
    # Or a run would be replaced for nothing.
    for teacher in config.teachers:
        check_base_weights(teacher.weights)
    if others:
        find_photos(others)
    folder = Path(cache) if cache else run.parent / "features"
    return finetune(
        ratings,
        run,
        images=images,
        validation_ratings=validation_ratings,
        backbone=backbone,
        scale=scale,
        objective_of=partial(_objective, run=run, config=config, unlabelled=others, cache=folder),
        config=config,
        overwrite=overwrite,
        resume=resume,
    )


def _objective(
    split: RatingsSplit, run: Path, config: DistillConfig, unlabelled: Path | None, cache: Path
) -> Objective:
    if config.of_labels_alone:
        return LabelObjective(split)
    digests = photos_without_ratings(unlabelled, split, run) if unlabelled else {}
    of_training = [split.scan.digests[path] for path in split.training.paths]
    learned = [*of_training, *digests.values()]

    def teach() -> dict[str, np.ndarray]:
        outputs, about = _teach(split, digests, cache, config)
        write_json(run / _TEACHER, about)
        return outputs._asdict()

    stored = stored_arrays(run / _LESSONS, learned, teach)
    return DistillationObjective(
        split,
        TeacherOutputs(stored["predictions"], stored["features"]),
        tuple(digests),
        config.feature_weight,
        config.prediction_weight,
        {"teacher": read_json(run / _TEACHER, "teacher"), "unlabelled": len(digests)},
    )


def _teach(
    split: RatingsSplit, unlabelled: dict[Path, str], cache: Path, config: DistillConfig
) -> tuple[TeacherOutputs, dict[str, float]]:
    rated = (*split.training.paths, *split.validation.paths)
    digests = {path: split.scan.digests[path] for path in rated} | unlabelled
    by_teacher = []
    for teacher in config.teachers:
        with counting(f"features of {teacher.backbone}", len(digests)) as show:
            by_teacher.append(FeatureCache(cache).features(teacher, digests, show))
    features = np.concatenate(by_teacher, axis=1)  # (N, F)
    row_of = {path: row for row, path in enumerate(digests)}
    of_training, of_validation, others = (
        features[np.array([row_of[path] for path in paths], np.int64)]
        for paths in (split.training.paths, split.validation.paths, unlabelled)
    )
    outputs, about = teach_head(
        of_training,
        split.training.distributions,
        (of_validation, split.validation.distributions),
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
    return outputs, about
