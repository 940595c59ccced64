"""Every command and every setting that a page names exists, and the quick ones run."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

import nima_pretrain
from nima_pretrain.cli import app
from nima_pretrain.cli.arguments import completed
from nima_pretrain.config import (
    METHOD_CONFIGS,
    Config,
    DistillConfig,
    FinetuneConfig,
    OrderConfig,
    ReproduceConfig,
    StartConfig,
    TrainConfig,
    load_config,
)
from nima_pretrain.errors import InputError
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig, sha256_of
from nima_pretrain.weights.store import save_weights
from tests.conftest import ROOT
from tests.documentation.pages import (
    SHELLS,
    arguments_of,
    blocks,
    commands,
    inline_code,
    lines_of,
    name_of,
    pages,
    simple_commands,
)

PAGES = pages()
UsageError: Any = typer.BadParameter.__base__
COMMANDS = [command for page in PAGES for command in commands(page)]
CONFIGS: dict[str, type[Config]] = {
    "finetune": FinetuneConfig,
    "distill": DistillConfig,
    "train": TrainConfig,
    "reproduce": ReproduceConfig,
}
# Options of other programs that pages name.
FOREIGN_OPTIONS = {"docs/docker.md": {"--read-only"}}


def leaves(command: Any) -> Iterator[Any]:
    """Yields a command and all below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from leaves(below)


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Returns the values that a command would get for arguments, without running it.

    Raises:
        typer's UsageError: a command or option does not exist, or a value does not fit.
    """
    program = typer.main.get_command(app)
    values: dict[str, Any] = {}
    for command in leaves(program):
        command.callback = lambda **received: values.update(received)
    program.main(completed(arguments), prog_name="nima-pretrain", standalone_mode=False)
    return values


def config_class(arguments: list[str], values: Mapping[str, Any]) -> type[Config]:
    """Returns the class of a command's config."""
    if arguments[0] == "pretrain":
        return METHOD_CONFIGS[values["method"] or "distortions"]
    return CONFIGS[arguments[0]]


def test_the_start_page_lists_every_command():
    rows = (ROOT / "docs" / "README.md").read_text().splitlines()
    listed = [row.split("`")[1] for row in rows if row.startswith("| `")]
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_a_page_has_the_options_and_settings_that_exist(command):
    try:
        values = parsed(command.arguments)
    except UsageError as error:
        is_name_alone = not command.is_whole and len(command.arguments) == 1
        if not is_name_alone or type(error).__name__ != "MissingParameter":
            raise
        return
    overrides, file = values.get("set_") or (), values.get("config")
    is_shipped = file is not None and file.parts[0] == "models"
    if overrides or is_shipped:
        kind = config_class(command.arguments, values)
        load_config(kind, ROOT / file if is_shipped else None, overrides)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("predct photos", "No such command"),
        ("predict photos --tops 3", "No such option"),
        ("predict photos --top three", "valid integer"),
        ("pretrain photos", "Missing"),
    ],
)
def test_wrong_commands_would_be_found(wrong, message):
    with pytest.raises(UsageError, match=message):
        parsed(wrong.split())


def test_commands_are_found_wherever_pages_have_them(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "Say `nima-pretrain\ndoctor`, not `nima-pretrain COMMAND`.\n"
        "```sh\nA=1 nima-pretrain predict 'my photos' \\\n  --top 3 > out.csv  # comment\n"
        "find . -print0 | .venv/bin/nima-pretrain predict; entrypoints/render PHOTO\n"
        'docker run -v "$PWD:/out" nima-pretrain train\nmake test\n```\n'
    )
    monkeypatch.setattr("tests.documentation.pages.ROOT", tmp_path)
    assert [(c.arguments, c.is_whole) for c in commands(page)] == [
        (["predict", "my photos", "--top", "3"], True),
        (["predict"], True),
        (["render", "PHOTO"], True),
        (["train"], True),
        (["doctor"], False),
    ]


