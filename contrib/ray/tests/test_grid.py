"""A grid on a cluster is that of one machine, byte for byte, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data
from PIL import Image

from nima_pretrain.errors import InputError
from nima_pretrain.files import read_text
from nima_pretrain.reproduction.ray_tasks import ray_cluster

SMALL = {"width": 0.35, "input_size": 32}
COMMAND = (sys.executable, "-c", "from nima_pretrain.cli import main; main()")


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A folder of 12 rated photos, three others and a config with relative paths."""
    (tmp_path / "images").mkdir()
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    ratings = []
    for number in range(12):
        pixels = np.clip(rng.normal(30 + 18 * number, 30, (32, 32, 3)), 0, 255)
        Image.fromarray(np.uint8(pixels)).save(tmp_path / "images" / f"{number}.png")
        label = (10 * np.exp(-((np.arange(4) - number / 4) ** 2))).round(3)
        part = ("training", "validation", "test")[number % 3]
        ratings.append({"image_id": str(number), "label": label.tolist(), "split": part})
    (tmp_path / "ratings.json").write_text(json.dumps(ratings))
    photo = Image.open(Path(skimage.data.__file__).with_name("chelsea.png"))
    for number in range(4):
        photo.crop((20 * number, 0, 20 * number + 300, 250)).save(
            tmp_path / "photos" / f"{number}.jpg"
        )
    content = {
        "data": {"ratings": "ratings.json", "images": "images"},
        "starts": {"scratch": {"weights": "none"}, "ranking": {"tasks": "ranking"}},
        "baseline": "scratch",
        "photos": "photos",
        "base_weights": "none",
        "pretrain": {**SMALL, "epochs": 1, "photos_per_batch": 2, "num_workers": 1},
        "finetune": {**SMALL, "epochs": 2, "head_epochs": 1, "batch_size": 2},
    }
    (tmp_path / "grid.json").write_text(json.dumps(content))
    return tmp_path


def command(*more):
    return [*COMMAND, "reproduce", "grid.json", "--run", *map(str, more)]


def finish(folder, *more):
    return subprocess.run(command(*more), cwd=folder, capture_output=True, text=True, check=False)


def kill_workers_after_a_checkpoint(process, cells):
    """Kills all workers when a cell has a checkpoint, and returns the cell."""
    while process.poll() is None:
        for checkpoint in cells.rglob("checkpoint.npz"):
            for worker in Path("/proc").iterdir():
                try:
                    name = (worker / "cmdline").read_bytes()
                except OSError:
                    continue
                if name.startswith(b"ray::_run_in_folder"):
                    os.kill(int(worker.name), signal.SIGKILL)
            return checkpoint.parent
        time.sleep(0.01)
    return None


def test_a_grid_is_that_of_one_machine_though_its_workers_are_killed(cluster, grid):
    done = finish(grid, "one")
    assert done.returncode == 0, done.stderr

    arguments = command("cluster", "--ray", cluster.address)
    with subprocess.Popen(arguments, cwd=grid, stderr=subprocess.PIPE, text=True) as process:
        killed = kill_workers_after_a_checkpoint(process, grid / "cluster" / "cells")
        begun = (killed / "environment.json").stat().st_mtime_ns
        assert not (killed / "nima.h5").exists()
        message = process.communicate()[1]
    assert process.returncode == 0, message
    assert "finished 2 of 2: cells/" in message
    assert (killed / "environment.json").stat().st_mtime_ns == begun  # it went on
    predictions = [file.relative_to(grid / "one") for file in (grid / "one").rglob("*ions.csv")]
    assert len(predictions) == 2
    for name in (*predictions, "results.json", "results.md", "results/metrics.csv"):
        assert (grid / "cluster" / name).read_bytes() == (grid / "one" / name).read_bytes()

    # Again: what is finished stays.
    weights = {file: file.stat().st_mtime_ns for file in (grid / "cluster").rglob("*.h5")}
    done = finish(grid, "cluster", "--ray", cluster.address)
    assert done.returncode == 0, done.stderr
    assert all(file.stat().st_mtime_ns == before for file, before in weights.items())


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "host:port"])
def test_an_address_without_a_cluster_is_refused_in_time(grid, address):
    started = time.monotonic()
    done = finish(grid, "one", "--ray", address)
    assert done.returncode == 2
    assert f"Expected the address of a Ray cluster, received '{address}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (grid / "one").exists()
    assert time.monotonic() - started < 120  # TensorFlow's import is most of it


def test_wrong_input_of_a_task_is_that_of_the_command(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = SimpleNamespace(name="task", function=read_text, arguments=(Path("gone"), "list"))
    with (
        pytest.raises(InputError, match="^Cannot read the list gone: No such file or directory.$"),
        ray_cluster(cluster.address) as execute,
    ):
        execute([task])
    with (
        pytest.raises(InputError, match="^Cannot enter .*Start the command in a folder that all"),
        ray_cluster(cluster.address) as execute,
    ):
        monkeypatch.setattr(Path, "cwd", lambda: Path("/nowhere"))
        execute([task])
