"""Exports score as `predict` does, in runtimes that are called as their signature says, or fail."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import openvino
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import nima_pretrain
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.samples import embedded_photos, write_embedded_quarters
from nima_pretrain.errors import InputError
from nima_pretrain.exporting import to_onnx
from nima_pretrain.exporting.signature import read_signature
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.weights.bundled import bundled
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, ScaleConfig, read_beside
from nima_pretrain.weights.store import load_model, save_weights
from tests.processes import finish, program, wait_until

FORMATS = ("savedmodel", "onnx", "litert", "openvino")


def by_savedmodel(folder, signature, photos):
    run = tf.saved_model.load(folder).signatures["pixels"]
    outputs = run(**{signature["input"]["name"]: tf.constant(photos)})
    return {name: value.numpy() for name, value in outputs.items()}


def by_onnx(folder, signature, photos):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {signature["input"]["name"]: photos})
    return dict(zip(names, outputs, strict=True))


def by_litert(folder, signature, photos):
    run = Interpreter(str(folder / "model.tflite")).get_signature_runner()
    outputs = [run(**{signature["input"]["name"]: photo[None]}) for photo in photos]
    return {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}


def by_openvino(folder, signature, photos):
    options = signature["runtime_options"]
    run = openvino.Core().compile_model(folder / "model.xml", "CPU", options)
    outputs = run({signature["input"]["name"]: photos})
    return {output.get_any_name(): value for output, value in outputs.items()}


BY_FORMAT = dict(zip(FORMATS, (by_savedmodel, by_onnx, by_litert, by_openvino), strict=True))


def fitted_by_hand(path: Path, size: int) -> np.ndarray:
    """Letterboxing as the signature describes it, in plain Pillow."""
    photo = Image.open(path).convert("RGB")
    width, height = photo.size
    short = min(width, height)
    photo = photo.resize((size * width // short, size * height // short), Image.Resampling.BILINEAR)
    side = max(photo.size)
    square = Image.new("RGB", (side, side))
    square.paste(photo, ((side - photo.width) // 2, (side - photo.height) // 2))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("to", FORMATS)
def test_an_export_called_as_its_signature_says_scores_as_predict(to, exported, weights, tmp_path):
    folder = exported(to)
    signature = json.loads((folder / "signature.json").read_text())
    given = signature["input"]
    assert (given["dtype"], given["channels"], given["range"]) == ("uint8", "RGB", [0, 255])
    assert given["resize"] == "letterbox"
    assert given["shape"][1:] == [32, 32, 3]
    write_embedded_quarters(tmp_path)  # which the export was not checked on
    paths = sorted(tmp_path.iterdir())
    photos = np.stack([fitted_by_hand(path, given["shape"][1]) for path in paths])
    outputs = BY_FORMAT[to](folder, signature, photos)
    assert sorted(outputs) == sorted(output["name"] for output in signature["outputs"])
    distribution, mean = (outputs[output["name"]] for output in signature["outputs"])
    expected = list(nima_pretrain.load_scorer(weights, full_size=True).score(paths))
    assert signature["check"]["allowed"] == 1e-4
    assert np.ptp(mean) > 1
    np.testing.assert_allclose(mean, [score.mean for score in expected], atol=1e-4)
    np.testing.assert_allclose(distribution @ signature["scale"]["scores"], mean, atol=1e-5)
    np.testing.assert_allclose(distribution, [score.distribution for score in expected], atol=1e-4)


@pytest.mark.parametrize("to", FORMATS)
def test_float16_halves_the_file_and_moves_scores_by_less_than_it_says(to, tmp_path):
    small = bundled()["nima_MobileNetV2_0.35_224-0ff19c23"]
    folder = tmp_path / "export"
    signature = nima_pretrain.export(small, folder, to=to, precision="float16")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 0.75 * small.stat().st_size
    assert signature.check.allowed == 0.03
    photos = [load_fitted(path, 224, signature.network.fit) for path in embedded_photos()]
    outputs = BY_FORMAT[to](folder, signature.model_dump(), np.stack(photos))
    difference = np.abs(outputs["mean"] - list(signature.reference_scores.values())).max()
    assert 1e-5 < difference < 0.03


def test_the_client_of_idealo_finds_its_signature_in_the_savedmodel(exported, weights, photo):
    model = tf.saved_model.load(exported("savedmodel"))
    photos = np.stack([photo[:32, :32], photo[200:232, 200:232]])
    prepared = keras.applications.mobilenet.preprocess_input(np.float32(photos))
    outputs = model.signatures["image_quality"](input_image=tf.constant(prepared))
    expected = load_model(weights)(photos)
    np.testing.assert_allclose(outputs["quality_prediction"], expected, atol=1e-5)


def test_the_command_exports_the_bundled_scorer_without_being_told(tmp_path):
    done = finish(program("export", "--to", "litert", tmp_path / "new" / "nima"))
    assert (done.returncode, done.stdout) == (0, "")
    assert "7 reference photos: scores differ by at most" in done.stderr
    signature = read_signature(tmp_path / "new" / "nima")
    bundled = nima_pretrain.load_scorer("bundled")
    assert signature.weights_sha256 == bundled.side_car.sha256
    assert signature.network == bundled.side_car.network
    for path in embedded_photos():
        assert signature.reference_scores[path.name] == pytest.approx(bundled(path).mean, abs=1e-4)
    assert not list((tmp_path / "new").glob(".*"))


def test_a_scale_of_a_hundred_points_is_allowed_differences_in_proportion(
    lively_nima, weights, tmp_path
):
    card = read_beside(weights).model_copy(update={"scale": ScaleConfig(bins=5, low=0, high=100)})
    save_weights(lively_nima, tmp_path / "nima.h5", card)
    signature = nima_pretrain.export(tmp_path / "nima.h5", tmp_path / "export", to="openvino")
    assert signature.check.allowed == pytest.approx(1e-3)
    assert signature.scale.scores == (0, 25, 50, 75, 100)


def test_an_export_that_computes_something_else_is_refused_and_leaves_nothing(
    weights, tmp_path, monkeypatch
):
    write = to_onnx.write

    def write_for_bgr(computation, path, *, half):
        @tf.function(input_signature=computation.function.input_signature)
        def function(photos):
            return computation.function(photos[..., ::-1])

        write(replace(computation, function=function), path, half=half)

    monkeypatch.setattr(to_onnx, "write", write_for_bgr)
    with pytest.raises(InputError, match="would not compute what .* more than the 0.0001 allowed"):
        nima_pretrain.export(weights, tmp_path / "export", to="onnx")

    def fail(computation, path, *, half):
        path.write_bytes(b"half a model")
        raise NotImplementedError("no such operation")

    monkeypatch.setattr(to_onnx, "write", fail)
    with pytest.raises(InputError, match="cannot be converted to onnx: no such operation"):
        nima_pretrain.export(weights, tmp_path / "export", to="onnx")
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced_unasked_and_only_exports_are_replaced(weights, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "photo.jpg").touch()
    with pytest.raises(InputError, match="export exists. Choose another folder, or pass --over"):
        nima_pretrain.export(weights, folder, to="litert")
    with pytest.raises(InputError, match="replaces folders with a signature.json, but .* has none"):
        nima_pretrain.export(weights, folder, to="litert", overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["photo.jpg"]
    (folder / "photo.jpg").rename(folder / "signature.json")
    nima_pretrain.export(weights, folder, to="litert", overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["model.tflite", "signature.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_export_leaves_no_folder_of_its_name(weights, tmp_path):
    command = program("export", weights, "--to", "onnx", tmp_path / "export")
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(process, lambda: any(tmp_path.glob(".export.partial-*")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "export").exists()
    nima_pretrain.export(weights, tmp_path / "export", to="litert")
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_a_missing_package_is_named_with_the_extra_that_has_it(tmp_path):
    code = (
        "import sys; sys.modules['onnx'] = None; from nima_pretrain.cli import main;"
        f"sys.argv = ['', 'export', '--to', 'onnx', {str(tmp_path / 'export')!r}]; main()"
    )
    done = finish([sys.executable, "-c", code])
    assert done.returncode == 2
    assert "not installed: onnx. Install them with: pip install 'nima-pretrain[exp" in done.stderr


def test_wrong_arguments_are_refused(weights, tmp_path, lively_nima):
    for arguments, message in (
        (["--to", "onnx"], r"Expected the folder to write .* export [WEIGHTS] --to onnx DIR"),
        ([weights, "--to", "onnx"], "Expected the folder to write as the last argument"),
        (["a", "--to", "torch"], "Expected --to savedmodel, onnx, litert, openvino, received 't"),
        (["a", "--to", "onnx", "--precision", "int8"], "--precision float32 or float16, received"),
        (["gone.h5", "--to", "onnx", "a"], "gone.h5 does not exist"),
    ):
        done = finish(program("export", *arguments), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert message.split(" .* ")[-1] in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
    card = BackboneCard(network=read_beside(weights).network)
    save_weights(lively_nima, tmp_path / "backbone.h5", card)
    with pytest.raises(InputError, match="Expected weights of a nima model"):
        nima_pretrain.export(tmp_path / "backbone.h5", tmp_path / "export", to="onnx")


def test_a_folder_that_is_no_export_has_no_signature(tmp_path):
    with pytest.raises(InputError, match="Expected an export in .* no signature.json"):
        read_signature(tmp_path)
    (tmp_path / "signature.json").write_text('{"format": "onnx"}')
    with pytest.raises(InputError, match="signature.json does not fit this version .* precision"):
        read_signature(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "to"),
    [("EfficientNetB0", "savedmodel"), ("ResNet50", "onnx")],
)
def test_other_networks_are_exported_too(name, to, weights, tmp_path):
    card = read_beside(weights)
    network = card.network.model_copy(update={"backbone": name, "width": 1.0})
    model = build_nima(build_backbone(name, 32), 5)
    card = NimaCard(network=network, scale=card.scale)
    save_weights(model, tmp_path / "nima.h5", card)
    signature = nima_pretrain.export(tmp_path / "nima.h5", tmp_path / "export", to=to)
    assert signature.network.backbone == name
