"""The public functions: looked up lazily, named like the commands, and the scorer among them."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.core import TyperArgument, TyperGroup

import nima_pretrain
from nima_pretrain.cli import app
from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.weights.side_car import BackboneCard, NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights

COMMANDS = {
    "benchmark": "benchmark",
    "check_data": "check-data",
    "compare": "compare",
    "cull": "cull",
    "distill": "distill",
    "evaluate": "evaluate",
    "export": "export",
    "finetune": "finetune",
    "merge": "merge",
    "predict": "predict",
    "pretrain": "pretrain",
    "reproduce": "reproduce",
    "stars": "stars",
    "study": "study",
    "taste": "taste",
    "train": "train",
}
WITHOUT_COMMAND = {"find_groups", "get_bank", "load_scorer", "undo_stars"}
# In Python the config is an object, whose values --set and --teachers would change; what a function
# returns has no need of --output, --strict and --quiet.
ONLY_ON_THE_COMMAND_LINE = {
    "check_data": {"output"},
    "cull": {"browser"},
    "distill": {"set", "teachers"},
    "finetune": {"set"},
    # Stars are written by the commands of the floor above, see `stars` and `undo_stars`.
    "predict": {"strict", "quiet", "xmp", "stars", "rank", "reject", "sidecar", "overwrite_stars"},
    "pretrain": {"set"},
    "reproduce": {"set"},
    "stars": {"undo"},
    "train": {"set"},
}
ONLY_IN_PYTHON = {
    "cull": {"ready"},
    "evaluate": {"resamples"},
    "predict": {"on_rows"},
    "finetune": {"objective_of"},
    "study": {"num_workers"},
}


def test_importing_the_package_imports_no_tensorflow():
    code = (
        "import nima_pretrain, sys;"
        "print(nima_pretrain.__version__, *{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, *modules = done.stdout.split()
    assert version == nima_pretrain.__version__
    assert "nima_pretrain" in modules
    assert not {"tensorflow", "keras", "numpy", "pandas"} & set(modules)


@pytest.mark.parametrize("name", sorted([*COMMANDS, *WITHOUT_COMMAND]))
def test_every_public_name_is_a_documented_function_that_dir_lists(name):
    function = getattr(nima_pretrain, name)
    assert inspect.isfunction(function)
    assert function.__doc__
    assert name in dir(nima_pretrain)


def test_dir_lists_no_other_public_functions():
    listed = {name for name in dir(nima_pretrain) if callable(getattr(nima_pretrain, name))}
    public = {name for name in listed if not name.startswith("_")}
    # The lookup itself needs these.
    assert public - {"Any", "import_module"} == {*COMMANDS, *WITHOUT_COMMAND}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'nima_pretrain' has no attribute 'improve'"):
        _ = nima_pretrain.improve
    with pytest.raises(ImportError, match="improve"):
        exec("from nima_pretrain import improve")


def options_of(command: str) -> set[str]:
    """The names of a command's arguments, and of its options without dashes: --set, not `set_`."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    names = set()
    for parameter in group.commands[command].params:
        if isinstance(parameter, TyperArgument):
            names.add(str(parameter.name))
        else:
            long = [option for option in parameter.opts if option.startswith("--")]
            names.add(long[0].removeprefix("--").replace("-", "_"))
    return names - {"help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_keywords_are_the_long_options_of_the_command(name):
    keywords = set(inspect.signature(getattr(nima_pretrain, name)).parameters)
    shared_keywords = keywords - ONLY_IN_PYTHON.get(name, set())
    options = options_of(COMMANDS[name]) - ONLY_ON_THE_COMMAND_LINE.get(name, set())
    assert shared_keywords == options


def test_every_command_that_trains_or_scores_has_a_public_function():
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert set(group.commands) - set(COMMANDS.values()) == {"render", "doctor", "weights"}


def test_the_scorer_takes_options_of_predict():
    options = set(inspect.signature(nima_pretrain.load_scorer).parameters)
    decoding = {"max_pixels", "full_size", "batch_size"}
    assert options == {"weights", "explain", "engine", "with_mirrored", *decoding}
    of_predict = inspect.signature(nima_pretrain.predict).parameters
    for name in options:
        default = inspect.signature(nima_pretrain.load_scorer).parameters[name].default
        assert of_predict[name].default == default


@pytest.fixture(scope="module")
def weights(tmp_path_factory, lively_nima) -> Path:
    """A small NIMA model that knows what it was trained on."""
    path = tmp_path_factory.mktemp("weights") / "nima.h5"
    card = NimaCard(
        network=NetworkConfig(width=0.35, input_size=32),
        scale=ScaleConfig(bins=5, low=1, high=5),
        training_scores=tuple(np.linspace(2, 4, 101).tolist()),
    )
    save_weights(lively_nima, path, card)
    return path


@pytest.fixture(scope="module")
def scorer(weights):
    return nima_pretrain.load_scorer(weights)


def test_the_score_of_a_photo_is_the_row_that_predict_writes(
    scorer, weights, photo_folder, tmp_path
):
    output = tmp_path / "scores.jsonl"
    counts = nima_pretrain.predict(photo_folder, weights=weights, output=output)
    assert counts == (6, 0, 0)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["path"] for row in rows] == list(map(str, find_photos(photo_folder)))
    for row in rows:
        score = scorer(row["path"])
        assert score.path == Path(row["path"])
        assert scorer(score.path).mean == pytest.approx(score.mean, abs=1e-5)
        for name in ("mean", "std", "percentile"):
            # As documented; a percentile is a fiftieth of a point here.
            tolerance = 1e-3 if name == "percentile" else 1e-5
            assert getattr(score, name) == pytest.approx(row[name], abs=tolerance)
        np.testing.assert_allclose(score.distribution, row["distribution"], atol=1e-5)
        assert "; ".join(score.notes) == row["note"]
        assert (score.error, score.explanation) == (row["error"], row["explanation"]) == ("", "")
        assert row["weights"] == scorer.weights


