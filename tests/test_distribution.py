"""The sdist and the wheel: one built from the other, complete, small, used once installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import nima_pretrain
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.weights.manifest import read_manifest
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
MODELS = ROOT / "models" / "MobileNetV2"
MOST_BYTES = 25e6
PAGES = ("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md")


def uv(*arguments: object) -> None:
    command = [str(Path(sys.executable).with_name("uv")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist of a copy of the project, and the wheel that is built from it."""
    project = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", *PAGES):
        shutil.copy(ROOT / name, project)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "models", "docs", "tests"):
        shutil.copytree(ROOT / name, project / name, symlinks=True, ignore=ignored)
    out = tmp_path_factory.mktemp("dist")
    options = ("--no-build-isolation", "--offline", "--python", sys.executable, "--out-dir", out)
    uv("build", "--sdist", *options, project)
    shutil.rmtree(project)
    (sdist,) = out.glob("*.tar.gz")
    uv("build", "--wheel", *options, sdist)
    return out


def files_of_sdist(built: Path) -> dict[str, int]:
    """Returns the sizes of the files in the sdist, by their path in the project."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as content:
        files = [member for member in content.getmembers() if member.isfile()]
        return {file.name.partition("/")[2]: file.size for file in files}


def installed_files() -> set[str]:
    """Returns the paths of modules, templates and weights that an installation needs."""
    package = ROOT / "src" / "nima_pretrain"
    found = {path.relative_to(ROOT / "src") for path in package.rglob("*.py")}
    found |= {path.relative_to(ROOT / "src") for path in (package / "templates").iterdir()}
    for entry in read_manifest(MODELS).weights:
        if not entry.name.startswith("backbone_"):  # it is in the pretext model
            for suffix in (".h5", ".json", *([".tflite"] if entry.litert_bytes else [])):
                found.add(Path("nima_pretrain/bundled") / f"{entry.name}{suffix}")
    return {path.as_posix() for path in found} | {"nima_pretrain/bundled/weights.json"}


def test_the_wheel_of_the_sdist_has_what_is_needed_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"nima_pretrain-{nima_pretrain.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
        assert names == installed_files()
        for file in MODELS.iterdir():
            inside = f"nima_pretrain/bundled/{file.name}"
            if inside in names:
                assert content.read(inside) == file.read_bytes()


def test_the_sdist_has_the_sources_and_pages_without_tests_and_pictures(built):
    files = files_of_sdist(built)
    assert set(files) >= {f"src/{name}" for name in installed_files()} | set(PAGES)
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders == {"src"}
    assert sum(files.values()) < 1.5 * MOST_BYTES


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory) -> Path:
    """A new virtual environment with the wheel; dependencies are those of the tests' own."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    uv("pip", "install", "--quiet", "--no-deps", "--offline", "--python", python, wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is not searched for further ones: the editable project stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def run(environment, tmp_path):
    def run(program: str, *arguments: object) -> str:
        outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [environment / "bin" / program, *map(str, arguments)],
            cwd=tmp_path,
            env={**outside, "KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_installed_wheel_scores_a_photo_and_writes_a_report(run, environment, tmp_path):
    place = run("python", "-c", "import nima_pretrain; print(nima_pretrain.__file__)")
    assert Path(place.strip()).is_relative_to(environment)
    assert run("nima-pretrain", "--version") == f"nima-pretrain {nima_pretrain.__version__}\n"
    photo = embedded_photos()[0]
    options = ("--format", "jsonl", "--explain", "--report", "scores.html")
    (row,) = run("nima-pretrain", "predict", photo, *options).splitlines()
    expected = nima_pretrain.load_scorer()(photo)
    assert json.loads(row)["mean"] == pytest.approx(expected.mean, abs=1e-4)
    assert photo.name in (tmp_path / "scores.html").read_text()


def test_the_weights_of_the_installed_wheel_are_whole(run, environment):
    lines = run("nima-pretrain", "weights", "verify").splitlines()
    weights = [name for name in installed_files() if name.endswith(".h5")]
    assert len(lines) == len(weights)
    assert all(line.startswith(str(environment)) and ": whole, " in line for line in lines)
