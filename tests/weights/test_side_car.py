"""Side-cars: a class for each kind of weights, and those that version 0.1 wrote."""

import json

import pytest

from nima_pretrain.config import NetworkConfig
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import (
    BackboneCard,
    Card,
    NimaCard,
    PretextCard,
    ReferenceScore,
    ScaleConfig,
    read_beside,
    sha256_of,
)
from nima_pretrain.weights.store import load_model

NETWORK = {"backbone": "MobileNetV2", "width": 0.35, "input_size": 32, "fit": "letterbox"}
# Fields of every side-car of version 0.1, whatever its kind, except those that were None.
OF_EVERY_KIND = {
    "network": NETWORK,
    "package_version": "0.1.0",
    "training_data": {"photos": 12, "sha256": "0" * 64},
    "head": "dense",
    "preprocessing": "upright sRGB, short side first, bilinear",
    "reference_scores": {},
    "metrics": {"val_loss": 0.5},
}
VIEWS = list(get_bank("paper").view_names)
LEVELS = [[0.1, 0.2]] * 21
CHELSEA = {"sha256": "1" * 64, "mean": 2.5}


def write(folder, content):
    """Writes a weights file that nothing reads, and its side-car."""
    weights = folder / "weights.h5"
    weights.write_bytes(b"weights")
    content = {**OF_EVERY_KIND, **content, "sha256": sha256_of(weights)}
    weights.with_suffix(".json").write_text(json.dumps(content))
    return weights


WRITTEN_BY_0_1 = {
    "backbone": ({"kind": "backbone"}, BackboneCard, {}),
    "pretext": (
        {
            "kind": "pretext",
            "bank": "paper",
            "view_names": VIEWS,
            "tasks": ["ranking", "regression"],
            "usual_levels": LEVELS,
        },
        PretextCard,
        {
            "method": "distortions",
            "bank": "paper",
            "view_names": tuple(VIEWS),
            "tasks": ("ranking", "regression"),
            "usual_levels": tuple(map(tuple, LEVELS)),
        },
    ),
    "rotnet": (
        {"kind": "pretext", "tasks": ["rotnet"]},
        PretextCard,
        {"method": "rotnet", "bank": None, "view_names": None, "tasks": ()},
    ),
    "simclr": (
        {"kind": "pretext", "tasks": ["simclr"]},
        PretextCard,
        {"method": "simclr", "bank": None, "view_names": None, "tasks": ()},
    ),
    "nima": (
        {
            "kind": "nima",
            "scale": {"bins": 7, "low": 1, "high": 7},
            "head": "mlp",
            "training_scores": [1.5, 6.5],
            "reference_scores": {"chelsea.png": CHELSEA},
        },
        NimaCard,
        {
            "scale": ScaleConfig(bins=7, low=1, high=7),
            "head": "mlp",
            "training_scores": (1.5, 6.5),
            "reference_scores": {"chelsea.png": ReferenceScore(**CHELSEA)},
        },
    ),
}


@pytest.mark.parametrize(
    ("content", "kind", "expected"), WRITTEN_BY_0_1.values(), ids=WRITTEN_BY_0_1
)
def test_side_cars_of_version_0_1_are_read_into_the_class_of_their_kind(
    tmp_path, content, kind, expected
):
    weights = write(tmp_path, content)
    card = read_beside(weights)
    assert type(card) is kind
    assert read_side_car(weights, kind) == read_side_car(weights, Card) == card
    assert card.network == NetworkConfig(width=0.35, input_size=32)
    assert card.package_version == "0.1.0"
    assert card.training_data == OF_EVERY_KIND["training_data"]
    assert card.metrics == {"val_loss": 0.5}
    assert {name: getattr(card, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("content", "kind", "expected"), WRITTEN_BY_0_1.values(), ids=WRITTEN_BY_0_1
)
def test_a_card_is_read_as_it_was_written(tmp_path, content, kind, expected):
    card = read_beside(write(tmp_path, content))
    again = json.loads(card.model_dump_json(exclude_none=True))
    (tmp_path / "weights.json").write_text(json.dumps(again))
    assert read_beside(tmp_path / "weights.h5") == card
    assert again["kind"] == card.kind
    for name in ("head", "reference_scores"):
        assert (name in again) is (kind is NimaCard)


@pytest.mark.parametrize("content", [{"method": "jigsaw"}, {"tasks": ["jigsaw"]}])
def test_a_pretext_card_of_an_unknown_method_is_refused_by_name(tmp_path, content):
    weights = write(tmp_path, {"kind": "pretext", **content})
    message = r"cannot be loaded: there is no method 'jigsaw'; known methods: distortions, rotnet, "
    with pytest.raises(InputError, match=message):
        load_model(weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"bank": "mine", "tasks": ["ranking"]}, "There is no bank 'mine'"),
        ({"bank": "paper", "tasks": ["ranking", "magic"]}, r"Unknown tasks \['magic'\]"),
    ],
)
def test_a_pretext_card_of_an_unknown_bank_or_task_is_refused_by_name(tmp_path, content, message):
    weights = write(tmp_path, {"kind": "pretext", "method": "distortions", **content})
    with pytest.raises(InputError, match=message):
        load_model(weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "nima"}, "scale: Field required"),
        ({"kind": "poster"}, "'poster'"),
        ({"kind": "backbone", "bank": "paper"}, "bank: Extra inputs are not permitted"),
        ({}, "kind"),
    ],
)
def test_a_side_car_that_is_of_no_kind_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=f"does not fit this version .*{message}"):
        read_beside(write(tmp_path, content))


def test_a_json_file_instead_of_weights_is_named(tmp_path):
    ratings = tmp_path / "ratings.json"
    ratings.write_text("[]")
    with pytest.raises(InputError, match="weights file.*ratings.json"):
        read_side_car(ratings, NimaCard)
