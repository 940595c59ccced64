"""Weights and side-cars: round trips, other people's files, refusals."""

import json
import os
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, build_nima, build_pretext_model, load_model
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, PretextCard, ScaleConfig
from nima_pretrain.weights.store import load_base_weights, save_weights
from tests.keras_files import save_model_as_keras_2

NETWORK = NetworkConfig(width=0.35, input_size=32)
PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def backbone():
    return build_backbone(input_size=32, width=0.35)


@pytest.fixture
def backbone_file(backbone, tmp_path):
    save_weights(backbone, tmp_path / "backbone.h5", BackboneCard(network=NETWORK))
    return tmp_path / "backbone.h5"


def test_a_backbone_survives_its_file(backbone, backbone_file):
    np.testing.assert_array_equal(load_model(backbone_file)(PHOTOS), backbone(PHOTOS))


def test_a_backbone_file_loads_into_plain_keras(backbone, backbone_file):
    plain = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=backbone_file, pooling="avg"
    )
    np.testing.assert_allclose(plain(PHOTOS / np.float32(127.5) - 1), backbone(PHOTOS), atol=1e-5)


def test_large_arrays_take_less_room_than_their_numbers(backbone_file):
    with h5py.File(backbone_file) as file:
        kernel = file["Conv_1/Conv_1/kernel:0"]
        assert kernel.id.get_storage_size() < 0.95 * kernel.nbytes


def test_a_nima_survives_its_file_scale_and_all(backbone, tmp_path):
    model = build_nima(backbone, num_bins=7)
    scale = ScaleConfig(bins=7, low=1, high=7)
    side_car = NimaCard(network=NETWORK, scale=scale, metrics={"val_loss": 0.1})
    save_weights(model, tmp_path / "nima.h5", side_car)
    np.testing.assert_array_equal(load_model(tmp_path / "nima.h5")(PHOTOS), model(PHOTOS))
    read = read_side_car(tmp_path / "nima.h5", NimaCard)
    assert read.score_scale.scores.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert read.metrics == {"val_loss": 0.1}
    assert len(read.sha256) == 64


def test_a_pretext_model_survives_its_file(backbone, tmp_path):
    bank = get_bank("paper")
    tasks = ("ranking", "regression")
    model = build_pretext_model(backbone, bank, tasks)
    side_car = PretextCard(network=NETWORK, bank=bank.name, view_names=bank.view_names, tasks=tasks)
    save_weights(model, tmp_path / "pretext.h5", side_car)
    views = np.random.default_rng(0).integers(0, 256, (1, 174, 32, 32, 3), np.uint8)
    again = load_model(tmp_path / "pretext.h5")
    np.testing.assert_array_equal(again(views)["regression"], model(views)["regression"])
    changed = {"view_names": tuple(reversed(bank.view_names))}
    save_weights(model, tmp_path / "pretext.h5", side_car.model_copy(update=changed))
    with pytest.raises(InputError, match="trained on other views than 'paper'"):
        load_model(tmp_path / "pretext.h5")
    for tasks in (("level_consistency",), ("cross_photo_ranking", "ranking"), ("ranking",) * 2):
        save_weights(model, tmp_path / "pretext.h5", side_car.model_copy(update={"tasks": tasks}))
        with pytest.raises(InputError, match="cannot be loaded: Expected .*, received"):
            load_model(tmp_path / "pretext.h5")


@pytest.mark.shared
def test_keras_imagenet_weights_load_by_path_exactly(shared):
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    path = shared / "data" / "weights" / name
    ours = build_backbone(input_size=96, width=0.35)
    load_base_weights(ours, str(path), NetworkConfig(width=0.35, input_size=96))
    theirs = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=path, pooling="avg"
    )
    photos = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    np.testing.assert_allclose(ours(photos), theirs(photos / np.float32(127.5) - 1), atol=1e-4)


