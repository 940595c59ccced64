"""Stars from scores: thresholds, ranks, the score files of predict, and what cannot be rated."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import nima_pretrain
from nima_pretrain.errors import InputError
from nima_pretrain.library.naming import Naming
from nima_pretrain.library.sidecars import set_stars, stars_of
from nima_pretrain.library.star_rules import StarRules, rules_of
from nima_pretrain.library.stars import give_stars
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.formats import format_of
from nima_pretrain.prediction.score_row import ScoreRow, shown
from tests.prediction.hostile import NAMES


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder for photos, below the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    return Path("photos")


def write_photo(path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    return path


def row_of(photo: Path, percentile: float | None = 50.0, mean: float = 5.0) -> ScoreRow:
    return ScoreRow(shown(photo), mean, 1.0, percentile, (0.5, 0.5))


@pytest.mark.parametrize(
    "percentile, stars",
    [
        (0, 1),
        (4.99, 1),
        (5, 1),
        (19.99, 1),
        (20, 2),
        (50, 3),
        (79.9, 3),
        (80, 4),
        (95, 5),
        (100, 5),
    ],
)
def test_a_photo_has_a_star_for_each_threshold_that_it_reaches_and_at_least_one(percentile, stars):
    assert StarRules().stars(percentile) == stars
    assert rules_of("5,20,50,80,95") == StarRules()


def test_photos_below_the_first_threshold_are_rejected_on_request():
    rules = rules_of("10, 20.5, 30, 40, 100", reject=True)
    assert [rules.stars(p) for p in (0, 9.9, 10, 20.5, 99, 100)] == [-1, -1, 1, 2, 4, 5]


def test_equal_thresholds_leave_out_the_stars_below():
    rules = rules_of("0,0,0,0,75")
    assert [rules.stars(p) for p in (0, 74.9, 75, 100)] == [4, 4, 5, 5]


@pytest.mark.parametrize(
    "stars",
    [
        *("", "5,20,50,80", "1,2,3,4,5,6", "95,80,50,20,5", "-1,2,3,4,5"),
        *("5,20,50,80,101", "a,b,c,d,e", "5,20,nan,80,95", "5;20;50;80;95", "1,2,3,4,inf"),
    ],
)
def test_other_thresholds_are_refused(stars):
    with pytest.raises(
        InputError, match="five numbers from 0 to 100 that do not fall, such as 5,20"
    ):
        rules_of(stars)


def test_an_unknown_sidecar_is_refused():
    with pytest.raises(InputError, match="one of full, stem, both, received 'xmp'"):
        rules_of(sidecar="xmp")


def test_ranks_are_among_the_scored_photos(folder):
    photos = [write_photo(folder / f"{number:02}.jpg") for number in range(20)]
    # All are good photos by the training ratings; two have the same score.
    rows = [row_of(photo, 97.0, 6 + number / 100) for number, photo in enumerate(photos)]
    rows[1] = rows[0].__class__(**{**rows[1].__dict__, "mean": rows[0].mean})
    rows.append(ScoreRow("photos/bad.jpg", status="error", error="truncated"))
    counts = give_stars(rows, StarRules(rank=True))
    # Percentiles are 5, 5, 12.5, 17.5, .. 97.5.
    assert counts.written == Counter({1: 4, 2: 6, 3: 6, 4: 3, 5: 1})
    assert (counts.unscored, counts.problems) == (1, ())
    assert stars_of(photos[-1]).stars == 5
    assert give_stars(rows, StarRules()).written == Counter({5: 19})


def test_one_photo_alone_ranks_in_the_middle(folder):
    photo = write_photo(folder / "a.jpg")
    assert give_stars([row_of(photo, None)], StarRules(rank=True)).written == Counter({3: 1})


def test_scores_without_percentiles_need_ranks(folder):
    rows = [row_of(write_photo(folder / "a.jpg"), None)]
    with pytest.raises(InputError, match="Expected percentiles .* Rank the photos with --rank"):
        give_stars(rows, StarRules())
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_score_files_of_every_format_are_read(folder, suffix):
    photos = [write_photo(folder / name) for name in NAMES]
    output = Path(f"scores.{suffix}")
    with ScoreFile(output, format_of(None, output, 2)) as file:
        for number, photo in enumerate(photos):
            file.append(row_of(photo, 100 * number / len(photos)))
        file.append(ScoreRow("photos/bad.jpg", status="error", error="truncated"))
    counts = nima_pretrain.stars(output)
    assert counts.problems == ()
    assert counts.unscored == 1
    assert counts.written.total() == len(photos)
    for number, photo in enumerate(photos):
        assert stars_of(photo).stars == StarRules().stars(100 * number / len(photos))


def test_a_person_a_bad_sidecar_and_a_vanished_photo_are_counted(folder):
    rated, bad, good = (write_photo(folder / f"{name}.jpg") for name in ("rated", "bad", "good"))
    set_stars(rated, 2, by_person=True)
    Path(f"{bad}.xmp").write_text("no XMP")
    rows = [row_of(photo) for photo in (rated, bad, folder / "gone.jpg", good)]
    counts = give_stars(rows, StarRules())
    assert (counts.written, counts.kept, counts.unchanged) == (Counter({3: 1}), 1, 0)
    first, second = counts.problems
    assert "bad.jpg.xmp is no XMP" in first
    assert "Cannot give stars to photos/gone.jpg: No such file" in second
    assert give_stars(rows, StarRules()).unchanged == 1
    assert give_stars(rows, StarRules(overwrite=True)).written == Counter({3: 1})
    assert stars_of(rated).stars == 3


@pytest.mark.parametrize("naming", [Naming.STEM, Naming.BOTH])
def test_two_photos_that_share_a_sidecar_do_not_take_turns(folder, naming):
    first, second = write_photo(folder / "a.jpg"), write_photo(folder / "a.png")
    rows = [row_of(first, 99), row_of(second, 1)]
    for outcome in ("written", "unchanged"):
        counts = give_stars(rows, StarRules(sidecar=naming))
        written = counts.written.total() if outcome == "written" else counts.unchanged
        assert written == 1
        assert counts.problems == (
            "photos/a.png gets no stars: photos/a.xmp has those of photos/a.jpg. Choose --sidecar "
            "full.",
        )
        assert stars_of(first).stars == 5
    assert give_stars(rows, StarRules()).problems == ()


def test_photos_in_places_that_no_file_can_be_at_leave_the_others_their_stars(folder):
    photo = write_photo(folder / "a.jpg")
    odd = [f"{'x' * 300}/a.jpg", f"{'x' * 300}.jpg", "a\0/a.jpg", f"photos/{'x' * 250}.jpg"]
    write_photo(Path(odd[3]))  # whose sidecar would have a name that is too long
    rows = "".join(f"{path},5,50,ok,\n" for path in [*odd[:2], odd[3], photo])
    Path("scores.csv").write_text(f"{HEAD}{rows}")
    counts = nima_pretrain.stars("scores.csv")
    assert (counts.written, len(counts.problems)) == (Counter({3: 1}), 3)
    rows = [ScoreRow(path, mean=5.0, percentile=50.0) for path in [*odd, str(photo)]]
    counts = give_stars(rows, StarRules())
    assert (counts.unchanged, len(counts.problems)) == (1, 4)
    assert "File name too long" in counts.problems[3]


WITHOUT_PERMISSION = """
import codecs
import os
from pathlib import Path
from nima_pretrain.library.sidecars import stars_of
from nima_pretrain.library.stars import stars
from nima_pretrain.library.undo import undo_stars

