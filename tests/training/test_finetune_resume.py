"""Fine-tunings that are killed and resumed."""

import json
import random
import signal
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import FinetuneConfig, load_config
from nima_pretrain.errors import InputError
from nima_pretrain.networks import load_model
from nima_pretrain.training.finetune import finetune
from tests.processes import finish, position_of, program, wait_until
from tests.small_networks import SMALL_SETTINGS

# Nothing gains 9 points: two epochs of the head, then three of everything, rates falling each time.
SETTINGS = [
    *(*SMALL_SETTINGS, "batch_size=8", "dropout=0.5", "crop_from=40"),
    *("min_delta=9", "plateau_patience=1", "early_stopping_patience=2", "checkpoint_seconds=0"),
]
STEPS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated")
    rng = np.random.default_rng(0)
    lines = ["path,p1,p2,p3,split"]
    for number in range(26):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / f"{number}.png")
        part = "train" if number < 20 else "validation"
        lines.append(f"{number}.png,{number % 3},1,{number % 5},{part}")
    (folder / "ratings.csv").write_text("\n".join(lines))
    return folder


def command(data, run, *options):
    files = ("--ratings", data / "ratings.csv", "--images", data, "--run", run)
    return program("finetune", *files, *options)


def begin(data, run):
    return command(data, run, "--backbone", "none", "--set", *SETTINGS)


def steps_done(run):
    position = position_of(run)
    return STEPS * position.epoch + position.step if position else 0


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_weights_of_one_that_was_never_stopped(data, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = load_config(FinetuneConfig, overrides=SETTINGS)
    finetune(data / "ratings.csv", whole, images=data, config=config, backbone="none")
    results = json.loads((whole / "results.json").read_text())
    assert (results["head_epochs"], results["epochs"]) == (2, 5)
    target = random.randrange(1, 5 * STEPS)
    print(f"killed after {target} steps")
    with subprocess.Popen(begin(data, killed), stderr=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done(killed) >= target)
        process.send_signal(signal.SIGKILL)
    done = finish(command(data, killed, "--resume"))
    assert done.returncode == 0, done.stderr
    assert "resuming after" in done.stderr
    first, second = (load_model(run / "nima.h5").get_weights() for run in (whole, killed))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    logs = [pd.read_csv(run / "log.csv") for run in (whole, killed)]
    columns = ["epoch", "loss", "val_loss", "backbone_learning_rate", "head_learning_rate"]
    for column in columns:
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-5)
    # The rates fell once, after the second of the three epochs of everything.
    assert logs[0]["head_learning_rate"].tolist() == pytest.approx([1e-3] * 4 + [0.5e-3])
    again = json.loads((killed / "results.json").read_text())
    for key in ("best_epoch", "epochs", "head_epochs", "ratings_sha256", "photos"):
        assert again[key] == results[key]


@pytest.mark.slow
def test_a_run_that_is_killed_before_its_first_checkpoint_begins_anew(data, tmp_path, caplog):
    run = tmp_path / "run"
    begun = [*begin(data, run), "epochs=1"]
    with subprocess.Popen(begun, stderr=subprocess.DEVNULL) as process:
        wait_until(process, (run / "config.json").is_file)
        process.send_signal(signal.SIGKILL)
    assert not (run / "checkpoint.npz").exists()
    (run / ".checkpoint.partial-1234567.npz").touch()
    ratings = data / "ratings.csv"
    with caplog.at_level("INFO"):
        results = finetune(ratings, run, images=data, resume=True, backbone="none")
    assert "was stopped before its first checkpoint: it begins anew" in caplog.text
    assert results.epochs == 1
    with pytest.raises(InputError, match="Nothing to resume"):
        finetune(ratings, run, images=data, resume=True)


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_ratings_alone(data, tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen(begin(data, run), stderr=subprocess.DEVNULL) as process:
        wait_until(process, lambda: steps_done(run) >= 1)
        process.send_signal(signal.SIGKILL)
    changed = tmp_path / "changed.csv"
    changed.write_text((data / "ratings.csv").read_text().replace("7.png,1,1,2", "7.png,2,1,2"))
    with pytest.raises(InputError, match="that the run was begun with: 1 differ, e.g. '7.png'"):
        finetune(changed, run, images=data, resume=True)
    with pytest.raises(InputError, match=r"was begun with share=1.0 \(received 0.5\)"):
        finetune(data / "ratings.csv", run, images=data, resume=True, share=0.5)
