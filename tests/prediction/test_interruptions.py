"""predict with explanations and a report: killed, on a full disk, in a folder that changes."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.data.finding import listing_of
from nima_pretrain.prediction.predict import predict
from tests.processes import finish, program, wait_until

NUMBER = 60


@pytest.fixture
def photos(tmp_path, photo):
    """A folder of 60 names of two photographs, which the bundled weights score."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(photo[number * 40 :]).save(folder / f"{number}.jpg", quality=95)
    for number in range(2, NUMBER):
        os.link(folder / f"{number % 2}.jpg", folder / f"{number}.jpg")
    return folder


def rows_in(file):
    return max(0, file.read_bytes().count(b"\n") - 1) if file.is_file() else 0


def table_of(file):
    return pd.read_csv(file, keep_default_na=False, na_values=[""])


def assert_is_whole(folder, photos):
    table = table_of(folder / "scores.csv")
    assert table["path"].tolist() == [str(path) for path in listing_of([str(photos)])]
    assert (table["status"] == "ok").all()
    page = (folder / "page.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert f"Photos scored: {NUMBER}" in page
    assert {path.name for path in folder.iterdir()} == {"scores.csv", "page.html"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "seconds"), [(5, 0), (NUMBER, 0), (NUMBER, 0.1)], ids=["rows", "end", "page"]
)
def test_a_kill_at_any_moment_leaves_the_old_page_or_the_new_one(photos, tmp_path, rows, seconds):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "page.html").write_text("the old page")
    places = ("--output", folder / "scores.csv", "--report", folder / "page.html", "--explain")
    with subprocess.Popen(
        program("predict", photos, *places), stderr=subprocess.DEVNULL
    ) as process:
        wait_until(process, lambda: rows_in(folder / "scores.csv") >= rows)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    page = (folder / "page.html").read_text()
    assert page == "the old page" or page.rstrip().endswith("</html>")
    done = finish(program("predict", photos, *places, "--resume"))
    assert done.returncode == 0, done.stderr
    assert_is_whole(folder, photos)


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_page_is_written_costs_no_row(photos, tmp_path):
    folder = tmp_path / "results"
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
sys.argv = ["nima-pretrain", "predict", {str(photos)!r}, "--output", "{folder}/scores.csv",
            "--report", "{folder}/page.html"]
from nima_pretrain.cli import main
main()
"""
    done = finish([sys.executable, "-c", code])
    assert done.returncode == 2, done.stderr
    assert f"Cannot write {folder}/page.html: File too large. Make room" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["scores.csv"]
    assert rows_in(folder / "scores.csv") == NUMBER
    places = ("--output", folder / "scores.csv", "--report", folder / "page.html")
    done = finish(program("predict", photos, *places, "--resume"))
    assert f"0 photos scored, 0 could not be, {NUMBER} were there already" in done.stderr
    assert_is_whole(folder, photos)


@pytest.mark.slow
def test_files_that_vanish_and_appear_meanwhile_are_rows_or_left_for_the_next_run(photos, tmp_path):
    output = tmp_path / "scores.csv"
    arguments = program("predict", photos, "--output", output)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        wait_until(process, lambda: rows_in(output) >= 3)
        for path in sorted(photos.iterdir())[::-2]:
            path.rename(path.with_name(f"0 {path.name}"))
        message = process.communicate(timeout=120)[1]
    assert process.returncode == 0, message
    table = table_of(output)
    assert len(table) == NUMBER
    failed = table[table["status"] == "error"]
    assert failed["error"].isin(["No such file or directory"]).all()
    done = finish([*arguments, "--resume"])
    assert done.returncode == 0, done.stderr
    table = table_of(output).set_index("path")
    now = [str(path) for path in listing_of([str(photos)])]
    assert (table.loc[now, "status"] == "ok").all()


def test_a_clock_that_was_set_back_changes_nothing(photos, tmp_path):
    for number, path in enumerate(sorted(photos.iterdir())):
        os.utime(path, (0, time.time() + 10**8) if number % 2 else (0, 0))
    for resume in (False, True):
        counts = predict(photos, output=tmp_path / "scores.csv", resume=resume)
    assert (counts.scored, counts.there_already) == (0, NUMBER)


@pytest.mark.parametrize("photos", ["", "-"])
def test_a_closed_standard_input_is_said(photos):
    command = map(str, program("predict", *photos))
    done = finish(["/bin/sh", "-c", '"$@" <&-', "sh", *command])
    assert done.returncode == 2
    assert "Expected photos: files, folders, patterns, or a list" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_standard_output_is_said(photos):
    command = program("predict", photos / "0.jpg")
    done = finish(["/bin/sh", "-c", '"$@" >&-', "sh", *command])
    assert done.returncode == 2
    assert "Standard output is closed. Expected --output FILE." in done.stderr


@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_without_any_standard_stream_scores_go_into_their_file(photos, tmp_path, engine):
    output = tmp_path / "scores.csv"
    command = program("predict", photos / "0.jpg", "--output", output, "--engine", engine)
    done = finish(["/bin/sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command])
    assert done.returncode == 0
    assert table_of(output)["status"].tolist() == ["ok"]
