"""Runs that are stopped by a kill, a full disk or missing photos, and resumed."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from nima_pretrain.config import FinetuneConfig, PretrainConfig, load_config
from nima_pretrain.errors import InputError
from nima_pretrain.networks import load_model
from nima_pretrain.networks.gradients import loss_scale
from nima_pretrain.networks.optimizers import backbone_and_head_optimizer, learning_rates
from nima_pretrain.training.checkpoint import Position, Stage, load_checkpoint, save_checkpoint
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.resumable_fit import Checkpoints
from tests.processes import finish, position_of, program, wait_until
from tests.small_networks import SMALL_SETTINGS

SETTINGS = [
    *(*SMALL_SETTINGS, "epochs=2", "photos_per_batch=1", "chunk_size=58"),
    *("split=[4,1,1]", "freeze_backbone_steps=2", "checkpoint_seconds=0", "tasks=ranking"),
]


def command(photos, run, *options):
    return program("pretrain", photos, "--run", run, *options)


def begin(photos, run):
    return command(photos, run, "--base-weights", "none", "--set", *SETTINGS)


def steps_done(run):
    """All steps that a run has saved, those of warming up too."""
    position = position_of(run)
    return 4 * position.epoch + position.step + 2 * position.stage if position else 0


def workers_of(process):
    """The processes that render for a training."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    from PIL import Image

    from nima_pretrain.data.samples import embedded_photos

    folder = tmp_path_factory.mktemp("photos")
    for number, path in enumerate(embedded_photos()[:6]):
        image = Image.open(path).convert("RGB")
        image.thumbnail((120, 120))
        image.save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
def test_sigterm_saves_what_was_done_and_ends_the_run(photos, tmp_path):
    arguments = [*begin(photos, tmp_path / "run"), "checkpoint_seconds=1e6", "epochs=1000"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        # After the first epoch of everything: between stages a signal ends the process at once.
        wait_until(process, lambda: steps_done(tmp_path / "run") >= 2 + 4)
        begun = steps_done(tmp_path / "run")
        time.sleep(5)
        process.send_signal(signal.SIGTERM)
        message = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in message
    assert "--resume goes on" in message
    assert "Traceback" not in message
    assert steps_done(tmp_path / "run") > begun


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_weights_of_one_that_was_never_stopped(photos, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = load_config(PretrainConfig, overrides=[*SETTINGS, "num_workers=0"])
    pretrain(photos, whole, config=config, base_weights="none")
    target = random.randrange(1, 10)  # 2 steps of warming up, then 2 epochs of 4
    print(f"killed after {target} steps")
    with subprocess.Popen(begin(photos, killed), stderr=subprocess.DEVNULL) as process:
        # Between the warm-up and the rest, a training has no workers for a moment.
        wait_until(process, lambda: steps_done(killed) >= target and workers_of(process))
        workers = workers_of(process)
        process.send_signal(signal.SIGKILL)
    assert workers
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive the training that was killed"
        time.sleep(0.1)

    done = finish(command(photos, killed, "--resume"))
    assert done.returncode == 0, done.stderr
    assert "resuming after" in done.stderr
    first, second = (load_model(run / "pretext.h5").get_weights() for run in (whole, killed))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    logs = [pd.read_csv(run / "log.csv") for run in (whole, killed)]
    for column in ("epoch", "loss", "ranking_raw", "val_loss", "ordered_pairs", "learning_rate"):
        np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-5)
    results = [json.loads((run / "results.json").read_text()) for run in (whole, killed)]
    assert results[0]["best_epoch"] == results[1]["best_epoch"]
    assert results[0]["test"] == pytest.approx(results[1]["test"], rel=1e-5)
    assert not (killed / "checkpoint.npz").exists()
    with pytest.raises(InputError, match="Nothing to resume"):
        pretrain(photos, killed, resume=True)


@pytest.mark.slow
def test_a_run_that_is_killed_before_its_first_checkpoint_begins_anew(photos, tmp_path, caplog):
    run = tmp_path / "run"
    begun = [*begin(photos, run), "epochs=1", "num_workers=0"]
    with subprocess.Popen(begun, stderr=subprocess.DEVNULL) as process:
        wait_until(process, (run / "config.json").is_file)
        process.send_signal(signal.SIGKILL)
    assert not (run / "checkpoint.npz").exists()
    with caplog.at_level("INFO"):
        results = pretrain(photos, run, resume=True, base_weights="none")
    assert "was stopped before its first checkpoint: it begins anew" in caplog.text
    assert results.epochs == 1


@pytest.mark.slow
def test_a_run_that_lacks_photos_or_room_stops_clearly_and_resumes(photos, tmp_path):
    run = tmp_path / "run"
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())

    def no_room():
        # Room for views.png (2.4 MB) and checkpoints of warming up (0.9), not for later ones (2.7).
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, 2_500_000))

    full = finish([*begin(folder, run), "num_workers=0"], preexec_fn=no_room)
    assert full.returncode == 2, full.stderr
    assert re.search(r"Cannot write .*checkpoint\.npz: File too large", full.stderr)
    assert "Traceback" not in full.stderr

    with subprocess.Popen(
        command(folder, run, "--resume"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(process, lambda: steps_done(run) >= 3)
        taken = {path: path.read_bytes() for path in folder.iterdir()}
        for path in taken:
            path.unlink()
        message = process.stderr.read()
    assert process.returncode == 2, message
    assert re.search(r"\.png: .*No such file", message)
    assert "Traceback" not in message

    for path, content in taken.items():
        path.write_bytes(content[:-40] if path.name == "0.png" else content)
    with pytest.raises(InputError, match="1 of the 6 photos of .* as they were, e.g. '0.png'"):
        pretrain(folder, run, resume=True)
    (folder / "0.png").write_bytes(taken[folder / "0.png"])

    other = load_config(PretrainConfig, run / "config.json", ["epochs=3"])
    with pytest.raises(InputError, match=r"was begun with epochs=2 \(received 3\)"):
        pretrain(folder, run, resume=True, config=other)

    pretrain(folder, run, resume=True)
    assert len(pd.read_csv(run / "log.csv")) == 2


def small_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.9), loss="mse")
    return model


