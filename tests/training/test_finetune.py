"""Fine-tuning: frozen until the plateau, then really free; the best epoch kept."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import FinetuneConfig, load_config
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, load_model
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import compare_reference_scores
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.ratings_split import split_ratings
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import BackboneCard, NimaCard
from nima_pretrain.weights.store import save_weights
from tests.conftest import ROOT
from tests.small_networks import SMALL, SMALL_NETWORK

CONFIG = FinetuneConfig(
    **SMALL,
    batch_size=8,
    epochs=12,
    head_learning_rate=0.05,
    plateau_patience=1,
    early_stopping_patience=2,
    min_delta=0.02,
    dropout=0.0,
)


@pytest.fixture
def ratings(tmp_path):
    """Bright photos are liked, dark ones are not."""
    rng = np.random.default_rng(0)
    paths, distributions = [], []
    for number in range(24):
        brightness = 40 + 180 * (number % 2)
        pixels = np.clip(rng.normal(brightness, 30, (32, 32, 3)), 0, 255)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.uint8(pixels)).save(paths[-1])
        distributions.append([0.1, 0.1, 0.8] if number % 2 else [0.8, 0.1, 0.1])
    return Ratings(tuple(paths), np.float32(distributions), ScoreScale(3))


@pytest.fixture
def start(tmp_path):
    backbone = build_backbone("MobileNet", input_size=32, width=0.25)
    save_weights(backbone, tmp_path / "start.h5", BackboneCard(network=SMALL_NETWORK))
    return tmp_path / "start.h5"


def fitted(ratings, run, config, start, **options):
    """Fine-tunes, and chooses the epoch by the same ratings if no others are given."""
    options = {"validation_ratings": ratings, **options}
    return finetune(ratings, run, backbone=str(start), config=config, **options)


def kernel(model):
    return model.get_layer("conv1").get_weights()[0]


@pytest.mark.slow
def test_the_backbone_is_frozen_until_the_plateau_and_then_moves(ratings, start, tmp_path):
    run = tmp_path / "run"
    results = fitted(ratings, run, CONFIG, start)
    log = pd.read_csv(run / "log.csv")
    assert 1 < results.head_epochs < results.epochs == len(log) <= 12
    frozen = log["backbone_learning_rate"] == 0
    assert frozen.sum() == results.head_epochs
    assert log["epoch"].tolist() == list(range(len(log)))
    best = load_model(run / "nima.h5")
    moved = np.abs(kernel(best) - kernel(load_model(start))).max()
    if results.best_epoch > results.head_epochs:
        assert moved > 0
    else:
        assert moved == 0
    assert results.best_epoch == log["val_loss"].idxmin() + 1
    side_car = read_side_car(run / "nima.h5", NimaCard)
    assert side_car.training_data["photos"] == 24
    assert side_car.score_scale == ScoreScale(3, 1, 3)
    means = ratings.mean_scores
    assert side_car.training_scores[0] == pytest.approx(means.min(), abs=1e-6)
    assert side_car.training_scores[50] == pytest.approx(np.median(means), abs=1e-6)
    comparisons = compare_reference_scores(PhotoModel(best, side_car.network), side_car)
    assert [comparison.agrees for comparison in comparisons] == [True] * 4
    assert json.loads((run / "results.json").read_text())["metrics"]["val_loss"] == pytest.approx(
        log["val_loss"].min(), rel=1e-6
    )


@pytest.mark.slow
def test_the_backbone_stays_as_it_was_until_the_plateau(ratings, start, tmp_path):
    # Nothing gains 9 points: the first epoch after the first one is the plateau.
    config = CONFIG.model_copy(update={"epochs": 2, "min_delta": 9.0})
    results = fitted(ratings, tmp_path / "run", config, start)
    assert results.head_epochs == 2
    np.testing.assert_array_equal(
        kernel(load_model(tmp_path / "run" / "nima.h5")), kernel(load_model(start))
    )


@pytest.mark.slow
def test_training_lowers_the_loss(ratings, start, tmp_path):
    config = CONFIG.model_copy(
        update={
            "epochs": 25,
            "plateau_patience": 8,
            "early_stopping_patience": 25,
            "head_learning_rate": 2e-3,
            "backbone_learning_rate": 2e-3,
        }
    )
    results = fitted(ratings, tmp_path / "run", config, start)
    assert results.best_epoch > results.head_epochs
    moved = kernel(load_model(tmp_path / "run" / "nima.h5")) - kernel(load_model(start))
    assert np.abs(moved).max() > 0
    losses = pd.read_csv(tmp_path / "run" / "log.csv")["loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]


def test_ratings_on_two_scales_are_refused(ratings, start, tmp_path):
    other = Ratings(ratings.paths, np.full((24, 4), 0.25, np.float32), ScoreScale(4))
    with pytest.raises(
        InputError, match="validation ratings of 3 bins from 1 to 3, .* received 4 bins"
    ):
        fitted(ratings, tmp_path / "run", CONFIG, start, validation_ratings=other)


def test_unreadable_photos_are_listed_and_none_left_is_refused(ratings, start, tmp_path):
    for path in ratings.paths:
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="only 0 and 0 can be read; .*unreadable.csv"):
        fitted(ratings, tmp_path / "run", CONFIG, start, validation_ratings=None)
    assert len(pd.read_csv(tmp_path / "run" / "unreadable.csv")) == 24


@pytest.mark.slow
def test_idealos_recipe_takes_its_epochs_and_its_rates(ratings, start, tmp_path):
    file = ROOT / "models" / "MobileNet" / "config_finetune_idealo.json"
    idealo = load_config(FinetuneConfig, file)
    assert (idealo.head_epochs, idealo.epochs, idealo.crop_from) == (5, 14, 256)
    changes = {
        **SMALL,
        "fit": "letterbox",
        "crop_from": 36,
        "head_epochs": 1,
        "epochs": 3,
        "batch_size": 8,
    }
    config = FinetuneConfig(**{**idealo.model_dump(), **changes})
    results = fitted(ratings, tmp_path / "run", config, start)
    assert (results.head_epochs, results.epochs) == (1, 3)
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    # The rate of the last step of each epoch, of three steps each.
    expected = [0, *(3e-5 / (1 + 2.3e-5 * steps) for steps in (2, 5))]
    np.testing.assert_allclose(log["backbone_learning_rate"], expected, rtol=1e-6)
    np.testing.assert_allclose(log["head_learning_rate"], [1e-3, *expected[1:]], rtol=1e-6)


def test_a_share_of_the_training_ratings_is_taken_and_all_for_validation(ratings):
    config = CONFIG.model_copy(update={"share": 0.25})
    training, validation = split_ratings(ratings, ratings, config)
    assert training.paths == ratings.share(0.25, config.seed).paths
    assert (len(training), len(validation)) == (6, 24)


def test_ratings_with_a_split_are_trained_and_validated_by_it(ratings):
    parts = tuple("training" if n % 3 else ("validation", "test")[n % 2] for n in range(24))
    training, validation = split_ratings(replace(ratings, parts=parts), None, CONFIG)
    assert (len(training), len(validation)) == (16, 4)
    with pytest.raises(InputError, match="None of the ratings is for training"):
        split_ratings(replace(ratings, parts=("test",) * 24), None, CONFIG)


def test_a_share_that_is_none_is_refused(ratings, tmp_path):
    with pytest.raises(InputError, match="share.*less than or equal to 1, received 2"):
        finetune(ratings, tmp_path / "run", share=2)
    assert not (tmp_path / "run").exists()