def test_scores_come_in_order_and_a_bad_file_is_one_with_an_error(scorer, photo_folder):
    good, bad, gone = photo_folder / "b.png", photo_folder / "bad.jpg", photo_folder / "gone.jpg"
    bad.write_bytes(b"no photo")
    first, second, third, last = scorer.score([good, bad, str(gone), str(good)])
    assert [score.path for score in (first, second, third, last)] == [good, bad, gone, good]
    assert (first.error, last.error) == ("", "")
    assert 1 < first.mean < 5
    assert first.mean == pytest.approx(last.mean, abs=1e-5)
    assert "cannot identify" in second.error
    assert "No such file" in third.error
    for failed in (second, third):
        nothing = (failed.mean, failed.std, failed.distribution, failed.percentile)
        assert nothing == (None,) * 4


def test_a_single_bad_photo_raises(scorer, photo_folder):
    bad = photo_folder / "bad.jpg"
    bad.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match="cannot identify") as raised:
        scorer(bad)
    assert raised.value.path == bad


def test_a_scorer_needs_weights_of_a_model_that_scores(tmp_path, lively_nima, weights):
    with pytest.raises(InputError, match=r"gone.h5 does not exist"):
        nima_pretrain.load_scorer(tmp_path / "gone.h5")
    card = BackboneCard(network=NetworkConfig(width=0.35, input_size=32))
    save_weights(lively_nima, tmp_path / "backbone.h5", card)
    with pytest.raises(InputError, match="Expected weights of a nima model, but .* a backbone"):
        nima_pretrain.load_scorer(tmp_path / "backbone.h5")
    with pytest.raises(InputError, match="Expected weights of a pretext model, but .* a nima"):
        nima_pretrain.load_scorer(weights, explain=weights)
