"""The whole road: pretrain, fine-tune, evaluate, score; and the demo that walks it."""

import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from nima_pretrain.config import FinetuneConfig, PretrainConfig, TrainConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.rating_files import load_ratings
from nima_pretrain.data.ratings import Ratings
from nima_pretrain.data.samples import write_embedded_quarters, write_synthetic_ratings
from nima_pretrain.data.split import SplitFiles, list_photos, split_photos
from nima_pretrain.distortions import get_bank
from nima_pretrain.evaluation.evaluate import evaluate, write_evaluation
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import predictions_table, score_photos
from nima_pretrain.training import finetune, pretrain
from nima_pretrain.training.run_directory import carry_on
from nima_pretrain.weights.store import load_model, read_side_car, side_car_path

# Small enough for five minutes on two cores, from random weights: nothing is downloaded. So the
# rate of pretraining is higher than the paper's, which starts from ImageNet weights; and the
# backbone, which has learned little in 55 steps, is set free after one epoch of the head.
DEMO_CONFIG = TrainConfig(
    pretrain=PretrainConfig(
        width=0.35,
        input_size=96,
        photos_per_batch=2,
        chunk_size=348,
        epochs=5,
        learning_rate=3e-4,
    ),
    finetune=FinetuneConfig(
        width=0.35,
        input_size=96,
        batch_size=32,
        epochs=16,
        head_epochs=1,
        dropout=0.2,
    ),
)


class RoadInputs(NamedTuple):
    """What the whole road starts from."""

    photos: Path
    ratings: Ratings
    validation_ratings: Ratings | None
    test_ratings: Ratings
    lists: SplitFiles | None = None


def train(
    inputs: RoadInputs,
    run: Path,
    config: TrainConfig,
    base_weights: str = "imagenet",
) -> dict[str, Any]:
    """Runs all stages and returns their results, which `results.json` holds too.

    Each stage has a folder of its own in the run. What is finished there is taken as it is, and
    what was stopped goes on. Beside them lie what one came for:
    `backbone.h5`, `nima.h5`, `predictions.csv` with the scores of the photos, `results.json`.

    Args:
        inputs: photos and ratings.
        run: the run directory; it exists.
        config: of both stages.
        base_weights: what pretraining starts from; see `networks.weights.load_base_weights`.

    Raises:
        InputError: photos, ratings or weights are not what they should be.
    """
    started = time.perf_counter()
    first, second = run / "pretrain", run / "finetune"
    photos, ratings, validation = inputs.photos, inputs.ratings, inputs.validation_ratings
    backbone = str(run / "backbone.h5")
    pretraining = carry_on(
        first,
        config.pretrain,
        lambda: pretrain.pretrain(photos, first, config.pretrain, base_weights, inputs.lists),
        lambda: pretrain.resume(photos, first, config.pretrain),
    )
    _copy_weights(first / "backbone.h5", run)
    finetuning = carry_on(
        second,
        config.finetune,
        lambda: finetune.finetune(ratings, second, config.finetune, validation, backbone),
        lambda: finetune.resume(ratings, second, config.finetune, validation),
    )
    _copy_weights(second / "nima.h5", run)

    side_car = read_side_car(run / "nima.h5")
    model = load_model(run / "nima.h5")
    evaluation = evaluate(
        model,
        side_car,
        inputs.test_ratings,
    )
    write_evaluation(evaluation, second, "test")
    paths = find_photos(inputs.photos)
    scores = list(score_photos(PhotoModel(model, side_car.network), paths))
    with replacing(run / "predictions.csv") as partial:
        predictions_table(scores, side_car.score_scale).to_csv(partial, index=False)
    results = {
        "pretrain": pretraining,
        "finetune": finetuning,
        "evaluation": evaluation.results,
        "photos_scored": sum(score.distribution is not None for score in scores),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(run / "results.json", results)
    return results


def demo_inputs(run: Path, config: TrainConfig) -> RoadInputs:
    """Lays out quarters of the embedded photographs and synthetic ratings in the run."""
    photos = write_embedded_quarters(run / "photos")
    pretraining = config.pretrain
    split, _ = split_photos(
        list_photos(photos), run / "unreadable.csv", pretraining.split, pretraining.seed
    )
    folder = run / "synthetic_ratings"
    ratings = []
    for part in ("training", "validation", "test"):
        file, images = folder / f"{part}.json", folder / "images"
        write_synthetic_ratings(
            [split.root / name for name in getattr(split, part)],
            get_bank(pretraining.bank),
            file,
            images,
            size=config.finetune.input_size,
            seed=pretraining.seed,
        )
        ratings.append(load_ratings(file, images))
    training, validation, test = ratings
    return RoadInputs(photos, training, validation, test)


def _copy_weights(weights: Path, folder: Path) -> None:
    for path in (weights, side_car_path(weights)):
        shutil.copyfile(path, folder / path.name)
