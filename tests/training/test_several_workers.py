"""Trainings on several workers: real processes on loopback, and the wrong settings of them."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import ReproduceConfig
from nima_pretrain.distillation.distill import distill
from nima_pretrain.errors import InputError
from nima_pretrain.networks import load_model
from nima_pretrain.networks.workers import Workers, working_with
from nima_pretrain.reproduction.reproduce import reproduce
from nima_pretrain.training.agreement import check_division
from nima_pretrain.training.devices import choose_strategy
from nima_pretrain.training.pipeline import train
from nima_pretrain.training.pretrain import pretrain
from nima_pretrain.training.results import FinetuneResults
from nima_pretrain.training.tf_config import ONLY_MEMBER, Member, member_of
from nima_pretrain.weights.bundled import bundled_backbone
from nima_pretrain.weights.side_car import read_beside
from tests.conftest import ROOT, write_photos
from tests.processes import finish, position_of, program, wait_until
from tests.training.trainings import RATED, SAMPLED, WEIGHTS

SECONDS_TO_END = 90  # for a worker whose partner was killed


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_photos(folder / "photos")
    rated = folder / "rated"
    rated.mkdir()
    rng = np.random.default_rng(0)
    lines = ["path,p1,p2,p3,split"]
    for number in range(26):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(rated / f"{number}.png")
        part = "train" if number < 20 else "validation"
        lines.append(f"{number}.png,{number % 3},1,{number % 5},{part}")
    (rated / "ratings.csv").write_text("\n".join(lines))
    return folder


def environments(count=2):
    """The environment of each of several workers on free ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{opened.getsockname()[1]}" for opened in sockets]
    return [
        os.environ
        | {
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            )
        }
        for index in range(count)
    ]


def start(inputs, runs, environment=None):
    command = [sys.executable, "-m", "tests.training.trainings", str(inputs), str(runs)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def runs(inputs, tmp_path_factory):
    """The runs of a process alone, and those of two workers."""
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    processes = [start(inputs, together, environment) for environment in environments()]
    processes.append(start(inputs, alone))
    for process in processes:
        _, messages = process.communicate()
        assert process.returncode == 0, messages
    return alone, together


NAMES = ("sampled/pretext", "contrastive/pretext", "rated/nima")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_workers_make_the_weights_of_one_process(runs, name):
    first, second = (load_model(run / f"{name}.h5").get_weights() for run in runs)
    for alone, together in zip(first, second, strict=True):
        np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_trainings_from_the_same_weights_part_much_further(runs):
    alone, _ = runs
    first, second = (
        load_model(alone / name / "backbone.h5").get_weights()
        for name in ("sampled", "contrastive")
    )
    kernels = [pair for pair in zip(first, second, strict=True) if pair[0].ndim == 4]
    assert max(np.abs(a - b).max() for a, b in kernels) > 1e-2


@pytest.mark.slow
def test_trainings_start_from_bundled_weights(runs):
    alone, _ = runs
    card = read_beside(alone / "sampled" / "backbone.h5")
    assert card.training_data["base_weights"].startswith("imagenet_")
    start = FinetuneResults.read(alone / "rated").backbone_weights
    assert Path(start) == bundled_backbone(RATED, "pretraining")


@pytest.mark.slow
def test_the_chief_alone_writes_the_run(runs):
    for name in ("sampled", "contrastive", "rated"):
        alone, together = (
            {path.name for path in (run / name).iterdir()} - {"tensorboard"} for run in runs
        )
        assert together == alone
        logs = [pd.read_csv(run / name / "log.csv") for run in runs]
        assert logs[0].columns.tolist() == logs[1].columns.tolist()
        for column in ("loss", "val_loss"):
            np.testing.assert_allclose(logs[1][column], logs[0][column], rtol=1e-6)
    events = [list((run / "rated" / "tensorboard").rglob("events*")) for run in runs]
    assert len(events[0]) == len(events[1])


@pytest.mark.slow
def test_a_killed_worker_ends_the_run_which_resumes_on_one(inputs, runs, tmp_path):
    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(RATED.model_copy(update={"checkpoint_seconds": 0.0}).model_dump_json())
    rated = inputs / "rated"
    data = ("--ratings", rated / "ratings.csv", "--images", rated, "--run", run)
    command = program("finetune", *data, "--backbone", WEIGHTS, "--config", config)
    chief, other = (
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for environment in environments()
    )
    # In the second epoch of the head, or later.
    wait_until(chief, lambda: (position := position_of(run)) and position.epoch >= 1)
    other.send_signal(signal.SIGKILL)
    _, messages = chief.communicate(timeout=SECONDS_TO_END)
    other.communicate()
    assert chief.returncode == 2, messages
    assert "Another worker has ended or cannot be reached" in messages
    assert "Traceback" not in messages
    assert position_of(run).epoch < 3
    done = finish(program("finetune", *data, "--resume"))
    assert done.returncode == 0, done.stderr
    assert "resuming after" in done.stderr
    first, second = (
        load_model(folder / "nima.h5").get_weights() for folder in (runs[0] / "rated", run)
    )
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


ADDRESSES = ["10.0.0.1:2222", "10.0.0.2:2222"]


def described(**changes):
    content = {"cluster": {"worker": ADDRESSES}, "task": {"type": "worker", "index": 1}}
    return {"TF_CONFIG": json.dumps(content | changes)}


def test_tf_config_numbers_the_workers_with_the_chief_first():
    assert member_of({}) == member_of({"TF_CONFIG": " "}) == ONLY_MEMBER
    assert member_of(described()) == Member(1, tuple(ADDRESSES))
    cluster = {"worker": ADDRESSES, "chief": ["10.0.0.9:1"]}
    assert member_of(described(cluster=cluster)) == Member(2, ("10.0.0.9:1", *ADDRESSES))
    chief = described(cluster=cluster, task={"type": "chief", "index": 0})
    assert member_of(chief).number == 0


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"TF_CONFIG": "{"}, "it is not JSON"),
        ({"TF_CONFIG": "[]"}, "it has no object 'cluster'"),
        (described(cluster=None), "it has no object 'cluster'"),
        (described(cluster={}), "its cluster has no workers"),
        (described(cluster={"worker": []}), "its cluster has no workers"),
        (described(cluster={"worker": ADDRESSES, "ps": ["a:1"]}), "the job 'ps'"),
        (described(cluster={"worker": "10.0.0.1:2222"}), "not a list of host:port"),
        (described(cluster={"worker": ["10.0.0.1"]}), "not a list of host:port"),
        (described(cluster={"worker": ["10.0.0.1:99999"]}), "not a list of host:port"),
        (described(cluster={"worker": [ADDRESSES[0]] * 2}), "two workers have the same address"),
        (described(task=None), "it has no object 'task'"),
        (described(task={"type": "evaluator", "index": 0}), "of type 'evaluator'"),
        (described(task={"type": "worker", "index": 2}), "the index 2, but there are 2"),
        (described(task={"type": "worker", "index": "1"}), "the index '1', but there are 2"),
    ],
)
def test_a_wrong_tf_config_is_refused_before_anything_is_done(
    environment, reason, monkeypatch, tmp_path
):
    monkeypatch.setenv("TF_CONFIG", environment["TF_CONFIG"])
    with pytest.raises(InputError, match="Expected TF_CONFIG such as") as error:
        pretrain(tmp_path, tmp_path / "run", config=SAMPLED)
    assert reason in str(error.value)
    assert "Traceback" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("index", [0, 1])
