"""The full pipeline at toy size, by the commands that users type, including the README's."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.networks import load_model
from tests.conftest import ROOT

TINY = "--set width=0.35 input_size=32 epochs=2"
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    return [line for block in blocks("sh") for line in block.splitlines() if line]


def nima_pretrain(folder, arguments):
    program = Path(sys.executable).with_name("nima-pretrain")
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The inputs of the README's commands: photos, rated photos, ratings, configs."""
    folder = tmp_path_factory.mktemp("user")
    rng = np.random.default_rng(0)
    for name in ("my_photos", "rated_photos"):
        (folder / name / "deeper").mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
            Image.fromarray(pixels).resize((90, 60)).save(folder / name / f"photo {number}.jpg")
    pixels = rng.integers(0, 256, (60, 40, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "my_photos" / "deeper" / "upright.PNG")
    (folder / "my_photos" / "broken.jpg").write_bytes(b"broken")
    (folder / "models").symlink_to(ROOT / "models")
    rows = [
        {"image_id": f"photo {number}", "label": rng.integers(1, 9, 7).tolist()}
        for number in range(4)
    ]
    for name in ("ratings.json", "test_ratings.json"):
        (folder / name).write_text(json.dumps(rows))
    return folder


@pytest.mark.slow
def test_the_commands_of_the_readme_lead_from_photos_to_scores(folder):
    ours = [shlex.split(line)[1:] for line in commands() if line.startswith("nima-pretrain ")]
    names = ["predict", "check-data", "pretrain", "finetune", "evaluate", "predict"]
    assert [arguments[0] for arguments in ours] == names
    for arguments in ours:
        if arguments[0] in ("pretrain", "finetune"):
            arguments += shlex.split(TINY)
        done = nima_pretrain(folder, arguments)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "cuDNN" not in done.stderr
    scores = pd.read_csv(folder / "own_scores.csv")
    bins = [f"p{bin}" for bin in range(1, 8)]
    assert list(scores.columns)[:12] == ["path", "mean", "std", "percentile", *bins, "status"]
    assert scores["percentile"].dropna().between(0, 100).all()
    assert len(scores) == 6
    assert scores.set_index("path").loc["my_photos/broken.jpg", "status"] == "error"
    assert scores["mean"].dropna().between(1, 7).all()
    by_bundled = pd.read_csv(folder / "scores.csv")
    assert by_bundled["path"].tolist() == scores["path"].tolist()
    assert by_bundled["mean"].dropna().between(1, 7).all()
    line = (
        "predict my_photos --weights runs/finetune/nima.h5 --explain runs/pretrain/pretext.h5 "
        "--output own_scores.csv --overwrite --report scores.html --quiet"
    )
    done = nima_pretrain(folder, shlex.split(line))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    side_car = json.loads((folder / "runs" / "pretrain" / "pretext.json").read_text())
    assert np.array(side_car["usual_levels"]).shape == (21, 2)
    assert "my_photos/broken.jpg" in (folder / "scores.html").read_text()
    done = nima_pretrain(folder, ["doctor", "--weights", "runs/finetune/nima.h5"])
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the same") == 4
    evaluation = folder / "runs" / "finetune" / "evaluation" / "test_ratings"
    results = json.loads((evaluation / "results.json").read_text())
    assert results["images"] == 4
    assert set(results["model"]) == set(results["constant"]) >= {"lcc", "srcc", "emd"}
    unreadable = pd.read_csv(folder / "runs" / "pretrain" / "unreadable.csv")
    assert unreadable["path"].tolist() == ["my_photos/broken.jpg"]


@pytest.mark.slow
def test_train_walks_the_whole_road(folder):
    arguments = shlex.split(
        "train my_photos --ratings ratings.json --images rated_photos --validation-ratings "
        "ratings.json --test-ratings test_ratings.json --run runs/road --base-weights none "
        "--set backbone=MobileNet width=0.25 input_size=32 pretrain.epochs=1 "
        "pretrain.chunk_size=174 pretrain.num_workers=0 finetune.epochs=2"
    )
    done = nima_pretrain(folder, arguments)
    assert done.returncode == 0, done.stderr
    run = folder / "runs" / "road"
    results = json.loads((run / "results.json").read_text())
    assert set(results) == {"pretrain", "finetune", "evaluation", "photos_scored", "seconds"}
    assert results["photos_scored"] == 5
    assert len(pd.read_csv(run / "predictions.csv")) == 6
    for name in ("backbone", "nima"):
        assert (run / f"{name}.json").is_file()
        assert load_model(run / f"{name}.h5")
    again = nima_pretrain(folder, arguments)
    assert again.returncode == 2
    assert "pass --overwrite" in again.stderr

    # A finished stage is kept, a missing one is run again.
    before = (run / "pretrain" / "pretext.h5").stat().st_mtime_ns
    shutil.rmtree(run / "finetune")
    resumed = nima_pretrain(folder, [*arguments, "--resume"])
    assert resumed.returncode == 0, resumed.stderr
    assert (run / "pretrain" / "pretext.h5").stat().st_mtime_ns == before
    anew = json.loads((run / "results.json").read_text())
    assert anew["evaluation"]["model"]["emd"] == pytest.approx(
        results["evaluation"]["model"]["emd"], rel=1e-4
    )


@pytest.mark.slow
def test_the_demo_ends_in_a_table_paths_and_a_warning(tmp_path):
    overrides = (
        "--set input_size=32 pretrain.epochs=1 pretrain.series_per_photo=18 finetune.epochs=1"
    )
    done = nima_pretrain(tmp_path, ["train", *shlex.split(overrides)])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert "show that the pipeline runs and learns, nothing about the method" in lines[-2]
    assert lines[-1].endswith("runs/demo/scores.html")
    assert len(pd.read_csv(tmp_path / "runs" / "demo" / "scores.csv")) == 7
    assert "astronaut.png" in (tmp_path / "runs" / "demo" / "scores.html").read_text()
    assert "synthetic" in done.stdout
    for name in ("results.json", "predictions.csv", "backbone.h5", "nima.h5"):
        assert f"runs/demo/{name}" in lines
        assert (tmp_path / "runs" / "demo" / name).is_file()
    assert (tmp_path / "runs" / "demo" / "backbone.json").is_file()
    assert (tmp_path / "runs" / "demo" / "nima.json").is_file()


def test_render_writes_every_view_and_the_sheet(folder):
    photo = "my_photos/photo 1.jpg"
    done = nima_pretrain(folder, ["render", photo, "--output", "views", "--size", "32"])
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "views").glob("*.png"))) == 174 + 1
    with Image.open(folder / "views" / "exposure_-1.8.png") as view:
        assert view.size == (32, 32)


def test_the_make_targets_of_the_readme_exist():
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_python_of_the_readme_runs(tmp_path, photo, monkeypatch, capsys):
    (block,) = blocks("python")
    (tmp_path / "my_photos").mkdir()
    for number in (1, 2):
        Image.fromarray(photo).save(tmp_path / "my_photos" / f"photo {number}.jpg")
    (tmp_path / "my_photos" / "broken.jpg").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    single, good, bad = capsys.readouterr().out.splitlines()
    mean, std, percentile = map(float, single.split())
    assert 1 <= mean <= 7
    assert std > 0
    assert 0 <= percentile <= 100
    path, second = good.rsplit(maxsplit=1)
    assert path == "my_photos/photo 2.jpg"
    assert float(second) == pytest.approx(mean, abs=1e-5)
    assert bad.startswith("my_photos/broken.jpg None cannot identify")
