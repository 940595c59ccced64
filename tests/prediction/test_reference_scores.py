"""Reference scores and doctor: weights that score as they did, and those that do not."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.reference_scores import compare_reference_scores, reference_scores
from nima_pretrain.weights.side_car import NimaCard, ReferenceScore, ScaleConfig
from nima_pretrain.weights.store import save_weights

NETWORK = NetworkConfig(width=0.35, input_size=32)
SCALE = ScoreScale(5)


def side_car(scores, network=NETWORK):
    scale = ScaleConfig(bins=5, low=1, high=5)
    return NimaCard(network=network, scale=scale, reference_scores=scores)


def test_the_same_weights_give_the_same_scores(lively_nima):
    model = PhotoModel(lively_nima, NETWORK)
    scores = reference_scores(model, SCALE)
    assert set(scores) == {"astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png"}
    comparisons = compare_reference_scores(model, side_car(scores))
    assert [comparison.agrees for comparison in comparisons] == [True] * 4


def test_another_preparation_of_photos_is_noticed(lively_nima):
    scores = reference_scores(PhotoModel(lively_nima, NETWORK), SCALE)
    squashing = PhotoModel(lively_nima, NETWORK.model_copy(update={"fit": "squash"}))
    comparisons = compare_reference_scores(squashing, side_car(scores))
    assert not all(comparison.agrees for comparison in comparisons)


def test_another_photograph_of_that_name_is_not_compared(lively_nima):
    model = PhotoModel(lively_nima, NETWORK)
    scores = {"coffee.png": ReferenceScore(sha256="0" * 64, mean=3.0)}
    (comparison,) = compare_reference_scores(model, side_car(scores))
    assert comparison == ("coffee.png", 3.0, None, None)


@pytest.mark.parametrize(("shift", "code", "verdict"), [(0, 0, "the same"), (0.1, 1, "NOT the")])
def test_doctor_says_what_is_installed_and_whether_weights_score_right(
    tmp_path, lively_nima, shift, code, verdict
):
    scores = {
        name: ReferenceScore(sha256=score.sha256, mean=score.mean + shift)
        for name, score in reference_scores(PhotoModel(lively_nima, NETWORK), SCALE).items()
    }
    save_weights(lively_nima, tmp_path / "nima.h5", side_car(scores))
    program = Path(sys.executable).with_name("nima-pretrain")
    done = subprocess.run(
        [program, "doctor", "--weights", str(tmp_path / "nima.h5")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert verdict in done.stdout
    for word in (keras.__version__, "GPU", "HEIC photos", "downloaded weights"):
        assert word in done.stdout
