"""Weights published, listed, downloaded, verified and used by name."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.publish import publish
from nima_pretrain.evaluation.results import EvaluationResults
from nima_pretrain.files import MOST_BYTES
from nima_pretrain.locks import locked
from nima_pretrain.networks import load_model
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.weights.cache import cache_folder, cached, fetch
from nima_pretrain.weights.finding import find_weights
from nima_pretrain.weights.manifest import Place, find_place, read_manifest
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig, sha256_of, side_car_path
from nima_pretrain.weights.store import save_weights
from tests.keras_files import save_model_as_keras_2
from tests.weights.server import serving

NETWORK = NetworkConfig(width=0.35, input_size=32)
PROGRAM = Path(sys.executable).with_name("nima-pretrain")


@pytest.fixture(scope="module")
def run(tmp_path_factory, lively_nima):
    """A run with weights and an evaluation."""
    run = tmp_path_factory.mktemp("run")
    side_car = NimaCard(
        network=NETWORK,
        scale=ScaleConfig(bins=5, low=1, high=5),
        training_data={"photos": 12, "sha256": "0" * 64},
    )
    save_weights(lively_nima, run / "nima.h5", side_car)
    metrics = dict.fromkeys(
        ["lcc", "srcc", "kendall", "accuracy", "balanced_accuracy", "mae", "emd", "emd_r1"], 0.25
    )
    evaluation = run / "evaluation" / "beaches"
    evaluation.mkdir(parents=True)
    results = EvaluationResults(
        images=7,
        unreadable=0,
        ratings_sha256="1" * 64,
        of_votes=True,
        scale="5 bins from 1 to 5",
        model_scale="5 bins from 1 to 5",
        threshold=3.0,
        fraction_above_threshold=0.5,
        model=metrics,
        constant=metrics,
    )
    results.write(evaluation)
    (evaluation / "predictions.csv").write_text("name\n")
    of_others = evaluation.with_name("of others")
    results.model_copy(update={"weights": "ratings_alone.h5"}).write(of_others)
    of_earlier = {"weights": "nima.h5", "weights_sha256": "2" * 64}  # trained anew since then
    results.model_copy(update=of_earlier).write(evaluation.with_name("of earlier"))
    return run


@pytest.fixture(scope="module")
def published_once(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    publish(run, folder)
    return folder


@pytest.fixture
def published(published_once, tmp_path):
    return shutil.copytree(published_once, tmp_path / "published")


@pytest.fixture
def name(published):
    (entry,) = read_manifest(published).weights
    return entry.name


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NIMA_PRETRAIN_WEIGHTS", raising=False)
    return tmp_path / "home"


def nima_pretrain(*arguments):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_folder_is_published_with_side_car_card_and_list(run, published, name):
    assert name.startswith("nima_MobileNetV2_0.35_32-")
    assert sorted(path.name for path in published.iterdir()) == sorted(
        [f"{name}.h5", f"{name}.tflite", f"{name}.json", f"{name}.md", "weights.json"]
    )
    (entry,) = read_manifest(published).weights
    assert entry.sha256 == sha256_of(run / "nima.h5") == sha256_of(published / entry.address)
    assert entry.bytes == (run / "nima.h5").stat().st_size
    card = (published / f"{name}.md").read_text()
    assert card.startswith("---\nlicense: other\nlibrary_name: keras\n")
    for word in (entry.sha256, "beaches (7 photos, 5 bins from 1 to 5)", "photos: 12", "srcc"):
        assert word in card
    assert "of others" not in card
    assert "of earlier" not in card
    load_model(published / entry.address, NimaCard)


def test_the_card_of_a_whole_road_has_the_numbers_of_its_fine_tuning(run, tmp_path):
    road = tmp_path / "road"
    shutil.copytree(run / "evaluation", road / "finetune" / "evaluation")
    for name in ("nima.h5", "nima.json"):
        shutil.copy(run / name, road)
    (entry,) = publish(road, tmp_path / "web")
    assert "On beaches (7 photos" in (tmp_path / "web" / f"{entry.name}.md").read_text()


def test_publishing_again_keeps_what_was_written_into_the_card(run, published, name):
    card = published / f"{name}.md"
    card.write_text("Photographs: my own.")
    publish(run, published)
    assert card.read_text() == "Photographs: my own."
    assert len(read_manifest(published).weights) == 1


def test_two_processes_do_not_publish_into_one_folder_at_once(run, published, monkeypatch):
    monkeypatch.setattr("nima_pretrain.evaluation.publish._LOCK_SECONDS", 0.1)
    before = (published / "weights.json").read_bytes()
    with locked(published, "--to"), pytest.raises(InputError, match="Another process is writing"):
        publish(run, published)
    assert (published / "weights.json").read_bytes() == before


def test_a_run_without_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a run with nima.h5, pretext.h5, backbone.h5"):
        publish(tmp_path, tmp_path / "published")


@pytest.mark.parametrize("place", ["folder", "address", "variable"])
def test_weights_come_from_a_folder_or_an_address(published, name, home, place, monkeypatch):
    with serving(published) as server:
        source = str(published) if place == "folder" else server.address
        if place == "variable":
            monkeypatch.setenv("NIMA_PRETRAIN_WEIGHTS", source)
            source = None
        path = fetch(name, source)
    assert path == home / "models" / "nima-pretrain" / f"{name}.h5" == cached()[name]
    np.testing.assert_equal(path.read_bytes(), (published / f"{name}.h5").read_bytes())
    load_model(path, NimaCard)
    assert load_scorer(path).model.scores_in_threads  # by LiteRT, whose file came along
    # The server is gone, and no longer needed.
    assert fetch(name, "http://127.0.0.1:9") == path


@pytest.mark.parametrize(
    ("address", "h5", "tflite"),
    [
        ("nima.h5", "https://a/b/nima.h5", "https://a/b/nima.tflite"),
        (
            "https://c/nima.h5?download=true",
            "https://c/nima.h5?download=true",
            "https://c/nima.tflite?download=true",
        ),
        ("https://c/files/123", "https://c/files/123", "https://c/files/123.tflite"),
    ],
)
def test_addresses_are_those_of_the_list(published, address, h5, tflite):
    manifest = read_manifest(published)
    entry = manifest.weights[0].model_copy(update={"address": address})
    place = Place(manifest, "https://a/b/")
    assert (place.address_of(entry), place.address_of(entry, ".tflite")) == (h5, tflite)


def test_damaged_weights_in_the_cache_are_brought_anew(published, name):
    path = fetch(name, str(published))
    path.write_bytes(b"damaged")
    assert fetch(name, str(published)).read_bytes() == (published / f"{name}.h5").read_bytes()
    side_car_path(path).unlink()
    fetch(name, str(published))
    load_model(path, NimaCard)


def test_many_processes_at_once_download_once(published, name):
    with serving(published) as server:
        command = [PROGRAM, "weights", "download", name, "--from", server.address]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        printed = {process.communicate(timeout=120)[0] for process in processes}
        assert [process.returncode for process in processes] == [0] * 4
        assert server.asked[f"/{name}.h5"] == 1
    assert printed == {f"{cached()[name]}\n"}
    locks = list(cache_folder().glob(".*.lock"))
    assert locks
    for lock in locks:
        lock.unlink()
    assert fetch(name) == cached()[name]  # writes nothing: the cache may be read only
    assert not list(cache_folder().glob(".*.lock"))


def test_unknown_names_and_places_are_refused(published, name, tmp_path):
    with pytest.raises(InputError, match=f"received 'mine'. Known: {name}"):
        fetch("mine", str(published))
    with pytest.raises(InputError, match="received 'mine'. Known: nima_MobileNetV2_1_224-"):
        fetch("mine")
    with pytest.raises(
        InputError, match="Cannot download the list of weights http://127.0.0.1:9/weights.json"
    ):
        fetch(name, "http://127.0.0.1:9")
    with pytest.raises(InputError, match="Cannot read the list of weights"):
        fetch(name, str(tmp_path / "nowhere"))
    (published / "weights.json").write_text('{"weights": [{"name": "../../x"}]}')
    with pytest.raises(InputError, match="is no list of weights: weights.0.name"):
        fetch("x", str(published))


def test_a_list_of_any_length_is_not_taken_from_a_server(tmp_path):
    with (tmp_path / "weights.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with serving(tmp_path) as server, pytest.raises(InputError, match="is longer than the 33,5"):
        find_place(server.address)
    with pytest.raises(InputError, match="is longer than the 33,5"):
        find_place(str(tmp_path))


def test_addresses_of_no_place_are_refused(published, tmp_path):
    with pytest.raises(InputError, match=r"Cannot download the list of weights http://\["):
        find_place("http://[")
    text = (published / "weights.json").read_text()
    (tmp_path / "weights.json").write_text(text.replace('"address": "', '"address": "http://['))
    with pytest.raises(InputError, match="is no list of weights: weights.0: .*Invalid IPv6 URL"):
        find_place(str(tmp_path))


def test_a_folder_with_another_file_is_refused(published, name):
    (published / f"{name}.h5").write_bytes(b"another")
    with pytest.raises(InputError, match="is not the file that was published"):
        fetch(name, str(published))
    assert cached() == {}


def test_paths_stay_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("runs/nima.h5", "nima.h5", "weights.hdf5", "./name"):
        assert find_weights(path) == Path(path)
    Path("name").touch()
    assert find_weights("name") == Path("name")


def test_the_commands_lead_from_a_run_to_scores_by_name(run, tmp_path, photo_folder, monkeypatch):
    folder = tmp_path / "web"
    done = nima_pretrain("weights", "publish", run, "--to", folder)
    assert done.returncode == 0, done.stderr
    (entry,) = read_manifest(folder).weights
    with serving(folder) as server:
        monkeypatch.setenv("NIMA_PRETRAIN_WEIGHTS", server.address)
        done = nima_pretrain("predict", photo_folder, "--weights", entry.name)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 7
        assert nima_pretrain("predict", photo_folder).stdout == done.stdout
        listed = nima_pretrain("weights", "list").stdout
        assert "nima_MobileNetV2" in listed
        assert "downloaded" in listed
    monkeypatch.delenv("NIMA_PRETRAIN_WEIGHTS")
    done = nima_pretrain("weights", "verify")
    assert (done.returncode, done.stdout.count(f"{entry.name}.h5: whole, nima")) == (0, 1)
    for suffix in (".tflite", ".h5"):
        (cache_folder() / f"{entry.name}{suffix}").write_bytes(b"damaged")
        done = nima_pretrain("weights", "verify", entry.name)
        assert done.returncode == 1
        assert "sha256 differs" in done.stdout


def test_a_whole_model_with_code_inside_is_refused_and_nothing_of_it_runs(tmp_path):
    witness = tmp_path / "was_here"
    code = f"lambda x: (__import__('pathlib').Path({str(witness)!r}).touch(), x)[1]"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(eval(code))])
    witness.unlink(missing_ok=True)
    file = tmp_path / "nima.h5"
    save_model_as_keras_2(model, file)
    with h5py.File(file) as content:
        assert "Lambda" in content.attrs["model_config"]
    side_car = NimaCard(
        network=NETWORK,
        scale=ScaleConfig(bins=5, low=1, high=5),
        sha256=sha256_of(file),
    )
    side_car_path(file).write_text(side_car.model_dump_json())
    with pytest.raises(InputError, match="weights alone, it holds a whole model"):
        load_model(file)
    assert not witness.exists()
