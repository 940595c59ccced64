"""predict: no row is lost or doubled, with any content of the folder and after any stop."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import listing_of
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions.geometry import fit_photo
from nima_pretrain.errors import InputError
from nima_pretrain.metrics import mean_score
from nima_pretrain.prediction.engines import ENGINES
from nima_pretrain.prediction.predict import predict
from nima_pretrain.prediction.score_row import shown
from nima_pretrain.prediction.scorer import load_scorer
from nima_pretrain.weights.litert_writing import write_litert
from nima_pretrain.weights.side_car import NimaCard, ScaleConfig
from nima_pretrain.weights.store import save_weights
from tests.conftest import ROOT
from tests.prediction.hostile import write_hostile_files

NETWORK = NetworkConfig(width=0.35, input_size=32)
# LiteRT would be done with small photos before it can be stopped.
STOPPABLE = ("--engine", "tensorflow")


@pytest.fixture(scope="module")
def weights(tmp_path_factory, lively_nima):
    path = tmp_path_factory.mktemp("weights") / "nima.h5"
    side_car = NimaCard(
        network=NETWORK,
        scale=ScaleConfig(bins=5, low=1, high=5),
        training_scores=tuple(np.linspace(2, 4, 101).tolist()),
    )
    save_weights(lively_nima, path, side_car)
    write_litert(path)
    return path


@pytest.fixture(scope="module")
def scorer(weights):
    return load_scorer(weights, batch_size=3)


@pytest.fixture
def many_photos(tmp_path, photo):
    """A folder of 300 names of six small photographs."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(6):
        cut = Image.fromarray(photo[number * 40 : number * 40 + 60, :80])
        cut.save(folder / f"{number}.jpg")
    for number in range(6, 300):
        os.link(folder / f"{number % 6}.jpg", folder / f"{number}.jpg")
    return folder


def command(*arguments):
    return [str(ROOT / "entrypoints" / "predict"), *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, check=False, **options)


def table_of(file):
    return pd.read_csv(file, lineterminator="\n", keep_default_na=False, na_values=[""])


def score(weights, folder, output, **options):
    return predict(folder, weights=weights, output=output, **{"batch_size": 3, **options})


@pytest.mark.slow
def test_every_file_of_a_hostile_folder_is_accounted_for(tmp_path, photo, weights):
    folder = tmp_path / "photos"
    good, bad = write_hostile_files(folder, photo)
    assert len(good) + len(bad) >= 40
    output = tmp_path / "scores.csv"
    done = run(folder, "--weights", weights, "--output", output, "--strict")
    assert done.returncode == 1, done.stderr.decode()
    assert f"{len(good)} photos scored, {len(bad)} could not be" in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
    table = table_of(output)
    expected = sorted([*good, *bad], key=lambda path: path.relative_to(folder).as_posix())
    assert table["path"].tolist() == [shown(path) for path in expected]
    by_path = table.set_index("path")
    scored = by_path.loc[[shown(path) for path in good]]
    assert (scored["status"] == "ok").all(), scored[scored["status"] != "ok"]["error"]
    assert scored["mean"].between(1, 5).all()
    assert scored[[f"p{bin}" for bin in range(1, 6)]].sum(axis=1).between(0.9999, 1.0001).all()
    for path, word in bad.items():
        row = by_path.loc[shown(path)]
        assert row["status"] == "error"
        assert word in row["error"]
        assert np.isnan(row["mean"])
    notes = scored["note"].dropna()
    for name, note in (
        ("mode RGBA.png", None),
        ("see-through.gif", "transparent parts laid on white"),
        ("frames.gif", "the first frame of several"),
        ("mode CMYK.jpg", "CMYK without a colour profile"),
        ("broken profile.jpg", "its colour profile is ignored"),
    ):
        assert note is None or note in notes.loc[str(folder / name)]
    same = scored.loc[[str(folder / "link.jpg"), str(folder / "a.b.c.jpg")], "mean"]
    assert same.iloc[0] == pytest.approx(same.iloc[1], abs=1e-5)

    # Again, without anything new: only what failed is tried once more.
    before = output.read_bytes()
    done = run(folder, "--weights", weights, "--output", output, "--resume")
    assert done.returncode == 0
    assert f"0 photos scored, {len(bad)} could not be, {len(good)} were there" in str(done.stderr)
    assert output.read_bytes() == before


