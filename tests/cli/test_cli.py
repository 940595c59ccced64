"""The command line: quick help, and one clear message for each kind of wrong input."""

import inspect
import json
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from nima_pretrain import __version__
from nima_pretrain.cli import main
from nima_pretrain.config import NetworkConfig
from nima_pretrain.networks import build_backbone, build_nima
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights
from tests.conftest import ROOT

NETWORK = NetworkConfig(width=0.35, input_size=32)


@pytest.fixture(scope="module")
def nima_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "nima.h5"
    backbone = build_backbone(input_size=32, width=0.35)
    scale = ScaleConfig(bins=10, low=1, high=10)
    side_car = NimaCard(network=NETWORK, scale=scale)
    save_weights(build_nima(backbone), path, side_car)
    save_weights(backbone, path.with_name("backbone.h5"), BackboneCard(network=NETWORK))
    return path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["nima-pretrain", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture
def ratings(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (40, 40)).save(images / "one.jpg")
    file = tmp_path / "ratings.json"
    file.write_text(json.dumps([{"image_id": "one", "label": [1] * 10}]))
    return file


def test_help_names_every_command(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    commands = "train pretrain finetune reproduce check-data evaluate compare study predict render"
    for command in [*commands.split(), "doctor"]:
        assert command in shown


def test_version(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == f"nima-pretrain {__version__}"


def test_help_answers_without_heavy_packages():
    code = "import sys, nima_pretrain.cli; print([m for m in sys.modules if m in HEAVY])"
    heavy = (
        "HEAVY = ('tensorflow', 'keras', 'pandas', 'scipy', 'matplotlib', 'cv2', 'numpy', 'PIL', "
        "'lxml', 'filelock');"
    )
    done = subprocess.run(
        [sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_defaults_of_predict_are_those_of_the_library():
    from nima_pretrain.cli.predict import predict
    from nima_pretrain.data.photos import MAX_PIXELS
    from nima_pretrain.prediction.scoring import BATCH_SIZE

    parameters = inspect.signature(predict).parameters
    assert parameters["max_pixels"].default == MAX_PIXELS
    assert parameters["batch_size"].default == BATCH_SIZE


WRONG = {
    "missing photos": (["pretrain", "nowhere", "--run", "new"], "nowhere does not exist"),
    "empty folder": (["pretrain", "{empty}", "--run", "new"], "Found no photos below"),
    "unknown key": (
        ["pretrain", "{images}", "--run", "new", "--set", "epoch=1"],
        "Unknown config key 'epoch'. Did you mean 'epochs'?",
    ),
    "existing folder": (
        ["pretrain", "{images}", "--run", "{images}", "--base-weights", "none"],
        "is not a run. Choose another --run",
    ),
    "missing base weights": (
        ["pretrain", "{images}", "--run", "new", "--base-weights", "gone.h5"],
        "gone.h5 does not exist",
    ),
    "weights that do not fit": (
        [
            "pretrain",
            "{images}",
            "--run",
            "new",
            "--base-weights",
            "{backbone}",
            "--set",
            "width=1",
        ],
        "are of width 0.35, but the config asks for 1.0",
    ),
    "ratings that name missing images": (
        ["finetune", "--ratings", "{ratings}", "--images", "{empty}", "--run", "new"],
        "1 of 1 images that .* are not in .* e.g. 'one'",
    ),
    "weights of another kind": (
        ["evaluate", "{backbone}", "--ratings", "{ratings}", "--images", "{images}"],
        "Expected weights of a nima model",
    ),
    "missing weights": (
        ["predict", "{images}", "--weights", "gone.h5"],
        "Expected a weights file, but gone.h5 does not exist",
    ),
    "missing photo to score": (
        ["predict", "{images}", "nowhere.jpg", "--weights", "{nima}"],
        "nowhere.jpg does not exist",
    ),
    "weights to verify that are not there": (
        ["weights", "verify", "mine"],
        "but mine is neither",
    ),
    "a name that nobody publishes": (
        ["predict", "{images}", "--weights", "mine"],
        "published weights or a file, received 'mine'. Known: nima_MobileNetV2_1_224-",
    ),
    "a pattern without matches": (
        ["predict", "{images}/*.tif", "--weights", "{nima}"],
        r"images/\*.tif matches nothing",
    ),
    "an output that is there": (
        ["predict", "{images}", "--weights", "{nima}", "--output", "{ratings}"],
        "is there already. Go on with it with --resume, replace it with --overwrite",
    ),
    "an output to go on with that is none": (
        ["predict", "{images}", "--weights", "{nima}", "--output", "{ratings}", "--resume"],
        "is not a json file as predict writes it",
    ),
    "going on with standard output": (
        ["predict", "{images}", "--weights", "{nima}", "--resume"],
        "Expected --output FILE",
    ),
    "going on with names and means": (
        [
            *("predict", "{images}", "--weights", "{nima}", "--output", "new.json"),
            *("--format", "idealo", "--resume"),
        ],
        "too little for --resume, --report, --xmp and --group",
    ),
    "a format that is none": (
        ["predict", "{images}", "--weights", "{nima}", "--format", "xml"],
        "csv, json, jsonl, idealo, received 'xml'",
    ),
    "an explanation by other weights": (
        ["predict", "{images}", "--weights", "{nima}", "--explain", "{backbone}"],
        "Expected weights of a pretext model",
    ),
    "photo that is none": (["render", "{ratings}", "--output", "views"], "cannot identify"),
    "unknown bank": (
        ["render", "{photo}", "--output", "views", "--bank", "mine"],
        "'bank': input should be 'paper' or 'repaired'",
    ),
    "no ratings at all": (
        ["finetune", "--ratings", "{photo}", "--images", "{images}", "--run", "new"],
        "is not text in UTF-8",
    ),
    "a scale that is none": (
        ["check-data", "--ratings", "{ratings}", "--images", "{images}", "--scale", "5"],
        "Expected a scale as LOW:HIGH",
    ),
    "ratings on another scale": (
        ["check-data", "--ratings", "{ratings}", "--images", "{images}", "--scale", "1:5"],
        "10 bins from 1 to 10, but the scale asked for has 5 bins",
    ),
    "a part that ratings do not have": (
        ["evaluate", "{nima}", "--ratings", "{ratings}", "--images", "{images}", "--part", "test"],
        "Expected photos for test",
    ),
    "nothing to resume": (
        ["finetune", "--ratings", "{ratings}", "--images", "{images}", "--run", "x", "--resume"],
        "Cannot read the config .*x/config.json",
    ),
    "a share of nothing": (
        ["finetune", "--ratings", "{ratings}", "--images", "{images}", "--run", "x", "--share=0"],
        "'share': input should be greater than 0",
    ),
    "two kinds of validation": (
        [
            *("finetune", "--ratings", "{ratings}", "--images", "{images}", "--run", "x"),
            *("--validation-ratings", "{ratings}", "--validation-list", "{ratings}"),
        ],
        "--validation-list or --validation-ratings, received both",
    ),
    "photos for validation that would be trained on": (
        [
            *("finetune", "--ratings", "{ratings}", "--images", "{images}", "--run", "x"),
            *("--validation-list", "{ratings}"),
        ],
        "Expected --training-list beside --validation-list",
    ),
    "no run to compare": (["compare", "nowhere", "--output", "x"], "nowhere does not exist"),
    "a run without evaluation": (
        ["compare", "a={images}", "b={empty}", "--output", "x"],
        "a has no evaluation. First run `nima-pretrain evaluate",
    ),
    "two runs of one name": (
        ["compare", "{images}", "{images}", "--output", "x"],
        "Two runs are called 'images'",
    ),
    "a grid without data": (
        ["reproduce", "{empty_config}", "--run", "x"],
        "'data': field required",
    ),
    "half a road": (["train", "{images}"], "Expected --ratings, --images, --test-ratings beside"),
    "half a split": (
        ["pretrain", "{images}", "--run", "new", "--training-list", "{ratings}"],
        "Expected --training-list and --validation-list together",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_wrong_input_gets_one_message_and_exit_code_2(
    arguments, message, monkeypatch, capsys, tmp_path, ratings, nima_file
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    places = {
        "empty": tmp_path / "empty",
        "empty_config": tmp_path / "config.json",
        "images": tmp_path / "images",
        "photo": tmp_path / "images" / "one.jpg",
        "ratings": ratings,
        "nima": nima_file,
        "backbone": nima_file.with_name("backbone.h5"),
    }
    code = run(monkeypatch, *(argument.format(**places) for argument in arguments))
    shown = capsys.readouterr()
    assert code == 2
    lines = shown.err.strip().splitlines()
    assert [line.startswith("nima-pretrain: ") for line in lines].count(True) == 1
    assert re.search(message, shown.err), shown.err
    assert "Traceback" not in shown.err


def test_evaluate_takes_the_test_part_or_a_list(monkeypatch, capsys, tmp_path, nima_file):
    images = tmp_path / "images"
    images.mkdir()
    lines = ["path,mean,split"]
    for number in range(6):
        Image.new("RGB", (40, 40), (40 * number, 90, 30)).save(images / f"{number}.png")
        lines.append(f"{number},{4 + 0.5 * number},{'train' if number < 2 else 'test'}")
    (tmp_path / "own.csv").write_text("\n".join(lines))
    (tmp_path / "list.txt").write_text("1\n4.png\n")
    run_folder = tmp_path / "run"
    shutil.copytree(nima_file.parent, run_folder)
    common = ["--ratings", tmp_path / "own.csv", "--images", images, "--scale", "1:10"]
    arguments = ["evaluate", run_folder / "nima.h5", *common]
    expected = {"own-test": 4, "own-all": 6, "own-training": 2, "mine": 2}
    options = (
        [],
        ["--part", "all"],
        ["--part", "training"],
        ["--name", "mine", "--test-list", tmp_path / "list.txt"],
    )
    for more, (name, images_) in zip(options, expected.items(), strict=True):
        assert run(monkeypatch, *arguments, *more) == 0
        results = run_folder / "evaluation" / name / "results.json"
        assert json.loads(results.read_text())["images"] == images_
        assert f"Evaluation on {images_} images" in capsys.readouterr().out
    assert run(monkeypatch, *arguments, "--name", "mine") == 2
    assert "on other ratings of the same name" in capsys.readouterr().err


def test_data_are_checked_before_training(monkeypatch, capsys, tmp_path, ratings):
    images = tmp_path / "images"
    arguments = ["check-data", "--ratings", ratings, "--images", images]
    assert run(monkeypatch, *arguments) == 0
    assert "No problems found." in capsys.readouterr().out
    (images / "one.jpg").write_bytes(b"broken")
    assert run(monkeypatch, *arguments, "--output", tmp_path / "problems.csv") == 1
    assert "unreadable image" in capsys.readouterr().out
    assert "one" in (tmp_path / "problems.csv").read_text()


def test_several_values_may_follow_one_set(monkeypatch, capsys, tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "one.jpg")
    values = ["width=0.35", "epochs=2", "epoch=3"]
    assert run(monkeypatch, "pretrain", tmp_path, "--run", "x", "--set", *values) == 2
    assert "Unknown config key 'epoch'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "Option '--set' requires an argument"),
        (["epochs"], "KEY=VALUE"),
        (["Width=0.35"], "Unknown config key 'Width'"),
    ],
    ids=["none", "without a value", "of another form"],
)
def test_no_value_of_set_is_lost(monkeypatch, capsys, tmp_path, values, message):
    assert run(monkeypatch, "pretrain", tmp_path, "--run", "x", "--set", *values) == 2
    assert message in capsys.readouterr().err


def test_a_run_is_not_replaced_before_photos_and_weights_are_found(monkeypatch, capsys, tmp_path):
    finished, photos = tmp_path / "run", tmp_path / "photos"
    finished.mkdir()
    (finished / "results.json").write_text("{}")
    arguments = ["pretrain", photos, "--run", finished, "--overwrite", "--base-weights", "gone.h5"]
    for message in ("does not exist", "gone.h5 does not exist"):
        assert run(monkeypatch, *arguments) == 2
        assert message in capsys.readouterr().err
        assert (finished / "results.json").is_file()
        photos.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(photos / "one.jpg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train nowhere {rated} --test-ratings {ratings}", "nowhere does not exist"),
        (
            "train {images} {rated} --test-ratings {ratings} --base-weights gone.h5",
            "gone.h5 does not exist",
        ),
        (
            "finetune {rated} --validation-ratings {others}",
            "Expected validation ratings of 10 bins",
        ),
        ("finetune {rated} --backbone {backbone} --set width=0.5", "are of width 0.35"),
        ("pretrain {images} --base-weights {backbone} --set width=0.5", "are of width 0.35"),
        (
            "distill {rated} --teachers MobileNetV2 --unlabelled nowhere --backbone none",
            "nowhere does not exist",
        ),
        ("train --validation-ratings {ratings}", "Expected a folder of PHOTOS"),
    ],
)
def test_no_run_is_deleted_for_a_training_that_cannot_begin(
    monkeypatch, capsys, tmp_path, ratings, nima_file, arguments, message
):
    monkeypatch.chdir(tmp_path)
    others = tmp_path / "others.json"
    others.write_text('[{"image_id": "one", "label": [1, 1, 1, 1, 1]}]')
    old = tmp_path / "old"
    old.mkdir()
    for file in ("environment.json", "results.json"):
        (old / file).write_text("{}")
    places = {
        "rated": f"--ratings {ratings} --images {tmp_path / 'images'}",
        "ratings": ratings,
        "others": others,
        "images": tmp_path / "images",
        "backbone": nima_file.with_name("backbone.h5"),
    }
    words = arguments.format(**places).split()
    assert run(monkeypatch, *words, "--run", old, "--overwrite") == 2
    assert message in capsys.readouterr().err
    assert (old / "results.json").is_file()


def test_a_name_that_is_too_long_for_any_file_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    name = "x" * 300
    assert run(monkeypatch, "pretrain", name, "--run", "new") == 2
    shown = capsys.readouterr().err
    assert f"{name}: File name too long" in shown
    assert "Traceback" not in shown


def test_a_run_whose_folder_has_an_equals_sign_is_compared(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1").mkdir()
    assert run(monkeypatch, "compare", "lr=0.1", "--output", "compared") == 2
    assert "lr=0.1 has no evaluation" in capsys.readouterr().err


def test_predict_keeps_standard_output_clean(nima_file, photo_folder):
    done = subprocess.run(
        [
            ROOT / "entrypoints" / "predict",
            photo_folder,
            "--weights",
            nima_file,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("path,mean,std,percentile,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,status,")
    assert len(lines) == 7
    assert all(",ok," in line for line in lines[1:])
    # TensorFlow's start-up noise does not reach the user.
    assert "TensorRT" not in done.stderr
    assert "cuDNN" not in done.stderr
