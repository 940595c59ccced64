"""Score files: every format, torn ends, other content, order."""

import csv
import json
import os

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nima_pretrain.errors import InputError
from nima_pretrain.prediction.files import ScoreFile, check_output, records_in
from nima_pretrain.prediction.formats import Csv, Idealo, Json, JsonLines, format_of
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.prediction.score_row import shown as shown_path

GOOD = ScoreRow(
    'two\nlines, "quoted".jpg',
    5.123456,
    1.5,
    62.5,
    (0.25, 0.75),
    note="the first frame of several",
    bytes=123,
    modified="2026-01-02T03:04:05.000006+00:00",
    weights="0123abcd",
)
BAD = ScoreRow("carriage\rreturn.jpg", status="error", error='is "not" a photo', weights="0123abcd")
ROWS = [GOOD, BAD, ScoreRow("日本語.jpg", 1.0, 0.5, None, (1.0, 0.0), weights="0123abcd")]
KEEPING = [Csv(2), Json(), JsonLines()]


def write(path, style, rows=ROWS):
    file = ScoreFile(path, style)
    for row in rows:
        file.append(row)
    file.close()
    return path


def read(path, style):
    with ScoreFile(path, style, resume=True) as file:
        return list(file)


@pytest.mark.parametrize("style", KEEPING, ids=lambda style: style.name)
def test_rows_come_back_as_they_went(tmp_path, style):
    path = write(tmp_path / "scores", style)
    assert read(path, style) == ROWS


def test_csv_is_what_pandas_reads(tmp_path):
    table = pd.read_csv(write(tmp_path / "scores.csv", Csv(2)), lineterminator="\n")
    assert table["path"].tolist() == [row.path for row in ROWS]
    assert table["mean"].tolist()[::2] == [5.123456, 1.0]
    assert pd.isna(table["mean"][1])
    first = ["path", "mean", "std", "percentile", "p1", "p2", "status", "error"]
    assert list(table.columns)[:8] == first


def test_json_is_a_list_and_json_lines_are_objects(tmp_path):
    entries = json.loads(write(tmp_path / "scores.json", Json()).read_text())
    assert [entry["path"] for entry in entries] == [row.path for row in ROWS]
    assert entries[0]["distribution"] == [0.25, 0.75]
    assert entries[1]["mean"] is None
    lines = write(tmp_path / "scores.jsonl", JsonLines()).read_text().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == entries


def test_idealos_json_has_its_keys_and_scored_photos_alone(tmp_path):
    path = write(tmp_path / "scores.json", Idealo(), [BAD, GOOD, BAD, *ROWS])
    assert json.loads(path.read_text()) == [
        {"image_id": 'two\nlines, "quoted"', "mean_score_prediction": 5.123456},
        {"image_id": 'two\nlines, "quoted"', "mean_score_prediction": 5.123456},
        {"image_id": "日本語", "mean_score_prediction": 1.0},
    ]


def test_an_empty_json_file_is_valid(tmp_path):
    assert json.loads(write(tmp_path / "scores.json", Json(), []).read_text()) == []


@pytest.mark.parametrize("style", KEEPING, ids=lambda style: style.name)
def test_wherever_a_file_is_torn_whole_rows_stay_and_the_rest_can_follow(tmp_path, style):
    whole = write(tmp_path / "whole", style).read_bytes()
    torn = tmp_path / "torn"
    kept = set()
    for length in range(len(whole) + 1):
        torn.write_bytes(whole[:length])
        file = ScoreFile(torn, style, resume=True)
        kept.add(len(file))
        assert list(file) == ROWS[: len(file)]
        for row in ROWS[len(file) :]:
            file.append(row)
        file.close()
        assert torn.read_bytes() == whole
    assert kept == {0, 1, 2, 3}


@given(text=st.text(st.characters(exclude_categories=["Cs"])), style=st.sampled_from(KEEPING))
def test_any_text_survives(tmp_path_factory, text, style):
    path = tmp_path_factory.mktemp("any") / "scores"
    rows = [ScoreRow(text, status="error", error=text), GOOD]
    assert read(write(path, style, rows), style) == rows


