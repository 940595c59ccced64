"""Constant models are named wherever a model is trained, measured or checked."""

import json
import logging

import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.evaluation.evaluate import evaluate
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import reference_scores
from nima_pretrain.prediction.variation import hardly_differ, warn_of_features, warning_of_scores
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights
from tests.processes import finish, program

NETWORK = NetworkConfig(width=0.35, input_size=32)
SCALE = ScaleConfig(bins=5, low=1, high=5)


@pytest.fixture(scope="module")
def dead():
    """A backbone whose units are off for every photo, at the last layer."""
    backbone = build_backbone(input_size=32, width=0.35)
    norm = [
        layer for layer in backbone._flatten_layers() if "batch" in type(layer).__name__.lower()
    ]
    gamma, beta, mean, variance = norm[-1].get_weights()
    norm[-1].set_weights([gamma * 0, beta - 1, mean, variance])
    return backbone


def test_the_bound_is_a_thousandth_of_what_outputs_could_differ_by():
    features = 1 + np.random.default_rng(0).normal(size=(50, 8))
    assert not hardly_differ(features)
    assert not hardly_differ(1 + 0.01 * features)
    assert hardly_differ(np.ones((50, 8)) + 1e-6 * features)
    assert hardly_differ(np.zeros((50, 8)))
    assert hardly_differ(np.linspace(3, 3.003, 9), extent=4)
    assert not hardly_differ(np.linspace(3, 3.1, 9), extent=4)
    assert not hardly_differ(np.ones(1), extent=4)


def test_a_dead_backbone_is_named_and_a_random_one_is_not(dead, photo_folder, caplog):
    paths = find_photos(photo_folder)
    warn_of_features(PhotoModel(build_backbone(input_size=32, width=0.35), NETWORK), paths)
    assert caplog.text == ""
    warn_of_features(PhotoModel(dead, NETWORK), paths)
    assert "features of 6 photos hardly differ: it may be constant" in caplog.text
    assert "Start from other weights" in caplog.text


def test_scores_are_judged_by_the_width_of_their_scale(caplog):
    assert warning_of_scores([3.0, 3.1], ScoreScale(5)) is None
    assert caplog.text == ""
    said = warning_of_scores([3.0, 3.0005, 3.0], ScoreScale(5))
    assert said.startswith("The 3 scores hardly differ: they are 3 to 3.001 on a scale of 5 bins")
    assert said in caplog.text


@pytest.fixture
def constant(dead, tmp_path):
    model = build_nima(dead, 5)
    scores = reference_scores(PhotoModel(model, NETWORK), ScoreScale(5))
    card = NimaCard(network=NETWORK, scale=SCALE, reference_scores=scores)
    save_weights(model, tmp_path / "nima.h5", card)
    return tmp_path / "nima.h5"


def test_evaluate_says_it_in_results_and_report(constant, photo_folder, caplog):
    distributions = np.random.default_rng(0).dirichlet(np.ones(5), 6)
    ratings = Ratings(tuple(find_photos(photo_folder)), distributions, ScoreScale(5))
    with caplog.at_level(logging.WARNING):
        found = evaluate(constant, ratings, resamples=0)
    assert "The 6 scores hardly differ" in found.results.warning
    assert found.results.warning in caplog.text
    saved = json.loads((found.folder / "results.json").read_text())
    assert saved["warning"] == found.results.warning
    assert "The 6 scores hardly differ" in (constant.parent / "report.html").read_text()


@pytest.mark.slow
def test_doctor_and_finetune_say_it(dead, constant, photo_folder, tmp_path):
    done = finish(program("doctor", "--weights", constant))
    assert done.returncode == 0, done.stderr
    assert "scores hardly differ" in done.stderr
    save_weights(dead, tmp_path / "backbone.h5", BackboneCard(network=NETWORK))
    rows = [f"{path.relative_to(photo_folder)},1,2,3" for path in find_photos(photo_folder)]
    (tmp_path / "ratings.csv").write_text("\n".join(["path,p1,p2,p3", *rows]))
    files = ("--ratings", tmp_path / "ratings.csv", "--images", photo_folder)
    places = ("--backbone", tmp_path / "backbone.h5", "--run", tmp_path / "run")
    settings = ("--set", "input_size=32", "epochs=1", "head_epochs=1")
    done = finish(program("finetune", *files, *places, *settings))
    assert done.returncode == 0, done.stderr
    assert "The backbone's features of" in done.stderr
    assert "scores hardly differ" in done.stderr
