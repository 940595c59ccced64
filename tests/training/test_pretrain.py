"""Pretext training: it learns, keeps the best epoch, and writes its results."""

import json
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nima_pretrain.config import PretextConfig, PretrainConfig
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, load_model
from nima_pretrain.pretext.methods import method_of
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.results import PretrainResults
from nima_pretrain.training.run_directory import create_run
from tests import small_networks
from tests.conftest import write_photos

SMALL = PretrainConfig(
    **small_networks.SMALL,
    chunk_size=174,
    photos_per_batch=2,
    epochs=3,
    learning_rate=1e-3,
    num_workers=0,
    split=(4, 1, 1),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("user") / "photos")


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A run, and its results."""
    run = tmp_path_factory.mktemp("run")
    return run, pretrain(photos, run, config=SMALL, base_weights="none")


@pytest.mark.slow
def test_a_run_tells_its_story_and_keeps_the_best_epoch(trained):
    run, results = trained
    log = pd.read_csv(run / "log.csv")
    assert len(log) == 3
    for task in ("ranking", "regression"):
        assert {f"{task}_raw", f"{task}_balanced", f"val_{task}_raw"} <= set(log.columns)
    np.testing.assert_allclose(log["learning_rate"], 1e-3 * 0.98 ** np.arange(3), rtol=1e-5)
    assert (log["waiting"] > 0).all()
    assert results.best_epoch == log["val_loss"].idxmin() + 1
    assert results.metrics["val_loss"] == pytest.approx(log["val_loss"].min(), rel=1e-6)
    assert json.loads((run / "results.json").read_text()) == results.model_dump(mode="json")
    assert PretrainResults.read(run) == results
    assert set(results.test) >= {"loss", "ordered_pairs"}
    events = [
        event
        for file in (run / "tensorboard").rglob("events*")
        for record in tf.data.TFRecordDataset(str(file))
        for event in tf.compat.v1.Event.FromString(record.numpy()).summary.value
    ]
    tags = [event.tag for event in events]
    assert tags.count("views") == 1  # the grid, once
    for name in ("ranking_raw", "ranking_balanced", "ordered_pairs", "learning_rate", "waiting"):
        assert tags.count(f"epoch_{name}") >= 3, name
    assert (run / "views.png").is_file()
    views = np.random.default_rng(0).integers(0, 256, (1, 174, 32, 32, 3), np.uint8)
    features = load_model(run / "backbone.h5")(views[0])
    pretext = load_model(run / "pretext.h5")
    in_pretext = pretext.get_layer("backbone_on_views").backbone(views[0])
    np.testing.assert_array_equal(features, in_pretext)


@pytest.mark.slow
def test_the_backbone_stays_as_it_was_while_the_heads_warm_up(photo_folder, tmp_path):
    config = SMALL.model_copy(
        update={"epochs": 1, "freeze_backbone_steps": 4, "learning_rate": 1e-9}
    )
    run = tmp_path / "run"
    pretrain(photo_folder, run, config=config, base_weights="none")
    import keras

    keras.utils.set_random_seed(config.seed)
    start = build_backbone("MobileNet", 32, 0.25)
    kept = load_model(run / "backbone.h5")
    for layer, old in zip(kept.trainable_weights, start.trainable_weights, strict=True):
        np.testing.assert_allclose(layer.numpy(), old.numpy(), atol=1e-6)


def test_a_config_of_a_method_that_is_not_registered_is_refused(photo_folder, tmp_path):
    class Unlisted(PretextConfig):
        method: Literal["unlisted"] = "unlisted"

    with pytest.raises(InputError, match="'unlisted', which is not registered"):
        pretrain(photo_folder, tmp_path / "run", config=Unlisted())
    assert not (tmp_path / "run").exists()


def test_heads_warm_up_at_the_full_rate_whatever_the_schedule():
    config = PretrainConfig(schedule="cosine", warmup_epochs=1.0, freeze_backbone_steps=10)
    method = method_of(config)
    assert float(method.optimizer().learning_rate) == pytest.approx(config.learning_rate)
    assert method.learning_rate(0) == 0
    assert method.learning_rate(0.5) == pytest.approx(config.learning_rate / 2, rel=0.01)


def test_wrong_arguments_are_told_before_a_run_is_overwritten(photo_folder, tmp_path):
    run = create_run(tmp_path / "run", PretrainConfig())
    (run / "results.json").write_text("{}")
    with pytest.raises(InputError, match="--training-list and --validation-list together"):
        pretrain(photo_folder, run, training_list="training.txt", overwrite=True)
    assert (run / "results.json").is_file()


def test_a_run_of_a_method_that_nobody_registered_is_refused_by_its_name(photo_folder, tmp_path):
    run = create_run(tmp_path / "run", PretrainConfig())
    (run / "config.json").write_text('{"method": "jigsaw"}')
    with pytest.raises(InputError, match="received 'jigsaw'. A method of your own is known once"):
        pretrain(photo_folder, run, resume=True)
