"""Methods: they learn, resume, and end in files alike; a new one takes a class and a line."""

import json
import random
import signal
import subprocess
from typing import Literal

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nima_pretrain.config import PretextConfig, PretrainConfig
from nima_pretrain.config.pretext import RotNetConfig, SimCLRConfig
from nima_pretrain.distortions import SquareViews
from nima_pretrain.distortions.geometry import fit_photo
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.study import study
from nima_pretrain.networks import load_model
from nima_pretrain.pretext.loss_layers import LossLayer
from nima_pretrain.pretext.method import Method, Progress
from nima_pretrain.pretext.methods import METHODS, method_of
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import PretextCard
from tests.processes import finish, position_of, wait_until
from tests.small_networks import SMALL
from tests.training.test_checkpoint import command, photos  # noqa: F401


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        (PretrainConfig(learning_rate=1e-2), [1e-2, 1e-2 * 0.98, 1e-2 * 0.98**2]),
        (
            RotNetConfig(photos_per_batch=48, epochs=10, drop_at=(0.2, 0.5)),
            [0.025, 0.025, 0.005, 0.005, 0.005, 0.001, 0.001],
        ),
        (RotNetConfig(learning_rate=0.3), [0.3] * 15 + [0.06] * 15 + [0.012] * 15 + [0.0024] * 5),
        (
            SimCLRConfig(photos_per_batch=128, epochs=4),
            1.5e-4 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2,
        ),
    ],
)
def test_rates_follow_their_schedules(config, rates):
    method = method_of(config)
    assert [method.learning_rate(epoch) for epoch in range(len(rates))] == pytest.approx(
        list(rates)
    )
    assert float(method.optimizer().learning_rate) == pytest.approx(rates[0])


COMMON = {**SMALL, "num_workers": 0, "split": (4, 1, 1)}
SETTINGS = {**COMMON, "epochs": 6, "photos_per_batch": 2, "learning_rate": 1e-3}
CONFIGS = {
    "rotnet": (RotNetConfig(**SETTINGS), "rotation_accuracy"),
    "simclr": (SimCLRConfig(**SETTINGS), "partner_accuracy"),
}


def steps_done(run):
    position = position_of(run)
    return 2 * position.epoch + position.step if position else 0


@pytest.fixture(scope="module", params=CONFIGS)
def whole(request, photos, tmp_path_factory):  # noqa: F811
    """A run that was never stopped, and its results."""
    run = tmp_path_factory.mktemp(request.param)
    return run, pretrain(photos, run, config=CONFIGS[request.param][0], base_weights="none")


