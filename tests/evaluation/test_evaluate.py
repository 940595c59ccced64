"""Evaluation: metrics of the model beside those of the constant."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nima_pretrain import metrics
from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.ratings import Ratings, ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import agreement_with, evaluate
from nima_pretrain.evaluation.evaluation_files import (
    evaluations_of,
    read_predictions,
    scored_of,
    write_evaluation,
)
from nima_pretrain.evaluation.results import EvaluationResults
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.mirrored import MirrorAveraged
from nima_pretrain.weights.bundled import bundled_of
from nima_pretrain.weights.finding import find_model
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights

NETWORK = NetworkConfig(width=0.35, input_size=32)
SIDE_CAR = NimaCard(network=NETWORK, scale=ScaleConfig(bins=5, low=1, high=5))


@pytest.fixture(scope="module")
def model():
    return PhotoModel(build_nima(build_backbone(input_size=32, width=0.35), num_bins=5), NETWORK)


@pytest.fixture
def ratings(photo_folder):
    distributions = np.random.default_rng(0).dirichlet(np.ones(5), 6)
    return Ratings(tuple(find_photos(photo_folder)), distributions, ScoreScale(5))


def test_results_are_the_metrics_of_the_table(model, ratings):
    results, table = agreement_with(model, SIDE_CAR, ratings, resamples=50)
    assert (results.images, results.unreadable, results.threshold) == (6, 0, 3)
    assert results.ratings_sha256 == ratings.digest
    np.testing.assert_allclose(table["true_mean"], ratings.mean_scores)
    expected = (table["true_mean"] - table["mean"]).abs().mean()
    assert results.model["mae"] == pytest.approx(expected, rel=1e-5)
    assert results.model["emd"] == pytest.approx(table["emd"].mean())
    low, high = results.intervals["model"]["mae"]
    assert low < expected < high
    assert results.constant["srcc"] is None
    assert results.intervals["constant"]["srcc"] is None
    constant = np.broadcast_to(ratings.distributions.mean(axis=0), (6, 5))
    expected_emd = metrics.earth_movers_distances(ratings.distributions, constant).mean()
    assert results.constant["emd"] == pytest.approx(expected_emd)


def test_unreadable_photos_are_counted_and_left_out(model, ratings):
    ratings.paths[2].write_bytes(b"broken")
    results, table = agreement_with(model, SIDE_CAR, ratings, threshold=2.5, resamples=0)
    assert (results.images, results.unreadable, results.threshold) == (5, 1, 2.5)
    assert table["status"].tolist().count("error") == 1
    assert results.intervals is None
    assert "intervals" not in results.model_dump()


def test_categories_have_metrics_of_their_own(model, ratings, tmp_path):
    categories = ("sea", "city", "sea", "", "sea", "city")
    ratings = replace(ratings, categories=categories)
    found, table = agreement_with(model, SIDE_CAR, ratings, resamples=0)
    assert table["category"].tolist() == list(categories)
    assert set(found.categories) == {"sea"}  # two photos say nothing
    of_sea = dict(found.categories["sea"])
    alone, _ = agreement_with(model, SIDE_CAR, ratings.rows([0, 2, 4]), threshold=3, resamples=0)
    assert of_sea.pop("photos") == 3
    assert of_sea.keys() == alone.model.keys()
    for metric, value in alone.model.items():
        assert of_sea[metric] == (None if value is None else pytest.approx(value, rel=1e-5))
    write_evaluation(found, table, tmp_path, "rated")
    assert "by category" in (tmp_path / "report.html").read_text()
    (written,) = tmp_path.glob("evaluation/rated/results.json")
    assert '"photos": 3,' in written.read_text()
    two = agreement_with(model, SIDE_CAR, ratings.rows([1, 3]), resamples=0)
    write_evaluation(*two, tmp_path, "two")
    ratings.paths[2].write_bytes(b"broken")
    results, _ = agreement_with(model, SIDE_CAR, ratings, resamples=0)
    assert results.categories == {}


def test_another_scale_is_compared_as_it_is_and_mapped(model, ratings):
    scale = ScoreScale(10, 0, 9)
    distributions = np.random.default_rng(1).dirichlet(np.ones(10), 6)
    results, table = agreement_with(
        model, SIDE_CAR, Ratings(ratings.paths, distributions, scale), resamples=0
    )
    true = distributions @ scale.scores
    np.testing.assert_allclose(table["mapped_mean"], (table["mean"] - 1) / 4 * 9)
    assert results.model["mae"] == pytest.approx(np.abs(true - table["mean"]).mean())
    assert results.mapped["mae"] == pytest.approx(np.abs(true - table["mapped_mean"]).mean())
    assert results.model["srcc"] == pytest.approx(results.mapped["srcc"])
    assert results.threshold == 4.5
    assert results.mapped["emd"] is None  # five bins against ten
    shifted = Ratings(ratings.paths, ratings.distributions, ScoreScale(5, 0, 4))
    mapped, _ = agreement_with(model, SIDE_CAR, shifted, resamples=0)
    same, _ = agreement_with(model, SIDE_CAR, ratings, resamples=0)
    assert mapped.mapped == pytest.approx(same.model)
    assert mapped.model["emd"] is None


def test_evaluations_are_kept_with_the_run_and_not_replaced_by_others(model, ratings, tmp_path):
    results, table = agreement_with(model, SIDE_CAR, ratings, resamples=20)
    folder = write_evaluation(results, table, tmp_path, "votes")
    assert evaluations_of(tmp_path) == {"votes": folder}
    assert json.loads((folder / "results.json").read_text()) == results.model_dump(mode="json")
    assert EvaluationResults.read(folder) == results
    assert (folder / "predictions.png").stat().st_size > 1000
    assert "Evaluation on votes" in (tmp_path / "report.html").read_text()
    photos = scored_of(read_predictions(folder))
    assert photos.agreement(3).mae == pytest.approx(results.model["mae"])
    write_evaluation(results, table, tmp_path, "votes")
    fewer = agreement_with(model, SIDE_CAR, ratings.rows([0, 1, 2]), resamples=0)
    with pytest.raises(InputError, match="other ratings of the same name.*--name"):
        write_evaluation(*fewer, tmp_path, "votes")
    assert len(pd.read_csv(folder / "predictions.csv")) == 6


def test_a_name_that_is_taken_is_told_before_photos_are_scored(model, ratings, tmp_path):
    save_weights(model.model, tmp_path / "nima.h5", SIDE_CAR)
    evaluate(tmp_path / "nima.h5", ratings.rows([0, 1, 2]), name="votes", resamples=0)
    for path in ratings.paths:
        path.unlink()  # scoring would say that none can be read
    with pytest.raises(InputError, match="other ratings of the same name"):
        evaluate(tmp_path / "nima.h5", ratings, name="votes", resamples=0)


@pytest.mark.parametrize("name", ["a/b", "..", "."])
def test_a_name_that_is_none_of_a_folder_is_refused(model, ratings, tmp_path, name):
    save_weights(model.model, tmp_path / "nima.h5", SIDE_CAR)
    with pytest.raises(InputError, match="Expected a --name that can be that of a folder"):
        evaluate(tmp_path / "nima.h5", ratings, name=name, resamples=0)


def test_the_public_function_evaluates_a_file_and_keeps_the_result_beside_it(
    model, ratings, tmp_path
):
    save_weights(model.model, tmp_path / "nima.h5", SIDE_CAR)
    rated = replace(ratings, parts=("training", *["test"] * 5))
    found = evaluate(
        tmp_path / "nima.h5",
        rated,
        name="votes",
        output=tmp_path / "results.json",
        predictions=tmp_path / "table.csv",
        resamples=20,
    )
    results, table = agreement_with(model, SIDE_CAR, ratings.rows(range(1, 6)), resamples=20)
    assert (found.name, found.folder) == ("votes", tmp_path / "evaluation" / "votes")
    assert evaluations_of(tmp_path) == {"votes": found.folder}
    assert found.results.images == 5
    assert found.results.constant == results.constant
    assert found.results.model == pytest.approx(results.model)
    np.testing.assert_allclose(found.table["mean"], table["mean"], rtol=1e-6)
    text = (found.folder / "results.json").read_text()
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(text)
    assert len(pd.read_csv(tmp_path / "table.csv")) == 5
    whole = evaluate(tmp_path / "nima.h5", rated, part="all", resamples=0)
    assert (whole.name, whole.results.images) == ("ratings-all", 6)
    both = evaluate(tmp_path / "nima.h5", rated, with_mirrored=True, resamples=0)
    assert both.name == "ratings-test-mirrored"
    _, table = agreement_with(
        MirrorAveraged(model), SIDE_CAR, ratings.rows(range(1, 6)), resamples=0
    )
    np.testing.assert_allclose(both.table["mean"], table["mean"], rtol=1e-6)
    assert "Means over photos and their mirror images" in (tmp_path / "report.html").read_text()
    with pytest.raises(InputError, match="of the same name with mirror images. Give this one"):
        evaluate(tmp_path / "nima.h5", rated, name="ratings-test-mirrored", resamples=0)
    save_weights(model.model, tmp_path / "ratings_alone.h5", SIDE_CAR)
    with pytest.raises(InputError, match=r"of the same name of nima.h5. Give this one.*--name"):
        evaluate(tmp_path / "ratings_alone.h5", rated, name="votes", resamples=0)
    assert (found.folder / "results.json").read_text() == text
    with pytest.raises(InputError, match="Expected photos for validation"):
        evaluate(tmp_path / "nima.h5", rated, part="validation")


def test_results_of_bundled_weights_are_written_to_a_run_of_their_name(
    ratings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rated = replace(ratings, distributions=np.full((6, 7), 1 / 7), scale=ScoreScale(7))
    found = evaluate("bundled", rated, resamples=0)
    weights = bundled_of("nima")
    assert found.folder == Path("runs", weights.stem, "evaluation", "ratings")
    assert EvaluationResults.read(tmp_path / found.folder).weights == weights.name
    assert find_model(weights) == (weights, weights.parent)
