"""predict --group: groups of bursts and copies, in any order and format, and after any stop."""

import json
import os
import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

import nima_pretrain
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.errors import InputError
from nima_pretrain.prediction.fingerprint_file import fingerprint_path
from tests.conftest import ROOT

NOON = datetime(2024, 5, 1, 12)
STEP = 12  # pixels, of a photo of 360


def save(image, path, taken=None, zone=None):
    exif = Image.Exif()
    if taken is not None:
        tags = exif.get_ifd(ExifTags.IFD.Exif)
        tags[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
        tags[ExifTags.Base.SubsecTimeOriginal] = f"{taken.microsecond // 1000:03}"
        if zone:
            tags[ExifTags.Base.OffsetTimeOriginal] = zone
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=92, exif=exif)


def cuts(name, number):
    """Photos of one motif, the camera moving by a thirtieth of the frame from one to the next."""
    (path,) = (path for path in embedded_photos() if path.name.startswith(name))
    image = Image.open(path).convert("RGB").resize((360 + STEP * number, 270))
    return [image.crop((STEP * i, 0, STEP * i + 360, 270)) for i in range(number)]


@pytest.fixture
def shoot(tmp_path):
    """Two bursts of one second, three other photos, a copy of one of a burst, a broken file."""
    folder = tmp_path / "shoot"
    for index, cut in enumerate(cuts("chelsea", 4)):
        save(cut, folder / f"cat {index}.jpg", NOON + timedelta(seconds=index / 4))
    for index, cut in enumerate(cuts("rocket", 3)):
        save(cut, folder / f"rocket {index}.jpg", NOON + timedelta(seconds=2 + index / 4))
    for index, name in enumerate(("coffee", "hubble", "grace")):
        save(cuts(name, 1)[0], folder / f"{name}.jpg", NOON + timedelta(seconds=3 + index))
    Image.open(folder / "cat 1.jpg").resize((200, 150)).save(folder / "small.png")
    (folder / "broken.jpg").write_bytes(b"broken")
    return folder


SHOOT_GROUPS = [
    {"cat 0.jpg", "cat 1.jpg", "cat 2.jpg", "cat 3.jpg", "small.png"},
    {"rocket 0.jpg", "rocket 1.jpg", "rocket 2.jpg"},
]


def table_of(file):
    if file.suffix == ".csv":
        return pd.read_csv(file, keep_default_na=False, na_values={"mean": [""]})
    rows = [
        json.loads(line.strip(b",")) for line in file.read_bytes().splitlines() if len(line) > 2
    ]
    return pd.DataFrame(rows)


def groups_in(file):
    table = table_of(file)
    grouped = table[table["group"] != ""]
    names = grouped["path"].map(lambda path: Path(path).name)
    return sorted(map(set, names.groupby(grouped["group"]).agg(list)), key=len, reverse=True)


def predict(photos, output, **options):
    return nima_pretrain.predict(photos, output=output, **{"group": True, **options})


def command(*arguments):
    return [str(ROOT / "entrypoints" / "predict"), *map(str, arguments)]


def test_bursts_and_copies_are_groups_and_each_has_one_best(shoot, tmp_path):
    predict(shoot, tmp_path / "scores.csv")
    assert groups_in(tmp_path / "scores.csv") == SHOOT_GROUPS
    table = table_of(tmp_path / "scores.csv")
    for _, group in table[table["group"] != ""].groupby("group"):
        best = group[group["best_of_group"] == "yes"]
        assert best["mean"].tolist() == [group["mean"].max()]
    alone = table[table["group"] == ""].set_index("path")
    assert alone.pop("best_of_group").to_dict() == {
        str(shoot / "broken.jpg"): "no",
        **{str(shoot / f"{name}.jpg"): "yes" for name in ("coffee", "hubble", "grace")},
    }


def test_without_group_files_are_as_they_were(shoot, tmp_path):
    predict(shoot, tmp_path / "grouped.csv")
    predict(shoot, tmp_path / "plain.csv", group=False)
    columns = table_of(tmp_path / "grouped.csv").columns
    assert columns[-2:].tolist() == ["group", "best_of_group"]
    plain = table_of(tmp_path / "plain.csv")
    assert plain.columns.tolist() == columns[:-2].tolist()
    pd.testing.assert_frame_equal(plain, table_of(tmp_path / "grouped.csv")[plain.columns])
    assert not fingerprint_path(tmp_path / "plain.csv").exists()