@pytest.mark.slow
def test_a_run_leaves_what_other_pretraining_leaves(whole, photos):  # noqa: F811
    run, results = whole
    method = read_side_car(run / "pretext.h5", PretextCard).method
    config, accuracy = CONFIGS[method]
    assert results.method == method
    assert len(pd.read_csv(run / "log.csv")) == 6
    assert {accuracy, "loss"} <= set(results.test)
    assert f"val_{accuracy}" in results.metrics
    assert (run / "views.png").is_file()
    views = method_of(config).views
    images = np.random.default_rng(0).integers(0, 256, (2, views.num_views, 32, 32, 3), np.uint8)
    pretext = load_model(run / "pretext.h5")
    backbone = load_model(run / "backbone.h5")
    np.testing.assert_array_equal(pretext.backbone(images[0]), backbone(images[0]))
    assert set(pretext(images)) == {method}
    with pytest.raises(InputError, match=f"was trained on {method}. Fine-tune its backbone"):
        study(run / "pretext.h5", photos)


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_it_had_not_been(whole, photos, tmp_path):  # noqa: F811
    killed = tmp_path / "killed"
    method = read_side_car(whole[0] / "pretext.h5", PretextCard).method
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    settings = ("--config", tmp_path / "config.json", "--set", "checkpoint_seconds=0")
    begin = command(photos, killed, "--method", method, "--base-weights", "none", *settings)
    target = random.randrange(1, 6)  # of 12: a step takes milliseconds
    print(f"killed after {target} steps")
    with subprocess.Popen(begin, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done(killed) >= target)
        process.send_signal(signal.SIGKILL)
    other = finish(command(photos, killed, "--resume", "--method", "distortions"))
    assert other.returncode == 2
    assert f"was begun with --method {method}, received distortions" in other.stderr
    pretrain(photos, killed, resume=True)
    runs = (whole[0], killed)
    first, second = (load_model(run / "pretext.h5").get_weights() for run in runs)
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    logs = [pd.read_csv(run / "log.csv") for run in runs]
    for column in ("epoch", "loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-5)


def test_an_unknown_method_is_refused(photo_folder, tmp_path):
    done = finish(command(photo_folder, tmp_path / "run", "--method", "jigsaw"))
    assert done.returncode == 2
    assert "Expected --method distortions, rotnet, simclr, received 'jigsaw'" in done.stderr


@pytest.mark.slow
def test_tasks_across_photos_are_learned_beside_the_ranking(photo_folder, tmp_path):
    config = PretrainConfig(
        **COMMON,
        tasks="ranking+regression+cross_photo_ranking+level_consistency",
        photos_per_batch=4,
        chunk_size=174,
        epochs=4,
        learning_rate=1e-3,
    )
    keras.utils.set_random_seed(0)
    run = tmp_path / "run"
    pretrain(photo_folder, run, config=config, base_weights="none")
    log = pd.read_csv(run / "log.csv")
    # The size of each fall in 16 steps from random weights depends on rounding.
    for task in ("ranking", "cross_photo_ranking", "level_consistency"):
        assert log[f"{task}_raw"].iloc[-1] < log[f"{task}_raw"].iloc[0]
    views = np.random.default_rng(0).integers(0, 256, (2, 174, 32, 32, 3), np.uint8)
    assert set(load_model(run / "pretext.h5")(views)) == {"ranking", "regression"}


class NegativesConfig(PretextConfig):
    method: Literal["negatives"] = "negatives"
    learning_rate: float = 1e-3


def photo_and_negative(photo, size, rng):
    square = fit_photo(photo, size, "squash")
    return np.stack([square, 255 - square])


@keras.utils.register_keras_serializable("tests")
class NegativesLoss(LossLayer):
    """Ends the head: logits (B, 2) of being a negative -> the same."""

    def __init__(self, **options):
        super().__init__(**options)
        self.accuracy = keras.metrics.Mean(name="negatives_found")

    def call(self, logits):
        is_negative = tf.broadcast_to([0.0, 1.0], tf.shape(logits))
        terms = tf.nn.sigmoid_cross_entropy_with_logits(is_negative, logits)
        self.add_loss(tf.reduce_mean(terms))
        self.report(self.accuracy, tf.cast((logits > 0) == (is_negative > 0), tf.float32))
        return logits


class Negatives(Method[NegativesConfig]):
    """Label of the negative: 0 or 1."""

    name = "negatives"
    config_class = NegativesConfig
    progress = Progress("negatives_found", "negatives found")
    views = SquareViews("negatives", ("positive", "negative"), photo_and_negative)

    def heads(self, inputs):
        logit = keras.layers.Dense(1, dtype="float32", name="logit")(inputs["features"])
        logits = keras.layers.Reshape((2,), name="logits")(logit)
        return {self.name: NegativesLoss(name=self.name)(logits)}

    def optimizer(self):
        return keras.optimizers.Adam(self.learning_rate(0))

    def learning_rate(self, epoch):
        return self.config.learning_rate


@pytest.mark.slow
def test_a_new_method_trains_and_loads_again_once_it_is_listed(photo_folder, tmp_path, monkeypatch):
    run = tmp_path / "run"
    config = NegativesConfig(**COMMON, photos_per_batch=2, epochs=6)
    monkeypatch.setitem(METHODS, Negatives.name, Negatives)
    results = pretrain(photo_folder, run, config=config, base_weights="none")
    assert results.method == "negatives"
    assert {"val_loss", "val_negatives_found"} <= set(results.metrics)
    log = pd.read_csv(run / "log.csv")
    assert log["loss"].iloc[-1] < 0.8 * log["loss"].iloc[0]

    card = read_side_car(run / "pretext.h5", PretextCard)
    assert (card.method, card.view_names) == ("negatives", ("positive", "negative"))
    views = np.random.default_rng(0).integers(0, 256, (3, 2, 32, 32, 3), np.uint8)
    pretext, backbone = load_model(run / "pretext.h5"), load_model(run / "backbone.h5")
    np.testing.assert_array_equal(pretext.backbone(views[0]), backbone(views[0]))
    assert pretext(views)["negatives"].shape == (3, 2)

    monkeypatch.delitem(METHODS, Negatives.name)
    with pytest.raises(InputError, match="there is no method 'negatives'; known methods: dist"):
        load_model(run / "pretext.h5")