def hear_interrupts():
    """Restores Ctrl-C: background processes of a script ignore it, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_rows(process, file, rows):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if file.is_file() and file.read_bytes().count(b"\n") > rows:
            return
        time.sleep(0.005)
    raise AssertionError(f"ended with {process.poll()}, or too slow")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "name"), [(signal.SIGKILL, "scores.csv"), (signal.SIGINT, "scores.json")]
)
def test_stopped_at_any_moment_no_row_is_lost_or_doubled(tmp_path, many_photos, weights, how, name):
    output = tmp_path / name
    arguments = (many_photos, "--weights", weights, "--output", output, "--batch-size", 7)
    arguments += STOPPABLE
    with subprocess.Popen(
        command(*arguments),
        stderr=subprocess.PIPE,
        preexec_fn=hear_interrupts,  # noqa: PLW1509 - one call, no locks
    ) as process:
        wait_for_rows(process, output, 20)
        process.send_signal(how)
        message = process.communicate()[1].decode()
    stopped = output.read_bytes()
    assert 20 < stopped.count(b"\n") < 300
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "has the rows so far; --resume goes on" in message
        assert "Traceback" not in message
        assert json.loads(stopped)
        stopped = stopped.removesuffix(b"]\n")
    done = run(*arguments, "--resume")
    assert done.returncode == 0, done.stderr.decode()
    whole = output.read_bytes()
    assert whole.startswith(stopped[: stopped.rindex(b"\n")])
    table = table_of(output) if name.endswith("csv") else pd.DataFrame(json.loads(whole))
    assert table["path"].tolist() == [str(path) for path in listing_of([str(many_photos)])]
    score(weights, many_photos, tmp_path / "at_once.csv", engine="tensorflow")
    np.testing.assert_allclose(table["mean"], table_of(tmp_path / "at_once.csv")["mean"], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_photo_gets_the_same_score_in_any_batch_and_order(
    tmp_path, photo_folder, weights, engine
):
    tables = []
    paths = sorted(listing_of([str(photo_folder)]), reverse=True)
    for size in (1, 2, 64):
        for name, photos in (("forth", photo_folder), ("back", paths)):
            output = tmp_path / f"{size} {name}.csv"
            predict(photos, weights=weights, output=output, batch_size=size, engine=engine)
            tables.append(table_of(output).set_index("path"))
    assert tables[1].index.tolist() == list(map(str, paths))
    for table in tables[1:]:
        means = table.loc[tables[0].index, "mean"]
        np.testing.assert_allclose(means, tables[0]["mean"], atol=1e-5)


def test_in_full_size_scores_are_those_of_the_whole_photo(tmp_path, photo, weights, scorer):
    large = Image.fromarray(photo).resize((2000, 1500), Image.Resampling.LANCZOS)
    large.save(tmp_path / "large.jpg", quality=90)
    with Image.open(tmp_path / "large.jpg") as whole:
        pixels = fit_photo(np.asarray(whole), NETWORK.input_size, NETWORK.fit)
    exact = mean_score(scorer.model(pixels[None]), ScoreScale(5, 1, 5).scores)[0]
    mean = {}
    for options in ((), ("--full-size",)):
        done = run(tmp_path / "large.jpg", "--weights", weights, "--format", "json", *options)
        mean[options] = json.loads(done.stdout)[0]["mean"]
    assert mean["--full-size",] == pytest.approx(exact, abs=1e-5)
    assert 1e-5 < abs(mean[()] - exact) < 0.05


def test_resume_scores_what_is_new_or_changed_and_keeps_the_order(tmp_path, photo_folder, weights):
    output = tmp_path / "scores.csv"
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (50, 50)).save(other / "black.png")
    score(weights, other, output)
    (photo_folder / "b.png").rename(photo_folder / "hidden.txt")
    (photo_folder / "c.d.jpeg").write_bytes(b"not yet there")
    assert score(weights, photo_folder, output, resume=True) == (4, 1, 0)
    before = table_of(output).set_index("path")
    (photo_folder / "hidden.txt").rename(photo_folder / "b.png")
    Image.new("RGB", (60, 40), "red").save(photo_folder / "c.d.jpeg")
    Image.new("RGB", (60, 40), "blue").save(photo_folder / "a.JPG")
    assert score(weights, photo_folder, output, resume=True) == (3, 0, 3)
    after = table_of(output).set_index("path")
    listed = [str(path) for path in listing_of([str(photo_folder)])]
    assert after.index.tolist() == [str(other / "black.png"), *listed]
    assert (after["status"] == "ok").all()
    assert (
        after.loc[str(photo_folder / "a.JPG"), "mean"]
        != before.loc[str(photo_folder / "a.JPG"), "mean"]
    )
    assert score(weights, photo_folder, output, resume=True) == (0, 0, 6)


def test_rows_by_other_weights_are_not_mixed(tmp_path, photo_folder, weights, scorer):
    output = tmp_path / "scores.csv"
    score(weights, photo_folder, output)
    text = output.read_text().replace(scorer.weights, "00000000")
    output.write_text(text)
    done = run(photo_folder, "--weights", weights, "--output", output, "--resume")
    assert done.returncode == 2
    assert "holds scores by the weights 00000000" in done.stderr.decode()
    assert output.read_text() == text


def test_sort_and_top_put_the_best_first_and_failed_files_last(tmp_path, photo_folder, weights):
    (photo_folder / "broken.jpg").write_bytes(b"broken")
    score(weights, photo_folder, tmp_path / "plain.csv")
    score(weights, photo_folder, tmp_path / "sorted.csv", sort=True)
    score(weights, photo_folder, tmp_path / "top.csv", top=2)
    plain = table_of(tmp_path / "plain.csv")
    best = plain.sort_values("mean", ascending=False, na_position="last")
    assert table_of(tmp_path / "sorted.csv")["path"].tolist() == best["path"].tolist()
    assert table_of(tmp_path / "top.csv")["path"].tolist() == best["path"].tolist()[:2]
    # Rows that are left out are scored again, and the best are the best of all.
    assert score(weights, photo_folder, tmp_path / "top.csv", top=3, resume=True) == (4, 1, 2)
    assert table_of(tmp_path / "top.csv")["path"].tolist() == best["path"].tolist()[:3]


def test_the_best_are_the_best_where_failed_files_have_no_row(tmp_path, photo_folder, weights):
    (photo_folder / "A broken one.jpg").write_bytes(b"broken")  # the first of all
    score(weights, photo_folder, tmp_path / "plain.csv")
    score(weights, photo_folder, tmp_path / "top.json", format="idealo", top=2)
    best = table_of(tmp_path / "plain.csv").sort_values("mean", ascending=False)["path"][:2]
    entries = json.loads((tmp_path / "top.json").read_text())
    assert [entry["image_id"] for entry in entries] == [Path(path).stem for path in best]


def test_scores_say_where_they_stand(tmp_path, photo_folder, weights):
    score(weights, photo_folder, tmp_path / "scores.csv")
    table = table_of(tmp_path / "scores.csv")
    bins = table[[f"p{bin}" for bin in range(1, 6)]].to_numpy()
    np.testing.assert_allclose(table["mean"], bins @ np.arange(1, 6), atol=2e-5)
    # A small deviation magnifies the rounding of the shares; its square does not.
    variance = (bins * (np.arange(1, 6) - table[["mean"]].to_numpy()) ** 2).sum(axis=1)
    np.testing.assert_allclose(table["std"] ** 2, variance, atol=2e-5)
    np.testing.assert_allclose(
        table["percentile"], np.clip((table["mean"] - 2) / 2 * 100, 0, 100), atol=1e-3
    )
    first = next(iter(listing_of([str(photo_folder)])))
    assert table["bytes"][0] == first.stat().st_size
    assert pd.Timestamp(table["modified"][0]).timestamp() == pytest.approx(first.stat().st_mtime)


def test_standard_output_holds_rows_alone_and_a_list_says_which(photo_folder, weights):
    paths = sorted(photo_folder.glob("*.*"))
    listed = b"\0".join(map(bytes, [*paths, photo_folder / "gone.png"]))
    done = run("--weights", weights, "--format", "jsonl", input=listed)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == [*map(str, paths), str(photo_folder / "gone.png")]
    assert [row["status"] for row in rows] == ["ok"] * len(paths) + ["error"]
    assert "1 could not be" in done.stderr.decode()
    done = run("-", "--weights", weights, "--top", 1, "--quiet", input=listed)
    (row,) = pd.read_csv(io.BytesIO(done.stdout)).itertuples()
    assert row.mean == pytest.approx(max(entry["mean"] or 0 for entry in rows), abs=1e-5)
    assert done.stderr == b""


def test_where_rows_have_no_place_for_errors_they_are_said(photo_folder, weights):
    (photo_folder / "broken.jpg").write_bytes(b"broken")
    done = run(photo_folder, "--weights", weights, "--format", "idealo", "--quiet")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 6
    assert f"{photo_folder / 'broken.jpg'}: cannot identify image file" in done.stderr.decode()


def test_a_reader_that_stops_reading_is_no_accident(many_photos, weights):
    process = subprocess.Popen(
        command(many_photos, "--weights", weights, "--quiet", *STOPPABLE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        message = process.stderr.read().decode()
    assert "Traceback" not in message
    assert process.returncode != 0


def test_a_full_disk_costs_no_row_that_was_written(tmp_path, many_photos, weights):
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
sys.argv = ["nima-pretrain", "predict", {str(many_photos)!r}, "--output", "scores.jsonl",
            "--weights", {str(weights)!r}]
from nima_pretrain.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Cannot write scores.jsonl: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "scores.jsonl").rename(tmp_path / "rest.jsonl")
    counts = score(weights, many_photos, tmp_path / "rest.jsonl", resume=True)
    assert counts.there_already > 20
    assert sum(counts) == 300


def test_two_processes_into_one_output_lose_no_row(many_photos, weights, tmp_path):
    output = tmp_path / "scores.csv"
    arguments = ("--weights", weights, "--output", output, "--resume", "--quiet", *STOPPABLE)
    both = [
        subprocess.Popen(command(many_photos, *arguments), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    messages = [process.communicate(timeout=300)[1] for process in both]
    for process, message in zip(both, messages, strict=True):
        if process.returncode:  # it came while the other one was writing
            assert process.returncode == 2
            assert "Another process is writing" in message
    assert 0 in [process.returncode for process in both]
    counts = score(weights, many_photos, output, resume=True)
    assert (counts.scored, counts.there_already) == (0, 300)


def test_a_folder_without_photos_is_said(tmp_path, weights):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").touch()
    done = run(tmp_path / "notes", "--weights", weights)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Found no photos in the folders given" in done.stderr
    done = run(tmp_path / "notes", "--weights", weights, "--allow-empty", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("options", [(), ("--sort",)], ids=["as they come", "sorted"])
def test_rows_for_a_full_device_end_with_a_message(photo_folder, weights, options):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(photo_folder, "--weights", weights, *options),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert b"Cannot write to standard output: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_page_in_the_place_of_the_rows_is_refused(tmp_path, photo_folder, weights):
    output = tmp_path / "scores.csv"
    with pytest.raises(InputError, match="--report to be another file than --output"):
        score(weights, photo_folder, output, report=tmp_path / "scores.csv")
    assert not output.exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        predict(photo_folder, weights=weights, report=tmp_path / "file" / "page.html")
    with pytest.raises(InputError, match="Expected a file for --report, but .* is a folder"):
        predict(photo_folder, weights=weights, report=tmp_path)
