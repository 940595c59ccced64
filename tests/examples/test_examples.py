"""The examples run as they are, and stay short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights
from tests.conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture
def run(tmp_path):
    def run(example: str, *arguments: object) -> str:
        command = [sys.executable, str(ROOT / "examples" / f"{example}.py"), *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_have_fewer_than_80_lines(example: Path):
    assert len(example.read_text().splitlines()) < 80


def test_a_folder_is_scored(run, photo_folder, tmp_path):
    model = build_nima(build_backbone(input_size=32, width=0.35), 5)
    network = {"width": 0.35, "input_size": 32}
    side_car = NimaCard(network=network, scale=ScaleConfig(bins=5, low=1, high=5))
    save_weights(model, tmp_path / "nima.h5", side_car)
    (photo_folder / "broken.jpg").write_bytes(b"no photo")
    lines = run("score_folder", photo_folder, "--weights", "nima.h5", "--best", 2).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(f"not scored: {photo_folder / 'broken.jpg'}: cannot identify")


@pytest.mark.slow
def test_a_backbone_is_pretrained_and_fine_tuned(run, photo_folder, tmp_path):
    options = ("--base-weights", "none", "--epochs", 1, "--input-size", 32)
    said = run("pretrain", photo_folder, "pretrain", *options)
    assert "best epoch: 1 of 1" in said
    assert "composition: " in said
    names = [path.relative_to(photo_folder).as_posix() for path in photo_folder.rglob("*.*")]
    labels = [
        {"image_id": name, "label": [number, 1, 1, 1, 1]} for number, name in enumerate(names)
    ]
    (tmp_path / "ratings.json").write_text(json.dumps(labels))
    options = ("--backbone", "pretrain/backbone.h5", "--epochs", 2, "--input-size", 32)
    said = run("finetune", "ratings.json", photo_folder, "finetune", *options)
    assert "of a constant" in said
    assert "predicted" in said


@pytest.mark.slow
def test_a_method_of_ones_own_is_trained(run, photo_folder, tmp_path):
    said = run("custom_method", photo_folder, "run", "--base-weights", "none", "--epochs", 1)
    assert "(guessing: 0.693)" in said
    assert (tmp_path / "run" / "backbone.h5").is_file()
