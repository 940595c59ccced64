"""Requirements of a release: one version, a strict check, workflows with pinned actions."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def test_the_version_is_written_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert (
        project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "nima_pretrain.__version__"
    )
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text())


@pytest.fixture
def project(tmp_path) -> Path:
    """A repository that is ready as far as no build is needed: 1.2.3, committed, not tagged."""
    project = tmp_path / "project"
    for name in (".ci", "src/nima_pretrain", "requirements"):
        (project / name).mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "release-check", project / ".ci")
    (project / "src/nima_pretrain/__init__.py").write_text('__version__ = "1.2.3"\n')
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3, 2026-01-31\n\n## 1.2.2\n")
    (project / "pyproject.toml").touch()
    (project / "requirements" / "runtime.txt").write_text("numpy==1.26.4\n")
    # Stands for `make lock`, which asks a package index.
    (project / "Makefile").write_text("lock:\n\techo numpy==1.26.5 > requirements/runtime.txt\n")
    git(project, "init", "--quiet")
    commit(project)
    return project


def git(project: Path, *arguments: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *arguments], cwd=project, check=True, capture_output=True)


def commit(project: Path) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "change")


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        (project / name).write_text(text)
        commit(project)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("CHANGELOG.md", "## 1.2.3, unreleased\n"), "received '## 1.2.3, unreleased'"),
        (write("CHANGELOG.md", "## 1.2.2, 2026-01-31\n"), "expected '## 1.2.3, YYYY-MM-DD'"),
        (write("src/nima_pretrain/__init__.py", '__version__ = "2"\n'), "received '2'"),
        (lambda project: git(project, "tag", "v1.2.3"), "tag v1.2.3 exists already"),
        (lambda project: (project / "new.py").touch(), "no uncommitted changes, found: ?? new.py"),
        (lambda project: None, "the lock files are out of date, run make lock"),
    ],
)
def test_the_release_check_stops_at_what_is_not_ready(project, change, message):
    change(project)
    done = subprocess.run(
        [project / ".ci" / "release-check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BIN": str(project)},
    )
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_may_only_read(workflow):
    lines = [line for line in workflow.read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not PINNED.search(line)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_every_supported_python_is_tested_on_every_system():
    (workflow,) = WORKFLOWS
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    cells = jobs["test"]["strategy"]["matrix"]["include"]
    tested = {(cell["system"].split("-")[0], cell["python"]) for cell in cells}
    systems, pythons = ("ubuntu", "macos", "windows"), ("3.11", "3.12", "3.13")
    assert tested == {(system, python) for system in systems for python in pythons}
    for cell in cells:
        assert (ROOT / "requirements" / f"{cell['lock']}.txt").is_file()
