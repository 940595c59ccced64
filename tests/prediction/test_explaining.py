"""Explanations: the levels of a regression head in words, and levels that are not reported."""

import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, build_pretext_model
from nima_pretrain.prediction.explaining import Explainer, load_explainer
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.formats import JsonLines
from nima_pretrain.prediction.predict import predict
from nima_pretrain.prediction.scoring import outputs_of_photos
from nima_pretrain.pretext.levels import levels_model, usual_levels
from nima_pretrain.weights.side_car import NimaCard, PretextCard, ScaleConfig
from nima_pretrain.weights.store import save_weights

BANK = get_bank("paper")
NAMES = [distortion.name for distortion in BANK]
NETWORK = NetworkConfig(width=0.35, input_size=32, fit="squash")


def levels(**values):
    result = np.zeros(len(BANK))
    for name, value in values.items():
        result[NAMES.index(name)] = value
    return result


def explainer(mean=0.0, deviation=0.0):
    return Explainer(None, BANK, np.tile([mean, deviation], (len(BANK), 1)))


def test_the_strongest_come_first_with_signs_where_there_are_two_sides():
    seen = levels(exposure=0.61, defocus_blur=0.42, tint=-0.3, rotate=0.25, jpeg_compression=0.1)
    assert explainer().text(seen) == "exposure +0.6, defocus blur 0.4, tint -0.3"
    assert explainer().text(levels(exposure=0.19)) == ""


def test_less_blur_than_none_is_not_said():
    assert explainer().text(levels(defocus_blur=-0.9, exposure=-0.5)) == "exposure -0.5"


def test_levels_beyond_those_of_the_training_are_said_to_be_out_of_range():
    seen = levels(vibrance=-2.9, defocus_blur=7.0, exposure=1.04)
    assert explainer().text(seen) == "defocus blur > 1.0, vibrance < -1.0, exposure +1.0"
    assert explainer(mean=-0.5).text(levels(exposure=0.8) - 0.5) == "exposure +0.8"


def test_what_undistorted_photos_get_as_well_is_no_news():
    assert explainer(mean=0.5).text(levels() + 0.55) == ""
    assert explainer(mean=0.5).text(levels(exposure=0.6) + 0.5) == "exposure +0.6"
    assert explainer(deviation=0.4).text(levels(exposure=0.7)) == ""
    assert explainer(deviation=0.3).text(levels(exposure=0.7)) == "exposure +0.7"


def save_pretext(path, tasks, **more):
    model = build_pretext_model(build_backbone(input_size=32, width=0.35), BANK, tasks)
    side_car = PretextCard(
        network=NETWORK, bank="paper", view_names=BANK.view_names, tasks=tasks, **more
    )
    save_weights(model, path, side_car)
    return model


def test_levels_are_those_of_the_whole_pretext_model(tmp_path, photo_folder):
    model = save_pretext(tmp_path / "pretext.h5", ("ranking", "regression"))
    paths = find_photos(photo_folder)
    photos = np.stack([load_fitted(path, 32, "squash") for path in paths])
    features = model.backbone.predict(photos, verbose=0)
    padded = np.zeros((1, BANK.num_views, features.shape[-1]), np.float32)
    padded[0, : len(paths)] = features
    expected = model.predict_from_features(padded)["regression"][0, : len(paths)]
    loaded = load_explainer(tmp_path / "pretext.h5")
    np.testing.assert_allclose(loaded.model(photos), expected, atol=1e-5)
    seen = outputs_of_photos([levels_model(model, NETWORK)], paths)
    usual = np.array(usual_levels(np.stack([outputs.by_model[0] for _, outputs in seen])))
    np.testing.assert_allclose(usual[:, 0], expected.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(usual[:, 1], expected.std(axis=0), atol=1e-5)


def test_a_model_without_a_regression_head_is_refused(tmp_path):
    save_pretext(tmp_path / "pretext.h5", ("ranking", "classification"))
    with pytest.raises(InputError, match=r"regression head, but .* ranking and classification"):
        load_explainer(tmp_path / "pretext.h5")


def test_usual_levels_of_another_bank_are_refused(tmp_path):
    save_pretext(tmp_path / "pretext.h5", ("regression",), usual_levels=((0.0, 1.0),) * 3)
    with pytest.raises(InputError, match="usual_levels of the .* received 3"):
        load_explainer(tmp_path / "pretext.h5")


def test_rows_carry_the_explanation_though_the_two_models_differ_in_fit(
    tmp_path, photo_folder, lively_nima
):
    usual = tuple((-0.7 if name == "exposure" else 0.0, 0.0) for name in NAMES)
    save_pretext(tmp_path / "pretext.h5", ("regression",), usual_levels=usual)
    network = NetworkConfig(width=0.35, input_size=32)
    side_car = NimaCard(network=network, scale=ScaleConfig(bins=5, low=1, high=5))
    save_weights(lively_nima, tmp_path / "nima.h5", side_car)
    predict(
        photo_folder,
        weights=tmp_path / "nima.h5",
        explain=tmp_path / "pretext.h5",
        output=tmp_path / "rows.jsonl",
    )
    with ScoreFile(tmp_path / "rows.jsonl", JsonLines(), resume=True) as rows:
        assert [row.explanation for row in rows] == ["exposure +0.7"] * 6
