"""Teachers: features of every stage of a classifier, and those that do not fit are refused."""

import keras
import numpy as np
import pytest

from nima_pretrain.config import DistillConfig, TeacherConfig
from nima_pretrain.distillation.teachers import (
    build_teacher_head,
    load_teacher,
    stage_features,
    teach_head,
)
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone
from nima_pretrain.networks.emd import earth_movers_distance
from tests.keras_files import save_weights_as_keras_2

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def test_features_are_the_means_of_the_last_layer_at_every_resolution():
    backbone = build_backbone(input_size=64, width=0.35)
    features = stage_features(backbone)(PHOTOS)
    last = ["block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu"]
    last += ["block_13_expand_relu", "out_relu"]
    expected = [
        keras.Model(backbone.input, backbone.get_layer(name).output)(PHOTOS).numpy().mean((1, 2))
        for name in last
    ]
    np.testing.assert_allclose(features, np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stages"),
    [("MobileNet", 5), ("ResNet50", 5), ("VGG16", 6), ("DenseNet121", 5), ("EfficientNetB0", 5)],
)
def test_every_network_can_teach(name, stages):
    teacher = load_teacher(TeacherConfig(backbone=name, input_size=64, weights="none"))
    assert sum(layer.name.startswith("stage_") for layer in teacher.layers) == stages
    assert np.isfinite(teacher(PHOTOS)).all()
    assert not teacher.trainable_weights


def test_a_teacher_without_weights_is_the_same_every_time():
    config = TeacherConfig(width=0.35, input_size=32, weights="none")
    photos = PHOTOS[:, :32, :32]
    first = load_teacher(config)(photos)
    np.testing.assert_array_equal(load_teacher(config)(photos), first)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    file = tmp_path / "mobilenet.h5"
    other = keras.applications.MobileNet(input_shape=(32, 32, 3), include_top=False, weights=None)
    save_weights_as_keras_2(other, file)
    config = TeacherConfig(width=0.35, input_size=32, weights=str(file))
    with pytest.raises(InputError, match=r"mobilenet.h5 do not fit the network"):
        load_teacher(config)
    with pytest.raises(InputError, match="gone.h5 does not exist"):
        load_teacher(config.model_copy(update={"weights": "gone.h5"}))


def test_the_head_says_a_distribution_and_a_feature():
    prediction, feature = build_teacher_head(70, 7, 0.5)(np.ones((3, 70), np.float32))
    assert (prediction.shape, feature.shape) == ((3, 7), (3, 1024))
    np.testing.assert_allclose(np.sum(prediction, axis=1), 1, rtol=1e-5)


def test_the_head_is_that_of_the_best_epoch_even_where_patience_does_not_run_out():
    rng = np.random.default_rng(0)
    features, validation = rng.normal(size=(2, 24, 8)).astype(np.float32)
    ratings, others = rng.dirichlet(np.full(5, 0.3), (2, 24))
    config = DistillConfig(
        feature_weight=0,
        prediction_weight=0,
        teacher_epochs=30,
        teacher_patience=100,
        teacher_learning_rate=0.03,
        teacher_dropout=0.0,
    )
    nothing = np.empty((0, 8), np.float32)
    _, about = teach_head(features, ratings, (validation, others), nothing, config)
    outputs, _ = teach_head(features, ratings, (validation, others), validation, config)
    loss = earth_movers_distance(others.astype(np.float32), outputs.predictions[24:])
    assert about["epochs"] == 30
    assert np.mean(loss) == pytest.approx(about["val_loss"], rel=1e-5)
