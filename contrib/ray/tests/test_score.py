"""Scores from a cluster are those of predict, and every photo has one row, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet

from nima_pretrain.prediction.predict import predict

SCORE = Path(__file__).parents[1] / "score.py"


def command(cluster, photos, output, *more):
    arguments = (photos, "--output", output, "--address", cluster.address, *more)
    return [sys.executable, str(SCORE), *map(str, arguments)]


def finish(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)


def expected(photos, file):
    predict(photos, output=file, engine="litert")
    return file.read_bytes()


def workers(cluster):
    """The processes of actors of the cluster."""
    raylets = {
        info.process.pid
        for node in cluster.list_all_nodes()
        for info in node.all_processes["raylet"]
    }
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            name = entry.joinpath("cmdline").read_bytes()
        except (OSError, IndexError, ValueError):
            continue
        if parent in raylets and name.startswith(b"ray::MapWorker"):
            found.append(int(entry.name))
    return found


def test_rows_are_those_of_predict_in_csv_and_parquet(cluster, photos, tmp_path):
    output = tmp_path / "out"
    done = finish(cluster, photos, output)
    assert done.returncode == 0, done.stderr
    assert "398 photos scored, 2 could not be" in done.stderr
    assert (output / "scores.csv").read_bytes() == expected(photos, tmp_path / "at_once.csv")
    table = pyarrow.parquet.read_table(output / "scores.parquet")
    assert table.num_rows == 400
    paths = table["path"].to_pylist()
    assert paths == sorted(paths)
    assert str(photos / "caf\\udce9.jpg") in paths
    row = table.slice(paths.index(str(photos / "broken, or not.jpg")), 1).to_pylist()[0]
    assert (row["status"], row["mean"], row["p1"]) == ("error", None, None)

    # Again: photos that failed, are new or have changed are scored, all others stay.
    (photos / "empty.png").unlink()
    (photos / "0.jpg").rename(photos / "new.jpg")
    os.utime(photos / "new.jpg")  # of all its names
    done = finish(cluster, photos, output)
    assert "398 photos scored, 1 could not be" in done.stderr
    assert (output / "scores.csv").read_bytes() == expected(photos, tmp_path / "anew.csv")


def test_killed_workers_cost_no_row_and_double_none(cluster, photos, tmp_path):
    output = tmp_path / "out"
    killed = []
    with subprocess.Popen(
        command(cluster, photos, output), stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline and len(killed) < 3:
            time.sleep(1)
            for pid in set(workers(cluster)) - set(killed):
                time.sleep(1)  # within its work
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                break
        message = process.communicate(timeout=300)[1]
    assert process.returncode == 0, message
    assert len(killed) == 3
    assert (output / "scores.csv").read_bytes() == expected(photos, tmp_path / "at_once.csv")


def test_a_killed_driver_goes_on_with_its_parts(cluster, photos, tmp_path):
    # Their rows would be removed from whichever part has them, to try them again.
    (photos / "broken, or not.jpg").unlink()
    (photos / "empty.png").unlink()
    output = tmp_path / "out"
    arguments = command(cluster, photos, output, "--seconds-per-part", 0)
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(output.glob("parts/0*.csv")):
            time.sleep(0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    first = sorted(output.glob("parts/0*.csv"))[0]
    before = first.read_bytes()
    assert not (output / "scores.csv").exists()
    done = finish(cluster, photos, output)
    assert done.returncode == 0, done.stderr
    assert first.read_bytes() == before
    assert (output / "scores.csv").read_bytes() == expected(photos, tmp_path / "at_once.csv")


def test_addresses_are_read_by_pyarrow_and_have_the_same_scores(cluster, photos, tmp_path):
    for number in range(6, 397):
        (photos / f"{number}.jpg").unlink()
    Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.jpg")).unlink()
    done = finish(cluster, f"file://{photos}", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "out" / "scores.csv").read_text().replace("file://", "")
    assert rows.encode() == expected(photos, tmp_path / "at_once.csv")


def test_a_list_and_wrong_input(cluster, photos, tmp_path):
    (tmp_path / "list.txt").write_text(f"{photos / '0.jpg'}\n{photos / 'gone.jpg'}\n")
    done = finish(cluster, tmp_path / "list.txt", tmp_path / "out")
    assert "1 photos scored, 1 could not be" in done.stderr
    for photos_argument, message in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (f"file://{tmp_path}/nowhere", "Cannot list the photos at file://"),
    ):
        done = finish(cluster, photos_argument, tmp_path / "other")
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_rows_by_other_weights_are_refused(cluster, photos, tmp_path):
    parts = tmp_path / "out" / "parts"
    parts.mkdir(parents=True)
    expected(photos / "0.jpg", parts / "000000.csv")
    text = (parts / "000000.csv").read_text()
    (parts / "000000.csv").write_text(f"{text.rpartition(',')[0]},00000000\n")
    done = finish(cluster, photos, tmp_path / "out")
    assert done.returncode == 2
    assert "holds scores by the weights 00000000" in done.stderr
