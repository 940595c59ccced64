"""The features of a `.tflite` file: the head's input, at no cost in the bits of scores."""

import numpy as np
import pytest
from scipy.special import softmax

from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError
from nima_pretrain.prediction.engines import load_engine
from nima_pretrain.weights.bundled import bundled
from nima_pretrain.weights.h5_layers import open_layers
from nima_pretrain.weights.litert import litert_path, load_litert
from nima_pretrain.weights.litert_features import with_feature_output
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

SCORERS = sorted(name for name in bundled() if name.startswith("nima_"))


def photos_for(card):
    network = card.network
    return np.stack([load_fitted(p, network.input_size, network.fit) for p in embedded_photos()])


@pytest.mark.parametrize("name", SCORERS)
def test_scores_keep_their_bits_and_features_are_what_the_head_sees(name):
    weights = bundled()[name]
    card = read_side_car(weights, NimaCard)
    photos = photos_for(card)
    model = load_litert(weights, card)
    scores, features = model.with_features(photos)
    np.testing.assert_array_equal(scores, model(photos))
    with open_layers(weights) as layers:
        kernel, bias = (np.array(values) for values in layers["head"])
    assert features.shape == (len(photos), len(kernel))
    np.testing.assert_allclose(softmax(features @ kernel + bias, axis=1), scores, atol=1e-5)


def test_tensorflow_has_the_same_features_and_its_scores_do_not_change_beside_them():
    weights = bundled()[SCORERS[0]]
    card = read_side_car(weights, NimaCard)
    photos = photos_for(card)
    expected = load_litert(weights, card).with_features(photos)
    model = load_engine(weights, card, "tensorflow")
    for _ in range(2):  # layer by layer, then compiled
        scores, features = model.with_features(photos)
        np.testing.assert_allclose(scores, model(photos), atol=1e-6)
        np.testing.assert_allclose(scores, expected[0], atol=1e-5)
        np.testing.assert_allclose(features, expected[1], atol=1e-4)


def test_a_network_without_a_dense_layer_has_no_features():
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(litert_path(bundled()[SCORERS[0]]).read_bytes(), 0)
    model.subgraphs[0].operators = model.subgraphs[0].operators[:3]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with pytest.raises(InputError, match="ends in a dense layer, received one without"):
        with_feature_output(bytes(builder.Output()))
