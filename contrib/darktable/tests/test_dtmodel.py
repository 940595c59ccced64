"""The model package: made by darktable's SDK, and the scores of nima-pretrain on whole photos."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
from PIL import Image

import nima_pretrain
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.distortions.geometry import fit_photo

FOLDER = Path(__file__).parents[1]
SCRIPT = FOLDER / "make_dtmodel.py"


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python of the environment that README.md installs, with darktable's SDK."""
    python = FOLDER / ".venv" / "bin" / "python"
    if not python.is_file():
        pytest.skip("needs the environment of contrib/darktable/README.md")
    return python


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """The bundled scorer as ONNX."""
    folder = tmp_path_factory.mktemp("dtmodel") / "exported"
    command = Path(sys.executable).with_name("nima-pretrain")
    subprocess.run([command, "export", "--to", "onnx", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def package(python, exported) -> zipfile.ZipFile:
    made = exported.with_name("nima.dtmodel")
    subprocess.run([python, SCRIPT, exported, made], check=True, capture_output=True)
    return zipfile.ZipFile(made)


def session_of(package: zipfile.ZipFile) -> onnxruntime.InferenceSession:
    model = package.read("rating-nima/model.onnx")
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def score(session: onnxruntime.InferenceSession, photo: np.ndarray) -> float:
    """Returns the mean score of a photo, given as darktable gives it."""
    image = np.float32(photo).transpose(2, 0, 1)[None] / 255
    (mean,) = session.run(["mean"], {"image": image})
    assert mean.shape == (1,)
    return float(mean[0])


def test_the_manifest_says_what_the_model_is(package):
    assert package.namelist() == ["rating-nima/config.json", "rating-nima/model.onnx"]
    config = json.loads(package.read("rating-nima/config.json"))
    assert config["id"] == "rating-nima"
    assert config["backend"] == "onnx"
    assert config["attributes"]["lowest_score"] == 1
    assert config["model_card"]["license"] == "Apache-2.0"


def test_scores_of_whole_photos_are_those_of_nima_pretrain(package):
    session, scorer = session_of(package), nima_pretrain.load_scorer()
    for path in embedded_photos():
        # Two ways of resizing round some pixels differently, see docs/prediction.md.
        assert score(session, load_photo(path)) == pytest.approx(scorer(path).mean, abs=0.02), path


def test_values_outside_of_the_range_are_clipped(package):
    session = session_of(package)
    photo = np.random.default_rng(0).integers(0, 256, (300, 500, 3))
    white, black = photo.copy(), photo.copy()
    white[:, :250], black[:, 250:] = 400, -90
    for given in (white, black):
        assert score(session, given) == pytest.approx(score(session, given.clip(0, 255)), abs=1e-4)


@pytest.mark.parametrize("size", [(640, 480), (301, 997)])
def test_letterbox_pads_as_nima_pretrain_does(python, exported, tmp_path, size):
    image = Image.fromarray(load_photo(embedded_photos()[0])).resize(size)
    signature = json.loads((exported / "signature.json").read_text())
    signature["network"]["fit"] = "letterbox"
    altered = shutil.copytree(exported, tmp_path / "exported")
    (altered / "signature.json").write_text(json.dumps(signature))
    made = tmp_path / "letterbox.dtmodel"
    subprocess.run([python, SCRIPT, altered, made], check=True, capture_output=True)
    with zipfile.ZipFile(made) as package:
        found = score(session_of(package), np.asarray(image))
    fitted = fit_photo(image, 224, "letterbox")
    original = onnxruntime.InferenceSession(exported / "model.onnx")
    (mean,) = original.run(["mean"], {"photos": fitted[None]})
    assert found == pytest.approx(float(mean[0]), abs=0.03)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "signature.json cannot be read"), ({"format": "litert"}, "received 'litert'")],
)
def test_what_is_no_export_is_refused(python, tmp_path, content, message):
    if content is not None:
        (tmp_path / "signature.json").write_text(json.dumps(content))
    command = [python, SCRIPT, tmp_path, tmp_path / "nima.dtmodel"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nima.dtmodel").exists()
