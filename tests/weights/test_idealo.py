"""Weights in idealo's structure, written by plain Keras layers as idealo writes them."""

import keras
import numpy as np
import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.networks import load_model
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard
from tests.keras_files import save_weights_as_keras_2


def idealo_model(bins=10, width=1.0):
    base = keras.applications.MobileNet(
        input_shape=(224, 224, 3), alpha=width, weights=None, include_top=False, pooling="avg"
    )
    x = keras.layers.Dropout(0.75)(base.output)
    x = keras.layers.Dense(units=bins, activation="softmax")(x)
    return keras.Model(base.input, x)


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_a_file_of_idealo_loads_by_its_path_and_predicts_the_same(tmp_path, width):
    keras.layers.Dense(3)  # so that the number in the name of idealo's own layer is another one
    theirs = idealo_model(width=width)
    path = tmp_path / "weights_mobilenet_aesthetic_0.07.hdf5"
    save_weights_as_keras_2(theirs, path)
    side_car = read_side_car(path, NimaCard)
    assert side_car.network.backbone == "MobileNet"
    assert (side_car.network.width, side_car.network.fit) == (width, "squash")
    assert str(side_car.score_scale) == "10 bins from 1 to 10"
    photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    expected = theirs(keras.applications.mobilenet.preprocess_input(np.float32(photos)))
    np.testing.assert_allclose(load_model(path)(photos), expected, rtol=1e-4, atol=1e-6)


def test_other_files_without_a_side_car_are_refused_as_before(tmp_path):
    base = keras.applications.MobileNet(input_shape=(32, 32, 3), weights=None, include_top=False)
    save_weights_as_keras_2(base, tmp_path / "backbone.h5")
    with pytest.raises(InputError, match="Expected the side-car backbone.json"):
        load_model(tmp_path / "backbone.h5")
    (tmp_path / "text.hdf5").write_text("no weights")
    with pytest.raises(InputError, match=r"Expected the side-car text.json"):
        load_model(tmp_path / "text.hdf5")