def test_commands_of_one_machine_refuse_several_workers(index, monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", described(task={"type": "worker", "index": index})["TF_CONFIG"])
    grid = ReproduceConfig.model_construct()
    calls = {
        "train": lambda: train(run=tmp_path / "run"),
        "distill": lambda: distill("ratings.csv", tmp_path / "run"),
        "reproduce": lambda: reproduce(grid, tmp_path / "run"),
    }
    for name, call in calls.items():
        with pytest.raises(InputError, match=f"since {name} runs on one machine, received TF_CON"):
            call()
    assert not (tmp_path / "run").exists()


@pytest.fixture
def one_of_three():
    joined = Workers(1)
    joined.count = 3
    with working_with(joined):
        yield


def test_workers_without_a_part_of_a_batch_are_refused(one_of_three):
    check_division("batch_size", 9, 9, 3)
    check_division("photos_per_batch", 3, 522, 12)
    with pytest.raises(InputError, match="each of 3 workers, received batch_size=2. Raise it"):
        check_division("batch_size", 2, 2, 2)
    with pytest.raises(InputError, match="received chunk_size=null for batches of 96 images. Set"):
        check_division("batch_size", 96, 96, None)
    with pytest.raises(InputError, match="received chunk_size=48 .* Set it to at most 32"):
        check_division("batch_size", 96, 96, 48)


def test_mirrored_workers_are_refused(one_of_three):
    with pytest.raises(InputError, match="mirrored=false on each of 3 workers"):
        choose_strategy(True)


def test_a_worker_without_the_run_cannot_resume_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_CONFIG", described()["TF_CONFIG"])
    with pytest.raises(InputError, match="Put --run into a folder that all workers share"):
        pretrain(tmp_path, tmp_path / "run", config=SAMPLED, resume=True)
