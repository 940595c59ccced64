"""Weights files and side-cars from strangers: nothing outside is read, nonsense is refused."""

import json
import struct
import sys

import h5py
import numpy as np
import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.networks import load_model
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.prediction.scoring import score_photos
from nima_pretrain.weights import idealo
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig, read_beside, sha256_of
from nima_pretrain.weights.store import load_weights, save_weights
from tests.processes import finish

NETWORK = NetworkConfig(width=0.35, input_size=32)
WEIGHT = "head/head/kernel:0"
SHAPE = (1280, 5)


@pytest.fixture
def weights(tmp_path, lively_nima):
    path = tmp_path / "nima.h5"
    card = NimaCard(network=NETWORK, scale=ScaleConfig(bins=5, low=1, high=5))
    save_weights(lively_nima, path, card)
    return path


def load_into(model, path):
    """Does what `load_model` does after building the network, which takes most of its time."""
    read_side_car(path, NimaCard)
    load_weights(model, path)


def sign(path):
    """Writes the sha256 of a changed file into its side-car, as its author would."""
    beside = path.with_suffix(".json")
    content = json.loads(beside.read_text()) | {"sha256": sha256_of(path)}
    beside.write_text(json.dumps(content))


def replaced_by(put):
    def change(file, folder):
        del file[WEIGHT]
        put(file, folder)

    return change


def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.zeros(SHAPE, np.float32)
    file[WEIGHT] = h5py.ExternalLink(str(folder / "other.h5"), "secret")


