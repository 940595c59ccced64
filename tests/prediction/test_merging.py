"""merge: the shards of several machines give the file of one run, byte for byte."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image

from nima_pretrain.errors import InputError
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.formats import Csv, Json, JsonLines
from nima_pretrain.prediction.merging import merge
from nima_pretrain.prediction.predict import predict
from nima_pretrain.prediction.score_row import ScoreRow
from tests.processes import finish, program, wait_until

WEIGHTS = "01234567"
GOOD = ScoreRow("b, c.jpg", 5.5, 1.0, 50.0, (0.25, 0.75), note="a note", bytes=3, weights=WEIGHTS)
BEST = replace(GOOD, path='"a".jpg', mean=7.25, percentile=None)
BAD = ScoreRow("two\nlines.jpg", status="error", error="is not a photo", weights=WEIGHTS)
ROWS = [BEST, GOOD, BAD]  # in the order of their paths


def written(path, style, *rows):
    with ScoreFile(path, style) as file:
        for row in rows:
            file.append(row)
    return path


def rows_in(path, style):
    with ScoreFile(path, style, resume=True) as file:
        return list(file)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, photo):
    """A folder of 120 names of photographs, and of two files that are none."""
    folder = tmp_path_factory.mktemp("sharded") / "photos"
    for number in range(120):
        place = folder / f"{number % 5}" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if number < 6:
            Image.fromarray(photo[number * 40 : number * 40 + 60, :80]).save(place)
        else:
            os.link(folder / f"{number % 6 % 5}" / f"{number % 6}.jpg", place)
    (folder / "broken, or not.jpg").write_bytes(b"no photo")
    (folder / "empty.png").touch()
    return folder


@pytest.fixture(scope="module")
def at_once(photos, tmp_path_factory):
    """The rows of one run on one machine, by the bundled scorer."""
    output = tmp_path_factory.mktemp("at once") / "scores.csv"
    assert sum(predict(photos, output=output, engine="litert")) == 122
    return output


@pytest.mark.slow
def test_shards_together_give_the_file_of_one_run_even_after_a_kill(tmp_path, photos, at_once):
    parts = [tmp_path / name for name in ("part1.csv", "part2.jsonl", "part3.json")]
    for number, part in enumerate(parts, start=1):
        arguments = program(
            *("predict", photos, "--engine", "litert"),
            *("--shard", f"{number}/3", "--output", part),
        )
        if number == 1:
            process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
            wait_until(process, lambda: parts[0].exists() and parts[0].stat().st_size > 2000)
            process.send_signal(signal.SIGKILL)
            process.wait()
            arguments.append("--resume")
        done = finish(arguments)
        assert done.returncode == 0, done.stderr
    done = finish(program("merge", *parts, "--output", tmp_path / "scores.csv"))
    assert done.returncode == 0
    assert done.stderr == f"120 photos with a score, 2 without: {tmp_path / 'scores.csv'}\n"
    assert (tmp_path / "scores.csv").read_bytes() == at_once.read_bytes()
    # Nothing is left to do for a run that looks at the whole folder.
    output = tmp_path / "scores.csv"
    assert predict(photos, output=output, engine="litert", resume=True) == (0, 2, 120)
    assert output.read_bytes() == at_once.read_bytes()


def test_a_shard_without_photos_is_an_empty_part(tmp_path, photo_folder):
    one = tmp_path / "one"
    one.mkdir()
    (photo_folder / "b.png").rename(one / "b.png")
    parts = [tmp_path / f"{number}.csv" for number in (1, 2)]
    counts = [
        sum(predict(one, output=part, engine="litert", shard=f"{number}/2"))
        for number, part in enumerate(parts, start=1)
    ]
    assert sorted(counts) == [0, 1]
    assert merge(parts, tmp_path / "scores.csv") == (1, 0, 0)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_rows_are_ordered_by_path_whatever_the_formats(tmp_path, suffix):
    parts = [
        written(tmp_path / "1.jsonl", JsonLines(), BAD),
        written(tmp_path / "2.json", Json(), GOOD),
        written(tmp_path / "3.csv", Csv(2), BEST),
    ]
    output = tmp_path / f"scores{suffix}"
    assert merge(parts, output) == (2, 1, 0)
    style = {".csv": Csv(2), ".json": Json(), ".jsonl": JsonLines()}[suffix]
    assert output.read_bytes() == written(tmp_path / f"x{suffix}", style, *ROWS).read_bytes()


def test_the_best_come_first_if_wanted_and_failed_files_last(tmp_path):
    parts = [written(tmp_path / "1.csv", Csv(2), BAD, GOOD, BEST)]
    merge(parts, tmp_path / "sorted.jsonl", sort=True)
    assert rows_in(tmp_path / "sorted.jsonl", JsonLines()) == [BEST, GOOD, BAD]
    assert merge(parts, tmp_path / "top.jsonl", top=1) == (1, 0, 0)
    assert rows_in(tmp_path / "top.jsonl", JsonLines()) == [BEST]


def test_equal_rows_of_two_files_are_one_and_different_ones_are_named(tmp_path):
    parts = [
        written(tmp_path / "1.csv", Csv(2), GOOD, BAD),
        written(tmp_path / "2.csv", Csv(2), BAD, BEST),
    ]
    output = tmp_path / "scores.csv"
    assert merge(parts, output) == (2, 1, 1)
    changed = written(tmp_path / "3.csv", Csv(2), replace(GOOD, mean=5.6))
    before = output.read_bytes()
    with pytest.raises(InputError, match=r"rows for b, c.jpg \(.*1.csv and .*3.csv\)\. Leave out"):
        merge([*parts, changed], output, overwrite=True)
    assert output.read_bytes() == before


def test_rows_by_other_weights_are_refused(tmp_path):
    one = written(tmp_path / "1.csv", Csv(2), GOOD)
    two = written(tmp_path / "2.csv", Csv(2), replace(BEST, weights="89abcdef"))
    with pytest.raises(InputError, match=r"2.csv holds scores by the weights 89abcdef, .*1.csv"):
        merge([one, two], tmp_path / "scores.csv")
    three = written(tmp_path / "3.csv", Csv(3), replace(BEST, distribution=(0.5, 0.25, 0.25)))
    with pytest.raises(InputError, match=r"3.csv holds distributions of 3 scores, .* of 2"):
        merge([one, three], tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()


def test_a_part_that_ends_within_a_row_is_refused_and_stays_as_it_is(tmp_path):
    part = written(tmp_path / "1.csv", Csv(2), GOOD, BEST)
    torn = part.read_bytes()[:-5]
    part.write_bytes(torn)
    done = finish(program("merge", part, "--output", tmp_path / "scores.csv"))
    assert done.returncode == 2
    assert "1.csv ends within a row, so its run was stopped" in done.stderr
    assert part.read_bytes() == torn


def test_a_part_with_a_lost_quotation_mark_is_not_taken_for_a_stopped_one(tmp_path):
    rows = [replace(GOOD, path=f"{number}, {number}.jpg") for number in range(2000)]
    part = written(tmp_path / "1.csv", Csv(2), *rows)
    part.write_bytes(part.read_bytes().replace(b'"', b"", 1))
    with pytest.raises(InputError, match=r"1\.csv is not a csv file as predict writes it"):
        merge([part], tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"path,score\na.jpg,5\n"),
        ("a.csv", b""),
        ("a.json", b'[\n{"image_id": "a", "mean_score_prediction": 5}\n]\n'),
        ("a.json", b'{"path": "a.jpg"}\n'),
        ("a.jsonl", b"5\n"),
        ("a.jsonl", b"\xff\xfe\n"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="as predict writes it. Expected an --output of predict"):
        merge([tmp_path / name], tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "5"),
        ("path", r'"\ud800.jpg"'),
        ("mean", '"high"'),
        ("mean", "NaN"),
        ("bytes", "1" + 400 * "0"),
        ("status", '"fine"'),
    ],
)
def test_rows_that_predict_does_not_write_are_refused(tmp_path, field, value):
    record = JsonLines().record(GOOD).decode()
    assert f'"{field}": ' in record
    record = re.sub(rf'"{field}": ("[^"]*"|[^,]*)', lambda _: f'"{field}": {value}', record)
    (tmp_path / "part.jsonl").write_text(record)
    with pytest.raises(InputError, match="as predict writes it"):
        merge([tmp_path / "part.jsonl"], tmp_path / "scores.csv")


@pytest.mark.parametrize(
    "style", [Csv(2, has_groups=True), Json(has_groups=True), JsonLines(has_groups=True)]
)
def test_files_with_groups_are_refused(tmp_path, style):
    grouped = replace(GOOD, group="1", best_of_group=True)
    part = written(tmp_path / f"part{style.suffixes[0]}", style, grouped, BAD)
    with pytest.raises(InputError, match="without --group"):
        merge([part], tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()


def test_missing_files_and_unknown_outputs_are_refused(tmp_path):
    part = written(tmp_path / "1.csv", Csv(2), GOOD)
    with pytest.raises(InputError, match=r"Cannot read the score file .*gone.csv: No such file"):
        merge([part, tmp_path / "gone.csv"], tmp_path / "scores.csv")
    with pytest.raises(InputError, match=r"ends in .csv, .json or .jsonl, received .*scores.txt"):
        merge([part], tmp_path / "scores.txt")
    with pytest.raises(InputError, match=r"1.csv is there already. .* --overwrite"):
        merge([part], part)
    failed = written(tmp_path / "failed.jsonl", JsonLines(), BAD)
    with pytest.raises(InputError, match="None of the rows has a score"):
        merge([failed], tmp_path / "scores.csv")
    assert merge([failed], tmp_path / "scores.json") == (0, 1, 0)
    assert json.loads((tmp_path / "scores.json").read_text())[0]["error"] == "is not a photo"


def test_a_full_disk_is_said(tmp_path):
    rows = (replace(GOOD, path=f"{number}.jpg", note="long " * 99) for number in range(8_000))
    part = written(tmp_path / "1.jsonl", JsonLines(), *rows)
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
sys.argv = ["nima-pretrain", "merge", {str(part)!r}, "--output", "scores.jsonl"]
from nima_pretrain.cli import main
main()
"""
    done = finish([sys.executable, "-c", code], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Cannot keep the rows in the folder for temporary files" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "scores.jsonl").exists()