def test_a_checkpoint_holds_weights_optimizer_rate_and_metrics(tmp_path):
    x, y = np.random.default_rng(0).random((2, 8, 3), np.float32)
    model, other = small_model(), small_model()
    model.fit(x, y[:, :2], verbose=0)
    model.optimizer.learning_rate.assign(0.005)
    position = Position(Stage.EVERYTHING, 2, 3, 1, 2, {"val_loss": 0.5}, 9.0)
    about = {"base_weights": "none"}
    counters = {"stop": {"min_delta": 0.1, "best": None, "epochs_without": 3}}
    save_checkpoint(tmp_path / "c.npz", model, position, about, counters)
    checkpoint = load_checkpoint(tmp_path / "c.npz")
    assert (checkpoint.position, checkpoint.about) == (position, about)
    assert checkpoint.position.stage is Stage.EVERYTHING
    assert checkpoint.counters == counters
    other.fit(x, y[:, :2], verbose=0)
    checkpoint.restore(other)
    assert float(other.optimizer.learning_rate) == pytest.approx(0.005)
    for first, second in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(first, second)
    for fitted in (model, other):
        fitted.fit(x, y[:, :2], verbose=0, shuffle=False)
    for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_checkpoint_holds_the_loss_scale_of_mixed_precision(tmp_path):
    def scaled(scale):
        model = small_model()
        inner = keras.optimizers.RMSprop(0.01, momentum=0.9)
        wrapped = keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=scale)
        model.compile(wrapped, loss="mse")
        return model

    save_checkpoint(tmp_path / "c.npz", scaled(64), Position(), {}, {})
    other = scaled(2)
    load_checkpoint(tmp_path / "c.npz").restore(other)
    assert float(loss_scale(other.optimizer)) == 64


def test_a_checkpoint_holds_how_far_rates_have_decayed(tmp_path):
    def decaying():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dense(2)])
        config = FinetuneConfig(learning_rate_decay=0.5, plateau_patience=None, head_epochs=1)
        first, second = model.layers
        model.compile(backbone_and_head_optimizer([first], [second], config), loss="mse")
        return model

    x, y = np.random.default_rng(0).random((2, 8, 3), np.float32)
    model, other = decaying(), decaying()
    model.fit(x, y[:, :2], batch_size=2, verbose=0, shuffle=False)
    save_checkpoint(tmp_path / "c.npz", model, Position(), {}, {})
    load_checkpoint(tmp_path / "c.npz").restore(other)
    for fitted in (model, other):
        fitted.fit(x, y[:, :2], batch_size=2, verbose=0, shuffle=False)
    assert learning_rates(other.optimizer) == learning_rates(model.optimizer)
    assert learning_rates(other.optimizer)[0] < 1e-4 / 4
    for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="Nothing to resume"):
        load_checkpoint(tmp_path / "none.npz")
    half = tmp_path / "half.npz"
    save_checkpoint(half, small_model(), Position(), {}, {})
    half.write_bytes(half.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a checkpoint of this package"):
        load_checkpoint(half)
    half.write_bytes(b"")  # as after a power cut
    with pytest.raises(InputError, match="is not a checkpoint of this package"):
        load_checkpoint(half)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c.npz", small_model(), Position(), {}, {})
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.compile(keras.optimizers.RMSprop(0.01, momentum=0.9), loss="mse")
    with pytest.raises(InputError, match="does not fit the model"):
        load_checkpoint(tmp_path / "c.npz").restore(other)


def test_checkpoints_come_in_time_and_at_the_end_of_an_epoch(tmp_path):
    model = small_model()
    x = np.zeros((4, 3), np.float32)
    file = tmp_path / "checkpoint.npz"
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            position = load_checkpoint(file).position
            seen.append((position.epoch, position.step))

    for every_seconds in (0, 3600):
        file.unlink(missing_ok=True)
        config = FinetuneConfig(checkpoint_seconds=every_seconds)
        save = Checkpoints(tmp_path, Position(), lambda logs: None, about={}, config=config)
        model.fit(x, x[:, :2], batch_size=1, epochs=2, verbose=0, callbacks=[save, Look()])
    assert seen[:8] == [(0, 1), (0, 2), (0, 3), (0, 3), (1, 1), (1, 2), (1, 3), (1, 3)]
    assert seen[8:] == [(0, 0)] * 4 + [(1, 0)] * 4
    assert load_checkpoint(file).position.epoch == 2


def test_a_writer_that_dies_leaves_the_checkpoint_before(tmp_path):
    file = tmp_path / "c.npz"
    save_checkpoint(file, small_model(), Position(epoch=1), {}, {})
    code = (
        "import os, sys, numpy as np; from pathlib import Path;"
        "from nima_pretrain.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as partial:\n"
        "    partial.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert load_checkpoint(file).position.epoch == 1