def test_json_has_the_same_groups_as_csv(shoot, tmp_path):
    for name in ("scores.csv", "scores.json", "scores.jsonl"):
        predict(shoot, tmp_path / name)
    expected = table_of(tmp_path / "scores.csv")
    for name in ("scores.json", "scores.jsonl"):
        table = table_of(tmp_path / name)
        assert table["group"].tolist() == expected["group"].tolist()
        is_best = table["best_of_group"]
        assert (
            is_best.map({True: "yes", False: "no"}).tolist() == expected["best_of_group"].tolist()
        )
    with pytest.raises(InputError, match="too little for --resume, --report, --xmp and --group"):
        predict(shoot, tmp_path / "idealo.json", format="idealo")


def test_the_order_of_the_photos_does_not_matter(shoot, tmp_path):
    photos = find_photos(shoot)
    orders = {"forth": photos, "back": photos[::-1], "odd": photos[1::2] + photos[::2]}
    tables = []
    for name, order in orders.items():
        predict(order, tmp_path / f"{name}.csv")
        tables.append(table_of(tmp_path / f"{name}.csv").set_index("path").loc[map(str, photos)])
    for table in tables[1:]:
        pd.testing.assert_frame_equal(
            table[["group", "best_of_group"]], tables[0][["group", "best_of_group"]]
        )


def test_top_keeps_the_best_of_each_group_only(shoot, tmp_path):
    predict(shoot, tmp_path / "all.csv", sort=True)
    table = table_of(tmp_path / "all.csv")
    assert table["mean"].dropna().is_monotonic_decreasing
    best = table[table["best_of_group"] == "yes"]["path"].tolist()
    assert len(best) == 5
    predict(shoot, tmp_path / "top.csv", top=4)
    assert table_of(tmp_path / "top.csv")["path"].tolist() == best[:4]
    done = subprocess.run(
        command(shoot, "--group", "--top", 4, "--quiet"), capture_output=True, check=True
    )
    assert done.stdout == (tmp_path / "top.csv").read_bytes()


def test_one_photo_is_alone_and_equal_photos_are_one_group_with_the_first_as_best(tmp_path, shoot):
    predict(shoot / "coffee.jpg", tmp_path / "one.csv")
    assert table_of(tmp_path / "one.csv")[["group", "best_of_group"]].to_numpy().tolist() == [
        ["", "yes"]
    ]
    (tmp_path / "equal").mkdir()
    for number in range(30):
        os.link(shoot / "coffee.jpg", tmp_path / "equal" / f"{number:02}.jpg")
    predict(tmp_path / "equal", tmp_path / "equal.csv")
    table = table_of(tmp_path / "equal.csv")
    assert table["group"].nunique() == 1
    assert table["best_of_group"].tolist() == ["yes"] + ["no"] * 29


def test_a_burst_without_times_is_a_group_only_as_far_as_its_photos_are_nearly_equal(tmp_path):
    first, second, *_, last = cuts("chelsea", 8)
    for name, cut in (("a", first), ("b", second), ("c", last)):
        save(cut, tmp_path / "photos" / f"{name}.jpg")
    predict(tmp_path / "photos", tmp_path / "scores.csv")
    assert groups_in(tmp_path / "scores.csv") == [{"a.jpg", "b.jpg"}]


def test_cameras_in_different_time_zones_share_a_burst(tmp_path):
    first, *_, last = cuts("chelsea", 4)
    save(first, tmp_path / "photos" / "a.jpg", NOON, "+02:00")
    save(last, tmp_path / "photos" / "b.jpg", NOON - timedelta(hours=6), "-04:00")
    save(last, tmp_path / "other" / "a.jpg", NOON, "+02:00")
    save(first, tmp_path / "other" / "b.jpg", NOON, "-04:00")
    for name, expected in (("photos", [{"a.jpg", "b.jpg"}]), ("other", [])):
        predict(tmp_path / name, tmp_path / f"{name}.csv")
        assert groups_in(tmp_path / f"{name}.csv") == expected


@pytest.mark.parametrize("name", ["scores.csv", "scores.json"])
def test_photos_that_arrive_later_join_the_groups_and_known_ones_are_not_scored_again(
    shoot, tmp_path, name
):
    later = tmp_path / "later"
    later.mkdir()
    for photo in ("cat 2.jpg", "rocket 0.jpg", "rocket 1.jpg"):
        (shoot / photo).rename(later / photo)
    output = tmp_path / name
    predict(shoot, output)
    assert groups_in(output) == [{"cat 0.jpg", "cat 1.jpg", "cat 3.jpg", "small.png"}]
    for photo in later.iterdir():
        photo.rename(shoot / photo.name)
    # Without --group, too: a file with groups keeps them.
    assert predict(shoot, output, resume=True, group=False) == (3, 1, 8)
    assert groups_in(output) == SHOOT_GROUPS
    predict(shoot, tmp_path / "at once.csv")
    at_once = table_of(tmp_path / "at once.csv")
    assert table_of(output)["group"].tolist() == at_once["group"].tolist()