@pytest.mark.parametrize("style", KEEPING, ids=lambda style: style.name)
def test_rows_are_arranged_anew_and_left_out(tmp_path, style):
    path = write(tmp_path / "scores", style)
    file = ScoreFile(path, style, resume=True)
    file.arrange([2, 0])
    assert list(file) == [ROWS[2], ROWS[0]]
    file.append(BAD)
    file.close()
    assert path.read_bytes() == write(tmp_path / "other", style, [ROWS[2], GOOD, BAD]).read_bytes()
    assert [name.name for name in tmp_path.iterdir() if "partial" in name.name] == []


@pytest.mark.parametrize("style", KEEPING, ids=lambda style: style.name)
@pytest.mark.parametrize(
    "content",
    [
        b"path,score\na.jpg,5\n",
        b'[{"image_id": "a"}]\n',
        b'[\n{"path": 1, "distribution": null, "more": 2}\n]\n',
        b"\0\1\2\n" * 9,
        b'{"path": 1}\n',
        b"5\n",
        b'{"my": "settings"}',
        b"notes",
    ],
)
def test_files_that_hold_something_else_are_refused_and_stay_as_they_are(tmp_path, style, content):
    path = tmp_path / "scores"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"is not a {style.name} file as predict writes it"):
        ScoreFile(path, style, resume=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"path": 5},
        {"mean": "3"},
        {"mean": 10**400},
        {"mean": None},
        {"distribution": [0.5, "a"]},
        {"status": "fine"},
        {"weights": None},
    ],
    ids=str,
)
def test_rows_with_values_that_are_never_written_are_refused(tmp_path, changes):
    path = write(tmp_path / "scores.jsonl", JsonLines(), [GOOD])
    path.write_text(json.dumps(json.loads(path.read_text()) | changes) + "\n")
    with pytest.raises(InputError, match="is not a jsonl file as predict writes it"):
        ScoreFile(path, JsonLines(), resume=True)


def test_other_bins_are_another_file(tmp_path):
    path = write(tmp_path / "scores.csv", Csv(2))
    with pytest.raises(InputError, match="Choose another --output"):
        ScoreFile(path, Csv(10), resume=True)


def test_bytes_that_are_no_text_are_written_as_text(tmp_path):
    path = os.fsdecode(b"caf\xe9.jpg")
    assert shown_path(path) == "caf\\udce9.jpg"
    file = write(tmp_path / "scores.csv", Csv(2), [ScoreRow(shown_path(path), status="error")])
    with file.open(encoding="utf-8", newline="") as lines:
        assert list(csv.reader(lines))[1][0] == "caf\\udce9.jpg"


def test_the_format_is_that_of_the_name_unless_one_is_asked_for(tmp_path):
    for name, kind in (("a.csv", Csv), ("a.JSON", Json), ("a.jsonl", JsonLines)):
        assert type(format_of(None, tmp_path / name, 5)) is kind
    assert type(format_of("idealo", tmp_path / "a.csv", 5)) is Idealo
    assert type(format_of(None, None, 5)) is Csv
    with pytest.raises(InputError, match=r"ends in .csv, .json or .jsonl, received .*a.xlsx"):
        format_of(None, tmp_path / "a.xlsx", 5)
    with pytest.raises(InputError, match="csv, json, jsonl, idealo, received 'xml'"):
        format_of("xml", None, 5)


def test_a_lost_quotation_mark_is_found_at_once(tmp_path):
    path = tmp_path / "scores.csv"
    write(
        path,
        Csv(2),
        [GOOD] + [ScoreRow(f"{n}.jpg", 1.0, 0.5, None, (1.0, 0.0)) for n in range(9999)],
    )
    path.write_bytes(path.read_bytes().replace(b'"two', b"two", 1))
    damaged = path.read_bytes()
    with path.open("rb") as file:
        longest = max(len(record) for record in records_in(file, Csv(2)))
    assert longest < 2**16 + 200
    with pytest.raises(InputError, match="is not a csv file as predict writes it"):
        read(path, Csv(2))
    assert path.read_bytes() == damaged


def test_a_name_that_no_file_can_have_is_no_file_that_is_there(tmp_path):
    check_output(tmp_path / ("a" * 300), resume=False, overwrite=False)
    with pytest.raises(InputError, match="Cannot write .*: File name too long"):
        ScoreFile(tmp_path / ("a" * 300), Csv(2))
