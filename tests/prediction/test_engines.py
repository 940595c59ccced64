"""LiteRT and TensorFlow give the same scores; LiteRT needs no TensorFlow; foreign files fail."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nima_pretrain
from nima_pretrain.config import NetworkConfig, PretrainConfig
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.pretext.methods import method_of
from nima_pretrain.weights.litert import LiteRtModel, litert_path
from nima_pretrain.weights.litert_writing import try_litert, write_litert
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, PretextCard, ScaleConfig
from nima_pretrain.weights.store import copy_weights, save_weights

NETWORK = NetworkConfig(width=0.35, input_size=32)
SCALE = ScaleConfig(bins=5, low=1, high=5)
PROGRAM = """
import sys
from nima_pretrain.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "keras"} & sys.modules.keys()
    assert not heavy, heavy
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, lively_nima):
    """A NIMA model and a pretext model, both with their `.tflite` files."""
    folder = tmp_path_factory.mktemp("models")
    save_weights(lively_nima, folder / "nima.h5", NimaCard(network=NETWORK, scale=SCALE))
    method = method_of(PretrainConfig(width=0.35, input_size=32, tasks="ranking+regression"))
    model = method.attach_heads(build_backbone(input_size=32, width=0.35))
    card = PretextCard(network=NETWORK, **method.card_fields())
    save_weights(model, folder / "pretext.h5", card)
    for name in ("nima", "pretext"):
        write_litert(folder / f"{name}.h5")
    return folder


def predict(folder, *arguments):
    command = [sys.executable, "-c", PROGRAM, "predict", *map(str, embedded_photos())]
    command += ["--weights", folder / "nima.h5", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_photos_are_scored_and_explained_without_importing_tensorflow(folder):
    done = predict(folder, "--explain", folder / "pretext.h5", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(",ok,") == len(embedded_photos())
    by_tensorflow = predict(folder, "--engine", "tensorflow")
    assert "AssertionError: {" in by_tensorflow.stderr


def test_both_engines_give_the_same_scores(folder):
    photos = [*embedded_photos(), "missing.jpg"] * 3
    by_engine = [
        list(
            nima_pretrain.load_scorer(
                folder / "nima.h5", explain=folder / "pretext.h5", engine=engine
            ).score(photos)
        )
        for engine in ("litert", "tensorflow")
    ]
    for fast, exact in zip(*by_engine, strict=True):
        assert (fast.path, fast.error) == (exact.path, exact.error)
        if not fast.error:
            np.testing.assert_allclose(fast.distribution, exact.distribution, atol=1e-5)
            assert fast.explanation == exact.explanation
    side_car = read_side_car(folder / "nima.h5", NimaCard)
    assert 0 <= side_car.litert.difference < 1e-5


def test_litert_is_the_default_where_its_file_is(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert isinstance(nima_pretrain.load_scorer(folder / "nima.h5").model, LiteRtModel)
    copy_weights(folder / "nima.h5", tmp_path / "nima.h5")
    assert isinstance(nima_pretrain.load_scorer(tmp_path / "nima.h5").model, LiteRtModel)
    assert not caplog.messages
    litert_path(tmp_path / "nima.h5").unlink()
    assert isinstance(nima_pretrain.load_scorer(tmp_path / "nima.h5").model, PhotoModel)
    assert caplog.messages == ["nima.h5 is run by TensorFlow: there is no .tflite file beside it"]
    with pytest.raises(InputError, match=r"Expected nima.tflite beside .*nima.h5"):
        nima_pretrain.load_scorer(tmp_path / "nima.h5", engine="litert")
    with pytest.raises(InputError, match="--engine litert or tensorflow, received 'onnx'"):
        nima_pretrain.load_scorer(folder / "nima.h5", engine="onnx")


def test_the_benchmark_measures_each_engine_with_one_thread_and_with_all(folder, photo_folder):
    cores = os.cpu_count()
    speeds = nima_pretrain.benchmark(photo_folder, weights=folder / "nima.h5", seconds=0.2)
    measured = {speed[:3] for speed in speeds}
    assert measured == {
        ("decoding", None, 1),
        ("decoding", None, cores),
        ("model", "litert", 1),
        ("model", "litert", cores),
        ("whole", "litert", cores),
        ("model", "tensorflow", cores),
        ("whole", "tensorflow", cores),
    }
    assert all(speed.per_second > 0 for speed in speeds)
    (photo_folder / "only").mkdir()
    (photo_folder / "only" / "broken.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match="None of the 1 photos can be read"):
        nima_pretrain.benchmark(photo_folder / "only", weights=folder / "nima.h5")


@pytest.mark.parametrize("content", ["damaged", "of another model"])
def test_a_damaged_or_foreign_file_is_refused(folder, tmp_path, content):
    copy_weights(folder / "nima.h5", tmp_path / "nima.h5")
    other = litert_path(folder / "pretext.h5").read_bytes()
    file = litert_path(tmp_path / "nima.h5")
    file.write_bytes(file.read_bytes()[:-100] if content == "damaged" else other)
    with pytest.raises(InputError, match=r"nima.tflite is not the file that nima.json describes"):
        nima_pretrain.load_scorer(tmp_path / "nima.h5")
    done = predict(tmp_path)
    assert done.returncode == 2
    assert "its sha256 differs" in done.stderr
    assert isinstance(
        nima_pretrain.load_scorer(tmp_path / "nima.h5", engine="tensorflow").model, PhotoModel
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNet", "EfficientNetB0", "ResNet50"])
def test_other_networks_run_by_litert_too(name, tmp_path):
    network = NetworkConfig(backbone=name, input_size=32)
    model = build_nima(build_backbone(name, 32), 5)
    save_weights(model, tmp_path / "nima.h5", NimaCard(network=network, scale=SCALE))
    write_litert(tmp_path / "nima.h5")
    assert read_side_car(tmp_path / "nima.h5", NimaCard).litert is not None


def test_weights_without_scores_have_no_such_file(tmp_path, caplog):
    save_weights(build_backbone(input_size=32), tmp_path / "b.h5", BackboneCard(network=NETWORK))
    with pytest.raises(InputError, match="Expected a NIMA model, or one with a regression head"):
        write_litert(tmp_path / "b.h5")
    try_litert(tmp_path / "b.h5")
    assert "b.tflite is not written: Expected a NIMA model" in caplog.text
    assert not (tmp_path / "b.tflite").exists()
    assert Path(tmp_path / "b.json").exists()
