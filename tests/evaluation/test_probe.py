"""The ridge probe against plain linear algebra."""

from pathlib import Path

import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.evaluation import probe
from nima_pretrain.evaluation.probe import frozen_features, probe_predictions, ridge_probe

RNG = np.random.default_rng(0)
X, OTHERS = RNG.normal(2, 3, (40, 60)), RNG.normal(2, 3, (9, 60))
Y = X[:, :4].sum(axis=1) / 9 + RNG.normal(0, 0.5, 40) + 4


def ridge(x, y, others, penalty):
    x_mean, y_mean = x.mean(axis=0), y.mean()
    gram = (x - x_mean).T @ (x - x_mean) + penalty * np.eye(x.shape[1])
    return (others - x_mean) @ np.linalg.solve(gram, (x - x_mean).T @ (y - y_mean)) + y_mean


def test_the_probe_is_ridge_regression_with_the_best_left_out_penalty(monkeypatch):
    penalties = np.array([3.0, 300.0, 30000.0])
    monkeypatch.setattr(probe, "_PENALTIES", penalties)
    x, others = ((values - X.mean(axis=0)) / X.std(axis=0) for values in (X, OTHERS))
    rest = [np.delete(np.arange(40), left_out) for left_out in range(40)]
    errors = [
        np.mean([(ridge(x[k], Y[k], x[[i]], p)[0] - Y[i]) ** 2 for i, k in enumerate(rest)])
        for p in penalties
    ]
    expected = ridge(x, Y, others, penalties[np.argmin(errors)])
    np.testing.assert_allclose(ridge_probe(X, Y, OTHERS), expected, rtol=1e-6)


def test_predictions_stay_within_the_scale_and_leave_out_unreadable_photos():
    distributions = RNG.dirichlet(np.ones(5), 49)
    paths = tuple(Path(f"{number}.jpg") for number in range(49))
    ratings = Ratings(paths, distributions, ScoreScale(5))
    features = np.concatenate([X, 50 * OTHERS])
    features[[3, 45]] = np.nan
    predicted = probe_predictions(features, ratings, range(40), range(40, 49))
    assert np.isnan(predicted).tolist() == [False] * 5 + [True] + [False] * 3
    finite = predicted[np.isfinite(predicted)]
    assert ((finite >= 1) & (finite <= 5)).all()


def test_features_are_those_of_the_start_and_nan_for_broken_files(photo_folder):
    paths = find_photos(photo_folder)
    paths[2].write_bytes(b"broken")
    network = NetworkConfig(width=0.35, input_size=32)
    first, second = (frozen_features("none", network, paths) for _ in range(2))
    assert first.shape == (6, 1280)
    assert np.isnan(first[2]).all()
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(np.delete(first, 2, axis=0)).all()


@pytest.mark.shared
def test_the_probe_on_real_photographs_reaches_what_was_published(shared):
    folder = shared / "data" / "oasis-beauty"
    from nima_pretrain.data.rating_files import load_ratings
    from nima_pretrain.metrics import srcc

    ratings = load_ratings(folder / "labels.json", folder / "images")
    weights = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    network = NetworkConfig(width=0.35, input_size=128, fit="squash")
    features = frozen_features(str(shared / "data" / "weights" / weights), network, ratings.paths)
    lines = (folder / "folds.csv").read_text().splitlines()[1:]
    fold_of = dict(line.rsplit(",", 1) for line in lines)
    folds = np.array([fold_of[name] for name in ratings.names])
    predicted = np.zeros(len(ratings))
    for fold in set(folds):
        training, testing = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        predicted[testing] = probe_predictions(features, ratings, training, testing)
    # The sample's notes give .496 at a fixed penalty, with a standard error of .04.
    assert srcc(ratings.mean_scores, predicted) == pytest.approx(0.496, abs=0.06)
