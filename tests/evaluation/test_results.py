"""Typed results: required fields, and those that are left out of a file."""

import json

import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.training.results import FinetuneResults, PretrainResults

PRETRAINED = {
    "photos": {"training": 4, "validation": 1, "test": 0, "unreadable": 0},
    "best_epoch": 2,
    "epochs": 3,
    "metrics": {"val_loss": 0.5},
    "seconds": 1.5,
}


def test_results_are_written_without_what_is_none_and_read_again(tmp_path):
    results = PretrainResults(method="rotnet", **PRETRAINED)
    results.write(tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content == {"stage": "pretrain", "method": "rotnet", **PRETRAINED}
    assert PretrainResults.read(tmp_path) == results


def test_results_of_another_version_may_have_more_fields(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({**PRETRAINED, "mood": "good"}))
    assert PretrainResults.read(tmp_path).best_epoch == 2


def test_a_file_without_the_expected_results_is_refused_by_its_first_missing_field(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(PRETRAINED))
    with pytest.raises(InputError, match=r"results.json does not hold .*: head_epochs: Field req"):
        FinetuneResults.read(tmp_path)
