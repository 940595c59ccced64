"""Rows of RAW files and of pairs, first and when a folder has changed since."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain import load_scorer
from nima_pretrain.prediction.predict import Counts, predict
from tests.data.dng import jpeg_of, mosaic, write_dng


@pytest.fixture
def shoot(tmp_path, photo) -> Path:
    """A folder with a pair, a RAW file with a preview, one without, and a damaged one."""
    folder = tmp_path / "shoot"
    folder.mkdir()
    scene = Image.fromarray(photo).resize((1200, 900), Image.Resampling.BICUBIC)
    sensor, jpeg = mosaic(scene), jpeg_of(scene)
    write_dng(folder / "a.DNG", sensor, preview=jpeg)
    (folder / "a.jpg").write_bytes(jpeg)
    write_dng(folder / "b.dng", sensor, preview=jpeg)
    write_dng(folder / "c.dng", sensor)
    damaged = write_dng(folder / "d.dng", sensor)
    os.truncate(damaged, 100_000)
    return folder


def rows_of(output):
    table = pd.read_csv(output, keep_default_na=False, na_values={"mean": [""]})
    table.index = [Path(path).name for path in table["path"]]
    return table


def test_a_pair_has_one_row_and_previews_score_like_the_jpeg(shoot, tmp_path):
    output = tmp_path / "scores.csv"
    assert predict(shoot, output=output) == Counts(3, 1, 0)
    rows = rows_of(output)
    assert rows["note"].to_dict() == {
        "a.jpg": "with a.DNG",
        "b.dng": "embedded preview",
        "c.dng": "developed at half size",
        "d.dng": "",
    }
    assert "truncated or damaged" in rows["error"]["d.dng"]
    assert rows["mean"]["b.dng"] == pytest.approx(rows["mean"]["a.jpg"], abs=1e-5)
    assert rows["mean"]["c.dng"] == pytest.approx(rows["mean"]["a.jpg"], abs=0.5)
    assert np.isnan(rows["mean"]["d.dng"])


def test_resuming_keeps_one_row_a_photo_when_the_jpeg_comes_later(shoot, tmp_path):
    output = tmp_path / "scores.csv"
    jpeg = (shoot / "a.jpg").read_bytes()
    (shoot / "a.jpg").unlink()
    assert predict(shoot, output=output) == Counts(3, 1, 0)
    assert rows_of(output)["note"]["a.DNG"] == "embedded preview"
    (shoot / "a.jpg").write_bytes(jpeg)
    assert predict(shoot, output=output, resume=True) == Counts(1, 1, 2)
    rows = rows_of(output)
    assert list(rows.index) == ["a.jpg", "b.dng", "c.dng", "d.dng"]
    assert rows["note"]["a.jpg"] == "with a.DNG"
    before = output.read_bytes()
    assert predict(shoot, output=output, resume=True) == Counts(0, 1, 3)
    assert output.read_bytes() == before


def test_named_files_of_a_pair_have_a_row_each(shoot, tmp_path):
    output = tmp_path / "scores.csv"
    pair = [shoot / "a.jpg", shoot / "a.DNG"]
    assert predict(pair, output=output) == Counts(2, 0, 0)
    assert rows_of(output)["note"].to_dict() == {"a.jpg": "", "a.DNG": "embedded preview"}
    assert predict(pair, output=output, resume=True) == Counts(0, 0, 2)


@pytest.mark.usefixtures("without_rawpy")
def test_without_rawpy_the_jpegs_of_a_folder_are_scored(shoot, tmp_path):
    output = tmp_path / "scores.csv"
    assert predict(shoot, output=output) == Counts(1, 0, 0)
    assert predict([shoot / "b.dng"], output=output, overwrite=True) == Counts(0, 1, 0)
    assert "pip install 'nima-pretrain[raw]'" in rows_of(output)["error"]["b.dng"]


def test_a_report_shows_raw_files(shoot, tmp_path):
    page = tmp_path / "scores.html"
    predict(shoot, output=tmp_path / "scores.csv", report=page)
    assert page.read_text().count("data:image/webp") == 3


def test_a_scorer_notes_what_of_a_raw_file_it_scored(shoot):
    score = load_scorer()(shoot / "c.dng")
    assert score.notes == ("developed at half size",)
