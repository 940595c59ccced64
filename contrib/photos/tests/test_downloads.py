"""Downloads by the real img2dataset from a real server: whatever comes, every photo is told of."""

import csv
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import FILES, Handler
from photo_sets.checking import check
from photo_sets.downloading import ENVIRONMENT, download
from photo_sets.lists import ListedPhoto, read_list

from nima_pretrain.data.file_lists import SplitFiles
from nima_pretrain.data.split import PARTS, list_photos, split_photos
from nima_pretrain.errors import InputError

IMG2DATASET = Path(os.environ.get("IMG2DATASET_ENVIRONMENT", ENVIRONMENT))
BAD = {
    "/gone.jpg": "missing",
    "/moved/nowhere.jpg": "missing",
    "/cut.jpg": "missing",
    "/noai.jpg": "refused",
    "/broken.jpg": "broken",
    "/page.jpg": "broken",
    "/doubled.jpg": "doubled",
    "/moved/4.jpg": "doubled",
    "/small.jpg": "small",
}
GOOD = [*(f"/{number}.jpg" for number in range(12)), "/moved/20.jpg", "/turned.jpg", "/others.jpg"]
GOOD.append("/comma,quote%22.jpg?w=1,000")


def command(*arguments):
    paths = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-m", "photo_sets", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_the_two_commands_tell_of_every_photo_and_pretraining_reads_the_shards(server, tmp_path):
    addresses = tmp_path / "addresses.txt"
    addresses.write_text("".join(f"{server}{path}\n" for path in [*GOOD, *BAD, GOOD[0]]))
    list_file, folder = tmp_path / "list.csv", tmp_path / "set"
    done = command("list", addresses, "--output", list_file, "--license", "CC0")
    assert done.returncode == 0, done.stderr
    assert "25 photos, 1 repetitions left out" in done.stderr
    arguments = ("download", list_file, "--output", folder, "--environment", IMG2DATASET)
    done = command(*arguments, "--photos-per-shard", 10, "--retries", 0)
    assert done.returncode == 0, done.stderr
    assert "X-Robots-Tag" not in done.stdout
    with (folder / "photos.csv").open(newline="") as file:
        rows = {row["url"].removeprefix(server): row for row in csv.DictReader(file)}
    assert {path: rows[path]["status"] for path in BAD} == BAD
    assert {rows[path]["status"] for path in GOOD} == {"ok"}
    assert {row["license"] for row in rows.values()} == {"CC0"}
    assert "404" in rows["/gone.jpg"]["reason"]
    assert rows["/doubled.jpg"]["reason"] == f"the same file as {rows['/3.jpg']['id']}"
    assert rows["/small.jpg"]["reason"] == "the short side is below 224 pixels"
    # Upright, and the bytes that the server sent.
    assert (rows["/turned.jpg"]["width"], rows["/turned.jpg"]["height"]) == ("240", "300")
    shard, _, member = rows["/turned.jpg"]["name"].partition("/")
    with tarfile.open(folder / shard) as tar:
        assert tar.extractfile(member).read() == FILES["/turned.jpg"]
    assert all("nima-pretrain" in agent for agent in Handler.agents)

    # 16 photos in proportions of 100 : 15 : 15, each in one part; pretraining finds them.
    lists = SplitFiles(*(folder / f"{part}.txt" for part in PARTS))
    assert [len(names) for names in lists.read()] == [12, 2, 2]
    split, scan = split_photos(list_photos(folder, lists), tmp_path / "bad.csv", (1, 1, 1), 0)
    assert len(scan.readable) == len(split.training + split.validation + split.test) == 16
    for part in PARTS:
        assert {rows[path]["part"] for path in GOOD} == set(PARTS)
        names = {row["name"] for row in rows.values() if row["part"] == part}
        assert names == set(getattr(split, part))

    # Again: nothing is downloaded twice, and the result is the same, byte for byte.
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    asked = dict(Handler.asked)
    assert command(*arguments, "--photos-per-shard", 10).returncode == 0
    assert dict(Handler.asked) == asked
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    done = command("check", list_file, "--output", folder, "--smallest", 200)
    assert done.returncode == 0
    with (folder / "photos.csv").open(newline="") as file:
        assert sum(row["status"] == "ok" for row in csv.DictReader(file)) == 17
    with pytest.raises(InputError, match="holds the download of another list"):
        download(read_list(list_file)[1:], folder, environment=IMG2DATASET)


def parts_of(folder):
    with (folder / "photos.csv").open(newline="") as file:
        return {row["id"]: row["part"] for row in csv.DictReader(file)}


def test_a_shard_that_failed_is_said_and_done_by_the_same_command(server, tmp_path):
    photos = [ListedPhoto(str(number), f"{server}/{number}.jpg") for number in range(20)]
    folder = tmp_path / "set"
    (folder / "00001.tar").mkdir(parents=True)  # where the second shard cannot be written
    options = {"environment": IMG2DATASET, "photos_per_shard": 10}
    with pytest.raises(InputError, match="not finished the shards of 10 of 20 photos"):
        download(photos, folder, **options)
    assert check(photos, folder)["missing"] == 10
    (folder / "00001.tar").rmdir()
    download(photos, folder, **options)
    assert check(photos, folder)["ok"] == 20
    # The parts depend on the ids alone.
    parts = parts_of(folder)
    assert sorted(map(list(parts.values()).count, PARTS)) == [2, 3, 15]
    assert check(photos[::-1], folder)["ok"] == 20
    assert parts_of(folder) == parts


def test_missing_environments_and_folders_are_said(tmp_path):
    with pytest.raises(InputError, match=r"Expected img2dataset in .*nowhere"):
        download([], tmp_path / "set", environment=tmp_path / "nowhere")
    with pytest.raises(InputError, match="Expected a folder of the command `download`"):
        check([], tmp_path)
    (tmp_path / "list.csv").write_text("a,b\n")
    done = command("check", tmp_path / "list.csv", "--output", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("photo_sets: Expected a list with the columns id, url, page")