def test_a_pretrained_backbone_starts_another_size(backbone, backbone_file):
    larger = build_backbone(input_size=64, width=0.35)
    load_base_weights(larger, str(backbone_file), NetworkConfig(width=0.35, input_size=64))
    for ours, theirs in zip(larger.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_width_are_refused_by_name(backbone_file):
    wider = build_backbone(input_size=32, width=0.5)
    with pytest.raises(InputError, match="are of width 0.35, but the config asks for 0.5"):
        load_base_weights(wider, str(backbone_file), NetworkConfig(width=0.5, input_size=32))
    with pytest.raises(InputError, match="are of fit 'letterbox', .* Pass --set fit=letterbox"):
        load_base_weights(wider, str(backbone_file), NETWORK.model_copy(update={"fit": "squash"}))
    alone = backbone_file.rename(backbone_file.with_name("alone.h5"))
    with pytest.raises(
        InputError,
        match=r"alone.h5 do not fit the network \(backbone, .*expected shapes",
    ):
        load_base_weights(wider, str(alone), NetworkConfig(width=0.5, input_size=32))


def test_weights_of_another_kind_are_refused(backbone, backbone_file, tmp_path):
    with pytest.raises(InputError, match="weights of a nima model, but .* those of a backbone"):
        load_model(backbone_file, NimaCard)
    scale = ScaleConfig(bins=10, low=1, high=10)
    side_car = NimaCard(network=NETWORK, scale=scale)
    save_weights(build_nima(backbone), tmp_path / "nima.h5", side_car)
    with pytest.raises(InputError, match="weights of a backbone model, but .* those of a nima"):
        load_base_weights(backbone, str(tmp_path / "nima.h5"), NETWORK)


def test_files_that_do_not_belong_together_are_refused(backbone_file, tmp_path):
    side_car = tmp_path / "backbone.json"
    content = json.loads(side_car.read_text())
    side_car.write_text(json.dumps({**content, "sha256": "0" * 64}))
    with pytest.raises(InputError, match="is not the file that backbone.json describes"):
        load_model(backbone_file)
    side_car.write_text(json.dumps({**content, "colour": "red"}))
    with pytest.raises(InputError, match="colour: Extra inputs are not permitted, received 'red'"):
        load_model(backbone_file)
    side_car.unlink()
    with pytest.raises(InputError, match="Expected the side-car backbone.json beside"):
        load_model(backbone_file)
    with pytest.raises(InputError, match=r"but .*none.h5 does not exist"):
        load_model(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"preprocessing": "as it comes"},
            r"wants photos prepared by 'as it comes', this version .* by 'upright sRGB",
        ),
        ({"scale": {"bins": 7, "low": 1, "high": 7}}, r"layer 'head': expected shapes .*\(7,\)"),
        (
            {"network": {**NETWORK.model_dump(), "fit": "crop"}},
            "network.fit: Input should be 'letterbox' or 'squash', received 'crop'",
        ),
        ({"scale": None}, "scale: Input should be a valid dictionary .* received None"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(backbone, tmp_path, changes, message):
    side_car = NimaCard(network=NETWORK, scale=ScaleConfig(bins=5, low=1, high=5))
    save_weights(build_nima(backbone, num_bins=5), tmp_path / "nima.h5", side_car)
    file = tmp_path / "nima.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "nima.h5")


def test_files_that_are_no_weights_are_refused(backbone, tmp_path):
    (tmp_path / "text.h5").write_text("These are not weights.")
    with pytest.raises(InputError, match="text.h5 do not fit"):
        load_base_weights(backbone, str(tmp_path / "text.h5"), NETWORK)
    with pytest.raises(InputError, match="'imagenet', 'none' or a weights file, but gone.h5"):
        load_base_weights(backbone, "gone.h5", NETWORK)


def test_what_is_frozen_changes_nothing_in_the_file(backbone, tmp_path):
    model = build_nima(backbone, num_bins=7)
    side_car = NimaCard(network=NETWORK, scale=ScaleConfig(bins=7, low=1, high=7))
    for trainable in (False, True):
        backbone.trainable = trainable
        save_weights(model, tmp_path / "nima.h5", side_car)
        np.testing.assert_array_equal(load_model(tmp_path / "nima.h5")(PHOTOS), model(PHOTOS))


def test_whole_models_are_refused(backbone, tmp_path):
    path = tmp_path / "whole.h5"
    save_model_as_keras_2(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    with pytest.raises(InputError, match="weights alone, it holds a whole model"):
        load_base_weights(backbone, str(path), NETWORK)


@pytest.mark.slow
def test_without_a_network_the_message_says_where_imagenet_weights_can_be_had(tmp_path):
    code = (
        "from nima_pretrain.config import NetworkConfig\n"
        "from nima_pretrain.networks import build_backbone\n"
        "from nima_pretrain.weights.store import load_base_weights\n"
        "load_base_weights(build_backbone(input_size=32), 'imagenet', NetworkConfig(input_size=32))"
    )
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "HOME": str(tmp_path), "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    message = done.stderr.strip().splitlines()[-1]
    assert "this machine may be offline. Bring https://storage.googleapis.com/" in message
    assert "or start from 'bundled'" in message
