"""Training on samples of series: the gradient of all series, from a part of the images."""

import json
import random
import signal
import subprocess

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nima_pretrain.config import PretrainConfig
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.networks import load_model
from nima_pretrain.pretext import distortion_losses as losses
from nima_pretrain.pretext import loss_layers, targets
from nima_pretrain.pretext.methods import method_of
from nima_pretrain.training.pretrain import pretrain
from tests.pretext.mirrored_step import small_backbone
from tests.pretext.test_chunks import Recorder
from tests.processes import position_of, wait_until
from tests.small_networks import SMALL
from tests.training.test_checkpoint import command, photos  # noqa: F401

BANKS = [get_bank("paper"), get_bank("repaired")]


def one_series_each(bank):
    """The weights of all samples of one series, (series, series)."""
    return len(bank.series) * np.eye(len(bank.series), dtype=np.float32)


@pytest.mark.parametrize("void", [False, True], ids=["all pairs", "without void pairs"])
@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank.name)
def test_gradients_averaged_over_all_samples_are_those_of_all_series(bank, void):
    rng = np.random.default_rng(0)
    pairs = targets.ranked_pairs(bank)
    differences = rng.uniform(0, 1, (1, len(pairs.better))).astype(np.float32) if void else None
    cases = {
        "ranking": (rng.random((1, bank.num_views)), pairs, 0.2),
        "classification": (
            {a.value: rng.normal(size=(1, bank.num_views, len(bank.of_aspect(a)))) for a in Aspect},
            targets.class_terms(bank),
        ),
        "regression": (
            rng.normal(size=(1, bank.num_views, len(bank))),
            targets.level_terms(bank),
        ),
    }
    for name, (outputs, *terms) in cases.items():
        outputs = tf.nest.map_structure(lambda a: tf.constant(a, tf.float32), outputs)

        def gradient(weights, name=name, outputs=outputs, terms=terms):
            with tf.GradientTape() as tape:
                tape.watch(outputs)
                loss = getattr(losses, name)(outputs, *terms, differences, weights)
            return np.concatenate(
                [g.numpy().ravel() for g in tf.nest.flatten(tape.gradient(loss, outputs))]
            )

        sampled = [gradient(weights[None]) for weights in one_series_each(bank)]
        np.testing.assert_allclose(
            np.mean(sampled, axis=0), gradient(None), atol=2e-5, err_msg=name
        )


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank.name)
def test_cross_photo_losses_averaged_over_all_samples_are_those_of_all_series(bank):
    scores = np.random.default_rng(1).random((2, bank.num_views)).astype(np.float32)
    samples = one_series_each(bank)
    cases = (
        lambda weights: losses.cross_photo_ranking(
            scores, targets.ranked_pairs(bank), series_weights=weights
        ),
        lambda weights: losses.level_consistency(
            scores, targets.distorted_views(bank), series_weights=weights
        ),
    )
    for loss in cases:
        in_graph = tf.function(loss)  # two thousand calls
        sampled = [
            in_graph(tf.constant(np.stack([one, other]))) for one in samples for other in samples
        ]
        assert np.mean(sampled) == pytest.approx(float(loss(None)), rel=1e-4)


def test_differences_of_a_sample_are_those_of_all_views():
    bank = get_bank("paper")
    views = np.random.default_rng(0).integers(0, 256, (2, 174, 9, 9, 3), np.uint8)
    layer = loss_layers.PairDifferences(bank)
    expected = layer(views).numpy()
    series = [bank.series[3], bank.series[30]]
    places = np.array(
        [(photo, view) for photo, s in enumerate(series) for view in (s.reference, *s.views)],
        np.int32,
    )
    sample = {
        "images": tf.constant(views[places[:, 0], places[:, 1]]),
        "places": tf.constant(places),
        "series_weights": tf.zeros((2, 36)),
    }
    actual = layer.of_sample(sample).numpy()
    of_series = targets.ranked_pairs(bank).series
    for photo, index in enumerate((3, 30)):
        rows = of_series == index
        np.testing.assert_allclose(actual[photo, rows], expected[photo, rows], rtol=1e-5)
        assert not actual[photo, ~rows].any()


@pytest.mark.slow
@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: bank.name)
@pytest.mark.parametrize("chunk_size", [None, 50], ids=["at once", "chunks"])
def test_a_sample_of_all_series_makes_the_step_of_the_whole_batch(bank, chunk_size, photo):
    recorded = {}
    views = np.stack([bank.render(photo, 32), bank.render(photo[::-1], 32)])
    num_views = bank.num_views
    sample = {
        "images": views.reshape(-1, 32, 32, 3),
        "places": np.array(
            [(row, view) for row in range(2) for view in range(num_views)], np.int32
        ),
        "series_weights": np.ones((2, len(bank.series)), np.float32),
    }
    for name, batch in (("whole", views), ("sample", sample)):
        keras.utils.set_random_seed(0)
        config = PretrainConfig(
            bank=bank.name, series_per_photo=1, balance="linear", chunk_size=chunk_size
        )
        model = method_of(config).attach_heads(small_backbone())
        model.compile(Recorder(), run_eagerly=True)
        model.train_step(tf.nest.map_structure(tf.constant, batch))
        variables = [*model.backbone.trainable_variables, *model.heads.trainable_variables]
        recorded[name] = [model.optimizer.recorded[id(variable)] for variable in variables]
    for expected, actual in zip(recorded["whole"], recorded["sample"], strict=True):
        assert tf.norm(actual - expected) / (tf.norm(expected) + 1e-12) < 1e-4


SETTINGS = {
    **SMALL,
    "split": (4, 1, 1),
    "series_per_photo": 9,
    "photos_per_batch": 4,
    "chunk_size": None,
    "smallest_window": 0.7,
    "mirror": True,
    "balance": "linear",
    "optimizer": "adam",
    "schedule": "cosine",
    "warmup_epochs": 0.5,
    "clip_norm": 5.0,
    "learning_rate": 1e-3,
    "epochs": 2,
}


@pytest.mark.slow
def test_a_killed_training_on_samples_resumes_as_if_it_had_not_been(photos, tmp_path):  # noqa: F811
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pretrain(photos, whole, config=PretrainConfig(**SETTINGS, num_workers=0), base_weights="none")
    log = pd.read_csv(whole / "log.csv")
    assert log["ranking_raw"].iloc[-1] < log["ranking_raw"].iloc[0]

    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    options = ("--config", tmp_path / "config.json", "--base-weights", "none")
    begin = command(photos, killed, *options, "--set", "checkpoint_seconds=0")
    target = random.randrange(1, 7)  # of 8: 4 photos, 4 visits, 4 photos a step, 2 epochs
    print(f"killed after {target} steps")

    def steps_done():
        position = position_of(killed)
        return 4 * position.epoch + position.step if position else 0

    with subprocess.Popen(begin, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done() >= target)
        process.send_signal(signal.SIGKILL)
    pretrain(photos, killed, resume=True)
    first, second = (load_model(run / "pretext.h5").get_weights() for run in (whole, killed))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    logs = [pd.read_csv(run / "log.csv") for run in (whole, killed)]
    for column in ("epoch", "loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-5)
