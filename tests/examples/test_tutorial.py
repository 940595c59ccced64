"""The tutorial runs from its first to its last cell, and does what its text says."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

TUTORIAL = ROOT / "examples" / "tutorial.ipynb"
# A cell of the test: values that the text speaks of.
FACTS = """
import json
srcc = unseen[["mean", "before", "after"]].corr("spearman")["mean"]
trained = ratings["split"].value_counts()["train"]
print(json.dumps([int(trained), counts.scored, srcc["before"], srcc["after"]]))
"""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(TUTORIAL, as_version=4)


def test_the_notebook_is_committed_without_outputs(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow
def test_fifty_synthetic_ratings_teach_the_taste_that_they_come_from(
    notebook, tmp_path, monkeypatch
):
    # Runs where it may, without a home and without a network.
    for name in ("HOME", "IPYTHONDIR", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    # The kernel "python3" is the interpreter of the tests.
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    trained, scored, before, after = json.loads(outputs[-1].text)
    assert (trained, scored) == (50, 28)
    assert after > 0.75
    assert after > before + 0.2
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
    run: Path = tmp_path / "runs" / "tutorial"
    assert "chelsea" in (run / "scores.html").read_text()
    assert (run / "run" / "nima.tflite").is_file()
