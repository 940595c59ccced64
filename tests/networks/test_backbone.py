"""The backbones, each beside the network of keras.applications that it is made of."""

from typing import get_args

import keras
import numpy as np
import pytest

from nima_pretrain.config import BackboneName, NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, load_model
from nima_pretrain.weights.side_car import BackboneCard
from nima_pretrain.weights.store import load_base_weights, save_weights
from tests.keras_files import IS_KERAS_3, save_weights_as_keras_2

MODULES = {
    "MobileNetV2": "mobilenet_v2",
    "MobileNet": "mobilenet",
    "ResNet50": "resnet",
    "VGG16": "vgg16",
    "DenseNet121": "densenet",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
}


@pytest.mark.parametrize(("size", "width", "features"), [(32, 0.35, 1280), (45, 1.4, 1792)])
def test_backbones_of_any_size_and_width_take_8_bit_photos(size, width, features):
    backbone = build_backbone(input_size=size, width=width)
    photos = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    assert backbone(photos).shape == (2, features)


def test_rescaling_to_minus_one_and_one_is_inside():
    backbone = build_backbone(input_size=32, width=0.35)
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    plain = keras.applications.MobileNetV2(
        (32, 32, 3), 0.35, include_top=False, weights=None, pooling="avg"
    )
    plain.set_weights(backbone.get_weights())
    expected = plain(photos / np.float32(127.5) - 1)
    np.testing.assert_allclose(backbone(photos), expected, rtol=1e-4, atol=1e-6)


def some_photos(size):
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_every_backbone_prepares_photos_as_keras_says(name):
    backbone = build_backbone(name, input_size=75)
    prepared = keras.Model(backbone.input, backbone.get_layer("rescaling").output)
    prepare = getattr(keras.applications, MODULES[name]).preprocess_input
    expected = prepare(np.float32(some_photos(75)))
    np.testing.assert_allclose(prepared(some_photos(75)), expected, rtol=1e-4, atol=1e-4)


def test_efficientnet_computes_what_keras_does_with_its_imagenet_weights(tmp_path, monkeypatch):
    # Keras adds a layer only if it loads "imagenet": it is given a file of random weights as such.
    random = keras.applications.EfficientNetB0(
        input_shape=(64, 64, 3), include_top=False, weights=None
    )
    norm = next(x for x in random.layers if isinstance(x, keras.layers.Normalization))
    norm.set_weights([np.array(v) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 0)])
    path = tmp_path / "efficientnetb0_notop.h5"
    save_weights_as_keras_2(random, path)
    utilities = "file_utils" if IS_KERAS_3 else "data_utils"
    fetch = f"keras.src.applications.efficientnet.{utilities}.get_file"
    monkeypatch.setattr(fetch, lambda *_, **__: str(path))
    plain = keras.applications.EfficientNetB0(
        input_shape=(64, 64, 3), include_top=False, weights="imagenet", pooling="avg"
    )
    expected = plain(np.float32(some_photos(64)), training=False)
    for source in ("imagenet", str(path)):
        backbone = build_backbone("EfficientNetB0", input_size=64)
        network = NetworkConfig(backbone="EfficientNetB0", input_size=64)
        load_base_weights(backbone, source, network)
        actual = backbone(some_photos(64), training=False)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)


def test_all_names_of_the_config_can_be_built():
    assert set(get_args(BackboneName)) == {*MODULES, "EfficientNetB0"}


@pytest.mark.slow
def test_layers_that_keras_numbers_load_whatever_was_built_before(tmp_path):
    name = "InceptionV3"
    backbone = build_backbone(name, input_size=75)
    network = NetworkConfig(backbone=name, input_size=75)
    path = tmp_path / "backbone.h5"
    save_weights(backbone, path, BackboneCard(network=network))
    build_backbone(name, input_size=75)
    again = load_model(path)
    for expected, actual in zip(backbone.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)
    load_base_weights(build_backbone(name, input_size=75), str(path), network)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("VGG", {}, "a backbone of MobileNetV2, .* received 'VGG'"),
        ("ResNet50", {"width": 0.5}, "ResNet50 comes in one width.* received 0.5"),
        ("InceptionV3", {"input_size": 64}, "at least 75 pixels, received input_size=64"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        build_backbone(name, **options)


def test_batch_norm_follows_as_fast_as_in_the_paper():
    backbone = build_backbone(input_size=32, width=0.35)
    norms = [x for x in backbone.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 52
    assert {norm.momentum for norm in norms} == {0.9}