# contrib/ has programs of its own.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if ROOT / "contrib" not in page.parents], ids=name_of
)
def test_options_that_a_text_names_exist(page):
    known = {
        option
        for command in leaves(typer.main.get_command(app))
        for parameter in command.params
        for option in parameter.opts
    }
    named = {code.split()[0] for code in inline_code(page) if re.match(r"--[a-z]", code)}
    assert named - known - FOREIGN_OPTIONS.get(name_of(page), set()) == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_a_text_names_exist_and_take_the_value(page):
    kinds = [*METHOD_CONFIGS.values(), *CONFIGS.values(), OrderConfig, StartConfig]
    functions = [getattr(nima_pretrain, name) for name in nima_pretrain._FUNCTIONS]
    keywords = {name for function in functions for name in inspect.signature(function).parameters}

    def is_taken(override: str) -> bool:
        for kind in kinds:
            try:
                load_config(kind, None, [override])
            except InputError as error:
                if f"key {override.partition('=')[0]!r}" in str(error):
                    continue  # and not an error of another key, which the override leaves out
            return True
        return False

    named = [code for code in inline_code(page) if re.fullmatch(r"[a-z_.]+=[\w.+-]+", code)]
    settings = [code for code in named if code.split("=")[0] not in keywords]
    assert [override for override in settings if not is_taken(override)] == []


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page in PAGES for block in blocks(page, "json")],
    ids=lambda part: name_of(part) if isinstance(part, Path) else "",
)
def test_grids_of_the_pages_are_configs(page, block, tmp_path):
    (tmp_path / "grid.json").write_text(block)
    assert load_config(ReproduceConfig, tmp_path / "grid.json").starts


# Pages whose commands that take seconds are run, with what stands for the examples' names.
RUN: dict[str, dict[str, str]] = {
    "docs/README.md": {},
    "docs/prediction.md": {},
    "docs/finetuning.md": {},
    "docs/methods.md": {"PHOTO --output DIR": "'photos/photo 1.jpg' --output views"},
    "docs/distillation.md": {},
    "docs/weights.md": {
        "https://example.org/public": "public",
        "nima_MobileNetV2_1_224-0123abcd": "nima_MobileNetV2_0.35_32-$DIGEST",
    },
}
QUICK = ("predict", "check-data", "render", "weights", "doctor")


def quick_lines(page: Path) -> Iterator[str]:
    """Yields the lines of a page that a shell runs in seconds, and the settings of variables."""
    for line in (line for block in blocks(page, *SHELLS) for line in lines_of(block)):
        starts = [arguments_of(words)[:1] for words in simple_commands(line)]
        if line.startswith("export ") or any(start[:1] and start[0] in QUICK for start in starts):
            yield line


@pytest.fixture(scope="module")
def folder(tmp_path_factory, lively_nima, photo) -> Path:
    """Inputs of the pages' commands: photos, rated photos, ratings, finished runs."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("photos", "my_photos", "rated_photos"):
        (folder / name).mkdir()
        for number in range(3):
            cut = photo[40 * number : 40 * number + 120, :180]
            Image.fromarray(cut).save(folder / name / f"photo {number}.jpg")
    rows = [{"image_id": f"photo {number}", "label": [1, number, 1, 1, 1]} for number in range(3)]
    (folder / "ratings.json").write_text(json.dumps(rows))
    card = NimaCard(
        network={"width": 0.35, "input_size": 32}, scale=ScaleConfig(bins=5, low=1, high=5)
    )
    for run in ("finetune", "distill"):
        (folder / "runs" / run).mkdir(parents=True)
        save_weights(lively_nima, folder / "runs" / run / "nima.h5", card)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_quick_commands_of_a_page_run(page, folder, tmp_path):
    lines = list(quick_lines(ROOT / page))
    assert lines
    script = "\n".join(lines)
    for name, real in RUN[page].items():
        assert name in script
        script = script.replace(name, real)
    shutil.copytree(folder, tmp_path / "user")
    digest = sha256_of(folder / "runs" / "finetune" / "nima.h5")[:8]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KERAS_HOME": str(tmp_path / "home"),
        "DIGEST": digest,
    }
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path / "user",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