@pytest.mark.parametrize("name", ["scores.csv", "scores.jsonl"])
def test_a_file_without_groups_gets_them_and_one_without_fingerprints_is_scored_again(
    shoot, tmp_path, name
):
    output, at_once = tmp_path / name, tmp_path / f"at once {name}"
    predict(shoot, at_once)
    predict(shoot, output, group=False)
    assert predict(shoot, output, resume=True) == (11, 1, 0)
    assert output.read_bytes() == at_once.read_bytes()
    assert predict(shoot, output, resume=True) == (0, 1, 11)
    assert output.read_bytes() == at_once.read_bytes()
    head, _ = fingerprint_path(output).read_bytes()[:64].rstrip().rsplit(b" ", 1)
    for damage in (
        b"",
        (head + b" 0").ljust(63) + b"\n",
        (head + b" 99999999999999999999").ljust(63) + b"\n",
        b"nima-pretrain fingerprints 1 00000000 1280".ljust(63) + b"\n",
        b"\xff" * 99,
    ):
        fingerprint_path(output).write_bytes(damage)
        assert predict(shoot, output, resume=True) == (11, 1, 0)
        assert output.read_bytes() == at_once.read_bytes()


def test_rows_of_photos_that_are_gone_keep_their_groups(shoot, tmp_path):
    output = tmp_path / "scores.csv"
    predict(shoot, output)
    before = table_of(output).set_index("path")["group"]
    for photo in shoot.glob("cat*"):
        photo.unlink()
    assert predict(shoot, output, resume=True) == (0, 1, 7)
    assert table_of(output).set_index("path")["group"].to_dict() == before.to_dict()


@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_groups(shoot, tmp_path):
    for number in range(150):
        os.link(shoot / "coffee.jpg", shoot / f"many {number:03}.jpg")
    output = tmp_path / "scores.csv"
    arguments = command(shoot, "--group", "--output", output, "--quiet")
    with subprocess.Popen(arguments) as process:
        deadline = time.monotonic() + 120
        while not (output.is_file() and output.read_bytes().count(b"\n") > 20):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert 20 < output.read_bytes().count(b"\n") < 162
    with fingerprint_path(output).open("ab") as file:  # torn within a record
        file.write(b"\0" * 1000)
    scored, _, there_already = predict(shoot, output, resume=True)
    assert there_already >= 15
    assert scored + there_already == 161
    predict(shoot, tmp_path / "at once.csv")
    assert output.read_bytes() == (tmp_path / "at once.csv").read_bytes()


def test_find_groups_returns_what_predict_writes(shoot, tmp_path):
    scorer = nima_pretrain.load_scorer()
    scores = list(scorer.score(find_photos(shoot), fingerprints=True))
    groups = nima_pretrain.find_groups(reversed(scores))
    assert [{path.name for path in group.photos} for group in groups] == SHOOT_GROUPS
    predict(shoot, tmp_path / "scores.csv")
    table = table_of(tmp_path / "scores.csv").set_index("path")
    for group in groups:
        assert set(table.loc[map(str, group.photos), "group"]) == {group.id}
        assert table.loc[str(group.photos[0]), "best_of_group"] == "yes"
        assert table.loc[map(str, group.photos), "mean"].is_monotonic_decreasing
    assert nima_pretrain.find_groups([]) == []
    with pytest.raises(InputError, match=r"that of .*cat 0.jpg has none. Score photos with"):
        nima_pretrain.find_groups(scorer.score(find_photos(shoot)))


def test_scores_have_the_same_bits_with_fingerprints(shoot):
    scorer = nima_pretrain.load_scorer()
    photos = find_photos(shoot)
    plain = list(scorer.score(photos))
    for score, other in zip(plain, scorer.score(photos, fingerprints=True), strict=True):
        assert (score.path, score.mean, score.error) == (other.path, other.mean, other.error)
        assert score.fingerprint is None
        if score.error:
            assert other.fingerprint is None
        else:
            np.testing.assert_array_equal(score.distribution, other.distribution)
            assert np.linalg.norm(other.fingerprint.features.astype(float)) == pytest.approx(
                1, abs=1e-3
            )


def test_both_engines_find_the_same_groups(shoot, tmp_path):
    predict(shoot, tmp_path / "scores.csv", engine="tensorflow")
    assert groups_in(tmp_path / "scores.csv") == SHOOT_GROUPS
