"""The weights that come with the package: whole, described, and used where nothing is named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nima_pretrain
from nima_pretrain.config import FinetuneConfig, NetworkConfig, PretrainConfig
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, load_model
from nima_pretrain.weights.bundled import bundled, bundled_backbone, bundled_of
from nima_pretrain.weights.finding import find_backbone, find_scorer, start_from
from nima_pretrain.weights.manifest import read_manifest
from nima_pretrain.weights.side_car import (
    BackboneCard,
    NimaCard,
    PretextCard,
    read_beside,
    sha256_of,
)
from nima_pretrain.weights.store import load_base_weights
from tests.conftest import ROOT

FOLDER = ROOT / "models" / "MobileNetV2"
PROGRAM = Path(sys.executable).with_name("nima-pretrain")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without downloads, and no network: nothing but the bundled weights can be found."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NIMA_PRETRAIN_WEIGHTS", raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return tmp_path / "home"


def run(*arguments):
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_bundled_file_is_whole_and_has_a_card():
    entries = read_manifest(FOLDER).weights
    assert {path.name for path in FOLDER.glob("*.h5")} == {entry.address for entry in entries}
    for entry in entries:
        file = FOLDER / entry.address
        assert entry.sha256 == sha256_of(file)
        assert read_beside(file) == entry.side_car
        card = (FOLDER / f"{entry.name}.md").read_text()
        assert "not yet filled in" not in card
        assert re.search(r"^license: (?!other)", card, re.MULTILINE)
        assert entry.name in (ROOT / "models" / "README.md").read_text()


def test_the_two_scorers_a_pretext_model_and_the_backbones_are_bundled():
    cards = [entry.side_car for entry in read_manifest(FOLDER).weights]
    scorers = [card for card in cards if isinstance(card, NimaCard)]
    assert [card.network.width for card in scorers] == [1.0, 0.35]
    assert {card.network.input_size for card in scorers} == {224}
    assert {card.score_scale.bins for card in scorers} == {7}
    (pretext,) = (card for card in cards if isinstance(card, PretextCard))
    assert pretext.tasks == ("ranking", "regression")
    origins = {(c.origin, c.network.width) for c in cards if isinstance(c, BackboneCard)}
    assert origins == {("imagenet", 0.35), ("pretraining", 0.35)}


@pytest.fixture
def without_the_backbone(tmp_path, monkeypatch):
    """The bundled weights of a wheel: a package of links, without the backbone alone."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for file in FOLDER.iterdir():
        if not file.name.startswith("backbone_"):
            (folder / file.name).symlink_to(file)
    monkeypatch.setattr("nima_pretrain.weights.bundled.bundled_folder", lambda: folder)


def test_the_pretext_model_serves_in_place_of_its_backbone(without_the_backbone):
    network = NetworkConfig(width=0.35, input_size=32, fit="squash")
    file = bundled_backbone(network, "pretraining")
    assert file.stem.startswith("pretext_")
    backbones = [build_backbone(input_size=32, width=0.35) for _ in range(2)]
    load_base_weights(backbones[0], str(file), network)
    (alone,) = FOLDER.glob("backbone_*.h5")
    load_base_weights(backbones[1], str(alone), network)
    for received, expected in zip(*(b.get_weights() for b in backbones), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_photos_are_scored_and_explained_without_naming_weights(home, tmp_path):
    photos = embedded_photos()
    done = run("predict", *photos, "--explain", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    name = bundled_of("nima").stem
    assert f"scoring with {name}" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    scorer = nima_pretrain.load_scorer()
    assert sha256_of(bundled_of("nima")).startswith(scorer.weights)
    expected = [score.mean for score in scorer.score(photos)]
    np.testing.assert_allclose([row["mean"] for row in rows], expected, atol=2e-4)
    assert all("explanation" in row for row in rows)
    assert not home.exists()
    quiet = run("predict", photos[0], "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_explain_takes_the_bundled_model_before_photos_options_and_the_end(tmp_path, monkeypatch):
    from nima_pretrain.cli.arguments import completed

    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "pretext.h5").touch()
    assert completed(["predict", "photos", "--explain"])[-1] == "bundled"
    assert completed(["--explain", "photos"]) == ["--explain", "bundled", "photos"]
    assert completed(["--explain", "--quiet"]) == ["--explain", "bundled", "--quiet"]
    for given in ("pretext.h5", "runs/pretext.h5", "a-published-name"):
        assert completed(["--explain", given, "photos"]) == ["--explain", given, "photos"]


def test_the_commands_of_weights_know_them():
    listed = run("weights", "list").stdout
    assert listed.count("bundled") == len(bundled())
    verified = run("weights", "verify")
    assert (verified.returncode, verified.stdout.count(": whole, ")) == (0, len(bundled()))
    name = bundled_of("pretext").stem
    assert run("weights", "verify", name).stdout.count("whole, pretext") == 1
    assert run("weights", "download", name).stdout.strip().endswith(f"bundled/{name}.h5")


@pytest.mark.slow
def test_doctor_checks_the_bundled_scorer():
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the same") == 4


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
def test_bundled_imagenet_weights_serve_either_fit(fit):
    network = NetworkConfig(width=0.35, input_size=32, fit=fit)
    file = find_backbone("bundled", network, "imagenet")
    assert Path(file).stem.startswith("imagenet_")
    backbone = build_backbone(input_size=32, width=0.35)
    load_base_weights(backbone, file, network)
    stored = load_model(file).get_weights()
    for received, expected in zip(backbone.get_weights(), stored, strict=True):
        np.testing.assert_array_equal(received, expected)


def test_finetuning_prefers_the_pretrained_backbone_and_pretraining_imagenet():
    network = NetworkConfig(width=0.35)
    assert bundled_backbone(network, "pretraining").stem.startswith("backbone_")
    assert bundled_backbone(network, "imagenet").stem.startswith("imagenet_")
    assert bundled_backbone(NetworkConfig(), "pretraining").stem.startswith("backbone_")
    with pytest.raises(InputError, match=r"No backbone of MobileNetV2 of width=0.5 .* width=0.35"):
        bundled_backbone(NetworkConfig(width=0.5), "imagenet")


def test_another_place_replaces_the_default_scorer_but_not_their_names(tmp_path, monkeypatch):
    (tmp_path / "weights.json").write_text('{"weights": []}')
    monkeypatch.setenv("NIMA_PRETRAIN_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="Expected --weights"):
        find_scorer()
    name = bundled_of("nima").stem
    assert find_scorer(name) == find_scorer("bundled") == bundled_of("nima")


def test_a_config_without_a_network_takes_that_of_the_weights(tmp_path):
    file, config = start_from("bundled", FinetuneConfig(epochs=1))
    assert (config.width, config.fit, config.epochs) == (0.35, "squash", 1)
    assert Path(file) == bundled_backbone(NetworkConfig(), "pretraining")
    _, config = start_from("bundled", PretrainConfig(), "imagenet")
    assert (config.width, config.fit) == (0.35, "letterbox")
    _, config = start_from("bundled", PretrainConfig(width=0.35, fit="letterbox"), "pretraining")
    assert config.fit == "letterbox"
