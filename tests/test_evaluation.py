"""Evaluation: metrics of the model beside those of the constant."""

import numpy as np
import pytest

from nima_pretrain import metrics
from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.photos import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation import evaluate
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.networks.weights import ScaleConfig, SideCar

NETWORK = NetworkConfig(width=0.35, input_size=32)
SIDE_CAR = SideCar(kind="nima", network=NETWORK, scale=ScaleConfig(bins=5, low=1, high=5))


@pytest.fixture(scope="module")
def model():
    return build_nima(build_backbone(input_size=32, width=0.35), num_bins=5)


@pytest.fixture
def ratings(photo_folder):
    distributions = np.random.default_rng(0).dirichlet(np.ones(5), 6).astype(np.float32)
    return Ratings(tuple(find_photos(photo_folder)), distributions, ScoreScale(5))


def test_results_are_the_metrics_of_the_table(model, ratings):
    results, table = evaluate(model, SIDE_CAR, ratings)
    assert (results["images"], results["unreadable"], results["threshold"]) == (6, 0, 3)
    np.testing.assert_allclose(table["true_mean"], ratings.mean_scores)
    expected = metrics.mean_absolute_error(table["true_mean"], table["mean"])
    assert results["model"]["mae"] == pytest.approx(expected, rel=1e-5)
    assert results["constant"]["srcc"] is None
    constant = np.broadcast_to(ratings.distributions.mean(axis=0), (6, 5))
    expected_emd = metrics.earth_movers_distance(ratings.distributions, constant)
    assert results["constant"]["emd"] == pytest.approx(expected_emd)


def test_unreadable_photos_are_counted_and_left_out(model, ratings):
    ratings.paths[2].write_bytes(b"broken")
    results, table = evaluate(model, SIDE_CAR, ratings, threshold=2.5)
    assert (results["images"], results["unreadable"], results["threshold"]) == (5, 1, 2.5)
    assert table["status"].tolist().count("error") == 1


def test_another_scale_is_refused(model, ratings):
    other = Ratings(ratings.paths, np.full((6, 10), 0.1, np.float32), ScoreScale(10))
    with pytest.raises(InputError, match="5 bins from 1 to 5, received 10 bins from 1 to 10"):
        evaluate(model, SIDE_CAR, other)