stars_of(Path("b.jpg"))  # Pillow imports its formats on first use, Python its encodings.
codecs.lookup("utf-8-sig")
if os.geteuid() == 0:  # who may look anywhere
    os.seteuid(65534)
counts = stars("scores.csv")
print(counts.written.total(), *counts.problems)
print(undo_stars("scores.csv"))
"""


def test_photos_in_a_folder_that_may_not_be_searched_leave_the_others_their_stars(monkeypatch):
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.chdir(name)
        Path(name).chmod(0o777)
        Path("closed").mkdir()
        write_photo(Path("closed/a.jpg"))
        write_photo(Path("b.jpg")).chmod(0o644)
        Path("scores.csv").write_text(f"{HEAD}closed/a.jpg,5,50,ok,\nb.jpg,5,50,ok,\n")
        Path("closed").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PERMISSION], capture_output=True, text=True, check=False
        )
        Path("closed").chmod(0o700)
    assert done.stdout.splitlines() == [
        "1 Cannot give stars to closed/a.jpg: Permission denied.",
        "Undone(restored=0, removed=1, problems=())",
    ], done.stderr


def test_the_remains_of_a_killed_process_are_removed(folder):
    photo = write_photo(folder / "a.jpg")
    orphan = folder / f".nima-pretrain-stars.partial-{2**22 + 1}.xmp"
    orphan.touch()
    own = folder / f".nima-pretrain-stars.partial-{os.getpid()}.xmp"
    own.touch()
    give_stars([row_of(photo)], StarRules())
    assert not orphan.exists()


HEAD = "path,mean,percentile,status,error\n"


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("scores.txt", HEAD, "ends in .csv, .json or .jsonl, received scores.txt"),
        ("scores.csv", "name,score\na.jpg,5\n", "its first line has no path"),
        ("scores.csv", "name,score\n", "its first line has no path"),
        ("scores.csv", "", "its first line has no path"),
        ("scores.csv", HEAD + "a.jpg,5\n", "row 1 has not as many cells"),
        ("scores.csv", HEAD + "a.jpg,5,fifty,ok,\n", "percentile of row 1 is 'fifty', not a num"),
        ("scores.csv", HEAD + "a.jpg,5,nan,ok,\n", "percentile of row 1 is 'nan'"),
        ("scores.csv", HEAD + '"a.jpg', "unexpected end of data"),
        ("scores.json", '{"a": 1}', "it is JSON, but no list"),
        ("scores.json", '[{"path": "a.jpg"}]', "row 1 has no mean"),
        ("scores.json", "[3]", "row 1 is no object"),
        ("scores.json", '[{"path": ["a"], "mean": 1}]', "row 1 has no path"),
        ("scores.json", "[", "is not JSON"),
        ("scores.jsonl", "{}\n{", "row 1 has no path|is not JSON"),
        (
            "scores.json",
            '[{"image_id": "a", "mean_score_prediction": 5.0}]',
            "idealo keeps too lit",
        ),
        (
            "huge.jsonl",
            '{"path": "a", "mean": 1%s, "percentile": 5, "status": "ok", "error": ""}'
            % ("0" * 400),
            "mean of row 1 is 10+, not a number",
        ),
        ("gone.csv", None, "Cannot read the score file gone.csv: No such file"),
        ("scores.csv", HEAD + "a.jpg,5,50,ok,\nb.jpg,5,50,ok,\n", "None of the 2 photos in scores"),
    ],
)
def test_other_files_are_refused(folder, name, content, reason):
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(InputError, match=reason):
        nima_pretrain.stars(name)


def test_an_empty_score_file_is_no_error(folder):
    Path("scores.csv").write_text(HEAD)
    assert nima_pretrain.stars("scores.csv") == (Counter(), 0, 0, 0, ())