def external_storage(file, folder):
    (folder / "secret").write_bytes(bytes(4 * SHAPE[0] * SHAPE[1]))
    place = [(str(folder / "secret"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(WEIGHT, SHAPE, np.float32, external=place)


def virtual_dataset(file, folder):
    layout = h5py.VirtualLayout(SHAPE, np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", SHAPE)
    file.create_virtual_dataset(WEIGHT, layout)


def set_attribute(group, name, value):
    def change(file, folder):
        file[group].attrs[name] = value

    return change


def poison(file, folder):
    file[WEIGHT][3, 2] = np.nan


CHANGES = {
    "an external link": (replaced_by(external_link), "is a link to another place"),
    "a soft link": (
        replaced_by(lambda file, _: file.update({WEIGHT: h5py.SoftLink("/Conv1/Conv1/kernel:0")})),
        "is a link to another place",
    ),
    "external storage": (replaced_by(external_storage), "are in another file"),
    "a virtual dataset": (replaced_by(virtual_dataset), "are in another file"),
    "integers": (
        replaced_by(lambda file, _: file.create_dataset(WEIGHT, SHAPE, np.int32)),
        "is not an array of floats",
    ),
    "objects": (
        replaced_by(lambda file, _: file.create_dataset(WEIGHT, SHAPE, h5py.string_dtype())),
        "is not an array of floats",
    ),
    "6 GB": (
        replaced_by(lambda file, _: file.create_dataset(WEIGHT, (40_000, 40_000), np.float32)),
        "expected shapes",
    ),
    "128 PiB": (
        replaced_by(
            lambda file, _: file.create_dataset(WEIGHT, (2**28, 2**27), np.float32, chunks=(1, 64))
        ),
        "expected shapes",
    ),
    "a group for an array": (
        replaced_by(lambda file, _: file.create_group(WEIGHT)),
        "is not an array of floats",
    ),
    "nothing": (replaced_by(lambda file, _: None), "found nothing of that name"),
    "a weight that is NaN": (poison, "some weights are NaN or infinite"),
    "no weight names": (
        lambda file, _: file["head"].attrs.__delitem__("weight_names"),
        "expected a list weight_names of '/head', found none",
    ),
    "numbers for names": (
        set_attribute("/", "layer_names", np.arange(3)),
        "expected names in layer_names",
    ),
    "one name": (set_attribute("/", "layer_names", "head"), "expected a list layer_names"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_files_with_more_than_numbers_are_refused(weights, lively_nima, tmp_path, name):
    change, message = CHANGES[name]
    with h5py.File(weights, "r+") as file:
        change(file, tmp_path)
    sign(weights)
    with pytest.raises(InputError, match=message):
        load_into(lively_nima, weights)
    weights.with_suffix(".json").unlink()
    assert idealo.side_car_of(weights) is None


SIDE_CARS = {
    "a billion bins": ({"scale": {"bins": 10**9, "low": 1, "high": 5}}, "bins"),
    "a scale that falls": ({"scale": {"bins": 5, "low": 5, "high": 1}}, "expected low below high"),
    "an endless scale": ({"scale": {"bins": 5, "low": 1, "high": 1e999}}, "Infinity is no number"),
    "an endless mean": (
        {"reference_scores": {"a.png": {"sha256": "", "mean": "inf"}}},
        "mean: Input should be a finite number, received 'inf'",
    ),
    "a later version": ({"package_version": "99.1.0"}, "it is of a later version than .*; update"),
    "a preparation of 5,000 letters": ({"preprocessing": "x" * 5000}, "by 'x{119} .*this version"),
    "a kind of 5,000 letters": ({"kind": "x" * 5000}, "Input tag 'x{100,240}\\.$"),
    "no version": ({"package_version": "the last"}, "expected a version such as 0.2.0"),
    "a huge input": ({"network": {"width": 0.35, "input_size": 60_000}}, "input_size"),
    "a huge width": ({"network": {"width": 1e6, "input_size": 32}}, "width"),
    "percentiles that fall": ({"training_scores": [2.0, 3.0, 2.5]}, "do not fall"),
}


@pytest.mark.parametrize("name", SIDE_CARS)
def test_side_cars_with_nonsense_are_refused(weights, name):
    changes, message = SIDE_CARS[name]
    beside = weights.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        read_beside(weights)


def first_heap(content):
    """Returns the place of the first object in the first heap of names of an HDF5 file."""
    return content.index(b"GCOL") + 16


DAMAGES = {
    # Each would keep the HDF5 library busy for ever.
    "a free space of no size": struct.pack("<HHIQ", 0, 0, 0, 0),
    "a name of every size": struct.pack("<HHIQ", 65535, 65535, 0, 2**64 - 1),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_heaps_that_the_library_never_ends_with_are_refused(weights, lively_nima, name):
    content = bytearray(weights.read_bytes())
    place = first_heap(content)
    content[place : place + 16] = DAMAGES[name]
    weights.write_bytes(content)
    sign(weights)
    with pytest.raises(InputError, match="wrong sizes in its heap of names"):
        load_into(lively_nima, weights)


def test_names_of_a_kind_that_the_library_crashes_on_are_refused(weights):
    kind = b"\x19\x01\0\0\x10\0\0\0"  # elements of variable length: strings
    content = weights.read_bytes()
    assert kind in content
    weights.write_bytes(content.replace(kind, b"\x19\xff" + kind[2:]))
    code = (
        "import sys; from pathlib import Path; from nima_pretrain.weights.h5_layers import *\n"
        "with open_layers(Path(sys.argv[1])): pass"
    )
    done = finish([sys.executable, "-c", code, str(weights)])
    assert done.returncode == 1, done.returncode
    assert "ValueError: expected names in layer_names of '/', received other values" in done.stderr


def test_damages_that_the_library_sees_are_refused(weights, lively_nima):
    content = weights.read_bytes()
    tree = content.index(b"TREE")
    weights.write_bytes(content[:tree] + b"tree" + content[tree + 4 :])
    sign(weights)
    with pytest.raises(InputError, match="the file is damaged: .*B-tree signature"):
        load_into(lively_nima, weights)


def test_a_file_of_idealos_structure_with_a_width_of_no_model_is_refused(tmp_path):
    path = tmp_path / "weights.hdf5"
    with h5py.File(path, "w") as file:
        names = ["conv1", "conv_dw_1", "conv_pw_13", "dense"]
        file.attrs["layer_names"] = names
        for name in names:
            file.create_group(name).attrs["weight_names"] = ["a", "b"]
            file[name]["a"] = file[name]["b"] = np.zeros((2, 3200), np.float32)
    with pytest.raises(InputError, match="Expected the side-car weights.json"):
        load_model(path)


def test_a_side_car_of_any_length_is_not_read(weights):
    beside = weights.with_suffix(".json")
    with beside.open("r+b") as file:
        file.truncate(3 * 2**30)  # of zeros, which take no room on the disk
    with pytest.raises(InputError, match="is longer than the 33,554,432 bytes"):
        read_beside(weights)


def test_a_deeply_nested_side_car_is_refused(weights):
    weights.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_beside(weights)


def test_a_score_that_is_not_finite_is_an_error_row(lively_nima, photo_folder):
    model = PhotoModel(lively_nima, NETWORK)
    kernel, bias = lively_nima.get_layer("head").get_weights()
    lively_nima.get_layer("head").set_weights([kernel * np.nan, bias])
    try:
        (score,) = score_photos(model, ScoreScale(5), [photo_folder / "a.JPG"])
    finally:
        lively_nima.get_layer("head").set_weights([kernel, bias])
    assert (score.mean, score.error) == (None, "the model's scores are not finite")
