"""RotNet and SimCLR: they learn, resume, and end in files like any other pretraining."""

import json
import random
import signal
import subprocess

import keras
import numpy as np
import pandas as pd
import pytest

from nima_pretrain.config import PretrainConfig, RotNetConfig, SimCLRConfig
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.study import study
from nima_pretrain.networks import load_model
from nima_pretrain.pretext.methods import pretext_of
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.weights.store import read_side_car
from tests.processes import finish, position_of, wait_until
from tests.training.test_checkpoint import command, photos  # noqa: F401

SMALL = {"width": 0.35, "input_size": 32, "num_workers": 0, "split": (4, 1, 1)}


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
    pretext = pretext_of(config)
    assert [pretext.rate_of(epoch) for epoch in range(len(rates))] == pytest.approx(list(rates))
    assert float(pretext.optimizer().learning_rate) == pytest.approx(rates[0])


SETTINGS = {**SMALL, "epochs": 6, "photos_per_batch": 2, "learning_rate": 1e-3}
CONFIGS = {
    "rotnet": (RotNetConfig(**SETTINGS), "rotation_accuracy"),
    "simclr": (SimCLRConfig(**SETTINGS), "partner_accuracy"),
}


def steps_done(run):
    position = position_of(run)
    return 2 * position.epoch + position.step if position else 0


@pytest.fixture(scope="module", params=CONFIGS)
def whole(request, photos, tmp_path_factory):  # noqa: F811
    """A run that was never stopped, and what it returned."""
    run = tmp_path_factory.mktemp(request.param)
    return run, pretrain(photos, run, CONFIGS[request.param][0], "none")


@pytest.mark.slow
def test_a_run_leaves_what_other_pretraining_leaves(whole, photos):  # noqa: F811
    run, results = whole
    side_car = read_side_car(run / "pretext.h5", "pretext")
    (task,) = side_car.tasks
    config, accuracy = CONFIGS[task]
    assert len(pd.read_csv(run / "log.csv")) == 6
    assert {accuracy, "loss"} <= set(results["test"])
    assert f"val_{accuracy}" in results["metrics"]
    assert (run / "views.png").is_file()
    views = pretext_of(config).views
    images = np.random.default_rng(0).integers(0, 256, (2, views.num_views, 32, 32, 3), np.uint8)
    pretext = load_model(run / "pretext.h5")
    backbone = load_model(run / "backbone.h5")
    np.testing.assert_array_equal(pretext.backbone(images[0]), backbone(images[0]))
    assert set(pretext(images)) == {task}
    with pytest.raises(InputError, match=f"was trained on {task}. Fine-tune its backbone"):
        study(run / "pretext.h5", photos)


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_it_had_not_been(whole, photos, tmp_path):  # noqa: F811
    killed = tmp_path / "killed"
    (task,) = read_side_car(whole[0] / "pretext.h5", "pretext").tasks
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    settings = ("--config", tmp_path / "config.json", "--set", "checkpoint_seconds=0")
    begin = command(photos, killed, "--task", task, "--base-weights", "none", *settings)
    target = random.randrange(1, 6)  # of 12: a step takes milliseconds
    print(f"killed after {target} steps")
    with subprocess.Popen(begin, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done(killed) >= target)
        process.send_signal(signal.SIGKILL)
    other = finish(command(photos, killed, "--resume", "--task", "distortions"))
    assert other.returncode == 2
    assert f"was begun with --task {task}, received distortions" in other.stderr
    done = finish(command(photos, killed, "--resume"))
    assert done.returncode == 0, done.stderr
    runs = (whole[0], killed)
    first, second = (load_model(run / "pretext.h5").get_weights() for run in runs)
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    logs = [pd.read_csv(run / "log.csv") for run in runs]
    for column in ("epoch", "loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-5)


def test_an_unknown_task_is_refused(photo_folder, tmp_path):
    done = finish(command(photo_folder, tmp_path / "run", "--task", "jigsaw"))
    assert done.returncode == 2
    assert "Expected --task distortions, rotnet, simclr, received 'jigsaw'" in done.stderr


@pytest.mark.slow
def test_tasks_across_photos_are_learned_beside_the_ranking(photo_folder, tmp_path):
    config = PretrainConfig(
        **SMALL,
        tasks="ranking+regression+cross_photo_ranking+level_consistency",
        photos_per_batch=4,
        epochs=4,
        learning_rate=1e-3,
    )
    keras.utils.set_random_seed(0)
    pretrain(photo_folder, tmp_path, config, "none")
    log = pd.read_csv(tmp_path / "log.csv")
    for task in ("ranking", "cross_photo_ranking"):
        assert log[f"{task}_raw"].iloc[-1] < log[f"{task}_raw"].iloc[0]
    assert log["level_consistency_raw"].iloc[-1] < 5
    views = np.random.default_rng(0).integers(0, 256, (2, 174, 32, 32, 3), np.uint8)
    assert set(load_model(tmp_path / "pretext.h5")(views)) == {"ranking", "regression"}
