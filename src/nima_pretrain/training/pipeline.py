"""The full pipeline: pretrain, fine-tune, evaluate, score."""

import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nima_pretrain.config import TrainConfig
from nima_pretrain.data.file_lists import lists_of
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.rating_files import as_ratings
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.data.split import list_photos
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluate
from nima_pretrain.files import write_table
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.prediction.scoring import predictions_table
from nima_pretrain.training.demo import DEMO_CONFIG, demo_inputs, score_sample_photos
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.ratings_split import check_trained_on, split_ratings
from nima_pretrain.training.results import FinetuneResults, PretrainResults, TrainResults
from nima_pretrain.training.run_directory import (
    carry_on,
    check_run,
    config_of_run,
    holding_run,
    open_run,
)
from nima_pretrain.training.several_workers import refuse_several_workers
from nima_pretrain.weights import BUNDLED
from nima_pretrain.weights.finding import start_from
from nima_pretrain.weights.store import check_base_weights, copy_weights


class Inputs(NamedTuple):
    """The inputs of the pipeline: a folder of photos, and ratings."""

    photos: Path
    ratings: Ratings
    validation_ratings: Ratings | None
    test_ratings: Ratings


@holding_run
def train(
    photos: Path | str | None = None,
    run: Path | str = "runs/demo",
    *,
    ratings: Path | str | Ratings | None = None,
    images: Path | str | None = None,
    validation_ratings: Path | str | Ratings | None = None,
    test_ratings: Path | str | Ratings | None = None,
    scale: ScoreScale | str | None = None,
    base_weights: str | None = None,
    training_list: Path | str | None = None,
    validation_list: Path | str | None = None,
    test_list: Path | str | None = None,
    config: TrainConfig | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> TrainResults:
    """Runs the full pipeline (pretrain, fine-tune, evaluate, score photos); returns the results.

    Each stage has its own folder in the run. The main outputs are beside them: `backbone.h5`,
    `nima.h5`, `predictions.csv` with the scores of the photos, and `results.json`.

    Args:
        photos: folder of photographs; None for the demo, which uses photos bundled with installed
            packages and synthetic ratings.
        run: the run directory, which is created.
        ratings: training ratings, see `finetune`.
        images: see `finetune`.
        validation_ratings: see `finetune`.
        test_ratings: ratings to evaluate on, a file or `Ratings`.
        scale: see `finetune`.
        base_weights: initialization of pretraining, see `pretrain`; None for "imagenet", or
            "bundled" in the demo.
        config: settings of both stages; None for the defaults, or for those of a resumed run.
        training_list: see `pretrain`.
        validation_list: see `pretrain`.
        test_list: see `pretrain`.
        overwrite: whether an existing run is deleted.
        resume: whether a stopped run is resumed: finished stages are kept, a stopped one continues.

    Raises:
        InputError: photos, ratings or weights are invalid, the run exists, or there is nothing to
            resume.

    Example:
        >>> train(run="runs/demo")  # a few minutes on two cores
    """
    refuse_several_workers("train")
    started = time.perf_counter()
    run = Path(run)
    is_demo = photos is None
    _check_arguments(is_demo, ratings, images, validation_ratings, test_ratings)
    lists = lists_of(training_list, validation_list, test_list)
    if config is None and resume:
        config = config_of_run(run, TrainConfig)
    config = config or (DEMO_CONFIG if is_demo else TrainConfig())
    base_weights = base_weights or (BUNDLED if is_demo else "imagenet")
    config = _of_one_network(config, base_weights)
    if is_demo:
        open_run(run, config, overwrite=overwrite, resume=resume)
        score_sample_photos(run)
        inputs = Inputs(*demo_inputs(run, config))
    else:
        assert photos is not None and ratings is not None and test_ratings is not None
        rated, tested = (as_ratings(given, images, scale) for given in (ratings, test_ratings))
        held_out = (
            None if validation_ratings is None else as_ratings(validation_ratings, images, scale)
        )
        inputs = Inputs(Path(photos), rated, held_out, tested)
        check_run(run, config, overwrite=overwrite, resume=resume)
        split_ratings(rated, held_out, config.finetune)  # or it would fail after pretraining
        list_photos(inputs.photos, lists)
        open_run(run, config, overwrite=overwrite, resume=resume)
    learn = partial(
        pretrain,
        inputs.photos,
        base_weights=base_weights,
        training_list=training_list,
        validation_list=validation_list,
        test_list=test_list,
    )
    pretraining = carry_on(run / "pretrain", config.pretrain, PretrainResults, learn)
    copy_weights(run / "pretrain" / "backbone.h5", run / "backbone.h5")
    learn_ratings = partial(
        finetune,
        inputs.ratings,
        validation_ratings=inputs.validation_ratings,
        backbone=str(run / "backbone.h5"),
    )
    finetuning = carry_on(run / "finetune", config.finetune, FinetuneResults, learn_ratings)
    check_trained_on(run, finetuning.ratings_sha256, inputs.ratings, config.finetune)
    copy_weights(run / "finetune" / "nima.h5", run / "nima.h5")
    evaluation = evaluate(
        run / "finetune" / "nima.h5",
        inputs.test_ratings,
        part="all",
        name="synthetic-test" if is_demo else "test",
    )

    scorer = load_scorer(run / "nima.h5")
    scores = list(scorer.score(find_photos(inputs.photos, archives=True)))
    write_table(run / "predictions.csv", predictions_table(scores, scorer.side_car.score_scale))
    results = TrainResults(
        pretrain=pretraining,
        finetune=finetuning,
        evaluation=evaluation.results,
        photos_scored=sum(not score.error for score in scores),
        seconds=round(time.perf_counter() - started, 1),
    )
    results.write(run)
    return results


def _of_one_network(config: TrainConfig, base_weights: str) -> TrainConfig:
    """Returns the config with the network of the base weights, where it sets none."""
    file, stage = start_from(base_weights, config.pretrain, "imagenet")
    check_base_weights(file)
    tuned = config.finetune.model_copy(update=stage.network.model_dump())
    return config.model_copy(update={"pretrain": stage, "finetune": tuned})


def _check_arguments(
    is_demo: bool,
    ratings: object | None,
    images: object | None,
    validation_ratings: object | None,
    test_ratings: object | None,
) -> None:
    given = {"--ratings": ratings, "--images": images, "--test-ratings": test_ratings}
    if isinstance(ratings, Ratings) and isinstance(test_ratings, Ratings):
        del given["--images"]  # in memory they have the paths of their images
    missing = [option for option, value in given.items() if value is None]
    if is_demo and (len(missing) < len(given) or validation_ratings is not None):
        raise InputError("Expected a folder of PHOTOS beside the ratings, received none.")
    if not is_demo and missing:
        raise InputError(
            f"Expected {', '.join(missing)} beside the photos: the full pipeline ends in "
            "fine-tuning and evaluation on human ratings. To pretrain alone, use `pretrain`."
        )
