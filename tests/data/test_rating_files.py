"""Ratings files in every format that people have, and what is refused."""

import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.rating_files import check_apart, find_images, load_ratings
from nima_pretrain.data.rating_formats import read_rows
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.check_data import check_data

ROWS = [
    {"image_id": "Beach 1", "label": [1, 2, 3, 2, 0, 0, 2]},
    {"image_id": "2.5 stops", "label": [0, 0, 0, 0.25, 0.5, 0.25, 0]},
    {"image_id": "231893", "label": [10, 0, 0, 0, 0, 0, 0]},
]


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("Beach 1.JPG", "2.5 stops.png", "231893.jpeg", "unrated.jpg"):
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def write(tmp_path, rows):
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(rows))
    return file


def test_counts_and_probabilities_become_distributions(tmp_path, images):
    ratings = load_ratings(write(tmp_path, ROWS), images)
    assert [path.name for path in ratings.paths] == ["Beach 1.JPG", "2.5 stops.png", "231893.jpeg"]
    assert ratings.scale.scores.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(ratings.distributions.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(ratings.mean_scores, [3.6, 5, 1], rtol=1e-6)


def test_an_image_under_two_spellings_is_rated_twice(tmp_path, images):
    file = write(tmp_path, [*ROWS, {"image_id": "beach 1.jpg", "label": [1] * 7}])
    with pytest.raises(InputError, match="Beach 1.JPG more than once, as 'Beach 1' and 'beach 1"):
        load_ratings(file, images)
    found = check_data(file, images)
    twice = found.problems[found.problems["problem"] == "rated more than once"]
    assert twice["detail"].tolist() == ["the image of 'Beach 1', too"]


def test_images_behind_a_link_are_found(tmp_path, images):
    (tmp_path / "other disk").mkdir()
    (images / "231893.jpeg").rename(tmp_path / "other disk" / "231893.jpeg")
    (images / "part 2").symlink_to(tmp_path / "other disk")
    ratings = load_ratings(write(tmp_path, ROWS), images)
    assert ratings.paths[2] == images / "part 2" / "231893.jpeg"


def test_a_photo_is_in_one_part_alone(tmp_path, images):
    ratings = load_ratings(write(tmp_path, ROWS), images)
    check_apart({"training": ratings.rows([0, 1]), "validation": ratings.rows([2])})
    with pytest.raises(InputError, match="'231893' is in the lists of training and test"):
        check_apart({"training": ratings, "test": ratings.rows([2])})


def test_categories_stay_with_their_photos(tmp_path, images):
    rows = [{**ROWS[0], "category": "sea"}, {**ROWS[1]}, {**ROWS[2], "theme": "city"}]
    ratings = load_ratings(write(tmp_path, rows), images)
    assert ratings.categories == ("sea", "", "city")
    assert ratings.called(["231893"]).categories == ("city",)
    assert load_ratings(write(tmp_path, ROWS), images).categories == ()
    csv = tmp_path / "ratings.csv"
    csv.write_text("path,p1,p2,Theme\n231893,1,3, city\nBeach 1,0,0,sea\n2.5 stops,1,1,\n")
    assert read_rows(csv).categories == ["city", ""]
    csv.write_text("path,mean,category\n231893,2.5,city\n2.5 stops,3,studio\n")
    means = load_ratings(csv, images, ScoreScale(5))
    assert (means.ids, means.categories) == (("231893", "2.5 stops"), ("city", "studio"))


@pytest.mark.shared
def test_real_ratings_are_read(shared):
    folder = shared / "data" / "oasis-beauty"
    ratings = load_ratings(folder / "labels.json", folder / "images")
    assert len(ratings) == 424
    assert ratings.distributions.shape == (424, 7)
    assert 1 < ratings.mean_scores.min() < ratings.mean_scores.max() < 7


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "Expected a list of ratings"),
        ({"image_id": "231893"}, "Expected a list of ratings"),
        ([{"image_id": "231893"}], "received .* as entry 1"),
        ([{"image_id": "231893", "label": [0, 0]}], "at least one vote"),
        ([{"image_id": "231893", "label": [3, -1]}], "none negative"),
        ([{"image_id": "231893", "label": ["many", 1]}], "expected numbers"),
        ([{"image_id": "231893", "label": 5}], "expected a label of 2 numbers"),
        ([*ROWS, {"image_id": "unrated", "label": [1, 2]}], "expected a label of 7 numbers"),
        ([*ROWS, ROWS[0]], "1 images more than once, e.g. 'Beach 1'"),
        ([*ROWS, {**ROWS[0], "image_id": "gone"}], "1 of 4 images .* e.g. 'gone'"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused(tmp_path, images, rows, message):
    with pytest.raises(InputError, match=message):
        load_ratings(write(tmp_path, rows), images)


def test_files_that_cannot_be_read_are_refused(tmp_path, images):
    with pytest.raises(InputError, match="Cannot read the ratings file .*: No such file"):
        load_ratings(tmp_path / "none.json", images)
    (tmp_path / "text.json").write_text("[1, 2")
    with pytest.raises(InputError, match="is not JSON"):
        load_ratings(tmp_path / "text.json", images)
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_ratings(write(tmp_path, ROWS), tmp_path / "nowhere")


def test_an_id_that_fits_two_files_is_refused(tmp_path, images):
    Image.new("RGB", (8, 8)).save(images / "231893.png")
    with pytest.raises(InputError, match=r"'231893' .* several files .*231893.jpeg, 231893.png"):
        load_ratings(write(tmp_path, ROWS), images)


AVA = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n2 953958 10 7 15 26 26 21 10 8 1 2 1 21 1396\n"


def read(tmp_path, text, scale=None, name="ratings.txt"):
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_rows(file, scale)


@pytest.mark.shared
def test_ava_is_read_and_its_missing_images_are_reported(shared, caplog):
    folder = shared / "data" / "ava-sample"
    rows = read_rows(folder / "AVA.txt")
    assert (len(rows.ids), rows.scale) == (11, ScoreScale(10))
    np.testing.assert_allclose(
        rows.distributions[0], np.array([0, 1, 5, 17, 38, 36, 15, 6, 5, 1]) / 124
    )
    with caplog.at_level("WARNING"):
        ratings = load_ratings(folder / "AVA.txt", folder / "images")
    assert set(ratings.names) == {"953619", "953958", "954184", "954113"}
    assert "7 of 11 images that" in caplog.text
    assert ratings.mean_scores[ratings.names.index("953619")] == pytest.approx(5.637097, abs=1e-6)


@pytest.mark.shared
def test_tid2013_is_read_and_its_files_are_found_in_either_case(shared):
    folder = shared / "data" / "tid2013"
    rows = read_rows(folder / "mos_with_names.txt")
    assert (len(rows.ids), str(rows.scale)) == (3000, "10 bins from 0 to 9")
    assert not rows.of_votes
    given = np.loadtxt(folder / "mos_with_names.txt", usecols=0)
    np.testing.assert_allclose(rows.distributions @ rows.scale.scores, given, atol=1e-9)
    found = find_images(["i01_01_1.BMP", "I01_01_2.bmp"], folder)
    assert found == [folder / "I01_01_1.bmp", None]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_of_any_system_are_read(tmp_path, end, mark):
    csv = "path,p1,p2,split\na.jpg,1,3,train\n\nb.jpg,0.5,0.5,val\n"
    rows = read(tmp_path, (mark + csv).replace("\n", end))
    assert rows.ids == ["a.jpg", "b.jpg"]
    assert rows.parts == ["training", "validation"]
    np.testing.assert_array_equal(rows.distributions, [[0.25, 0.75], [0.5, 0.5]])
    ava = read(tmp_path, (mark + AVA).replace("\n", end))
    assert ava.ids == ["953619", "953958"]


def test_means_and_spreads_in_csv_become_distributions_on_their_scale(tmp_path):
    scale = ScoreScale(5, 1, 5)
    rows = read(tmp_path, "name;MOS;std\nx;4.5;0.5\ny;3;1.5\n", scale)
    assert rows.scale == scale
    assert not rows.of_votes
    np.testing.assert_allclose(rows.distributions @ scale.scores, [4.5, 3], atol=1e-9)
    np.testing.assert_allclose(rows.distributions[0], [0, 0, 0, 0.5, 0.5], atol=1e-6)
    with pytest.raises(InputError, match="do not say what scores .* --scale LOW:HIGH"):
        read(tmp_path, "path,mean\nx,4.5\n")


def test_what_predict_writes_can_be_read(tmp_path):
    rows = read(tmp_path, "path,mean,std,p1,p2,status,error\nx.jpg,1.5,0.5,0.5,0.5,ok,\n")
    np.testing.assert_array_equal(rows.distributions, [[0.5, 0.5]])
    assert rows.of_votes


HOSTILE = {
    "missing path": ("file name,mean\nx,4\n", "Expected the columns path and mean, or path and p1"),
    "missing bin": ("path,p1,p3\nx,1,1\n", r"Expected the columns p1, p2, .. pn"),
    "doubled column": ("path,p1,p1\nx,1,1\n", "Cannot read|Expected each column once|p1, p2"),
    "header alone": ("path,p1,p2\n", "at least one rating .* received none"),
    "nothing": ("", "Expected ratings in .* as AVA.txt"),
    "prose": ("Some words about photos", "it starts with 'Some words about photos'"),
    "a NUL character": ("path,mean\na,3.86\x00486\n", "has NUL characters"),
    "a column twice": ("path,mean,mean\na,3,4\n", "Expected each column once"),
    "empty cells": (";\n", "a header and rows in .* received empty cells alone"),
    "open quotes": ('path,p1,p2\n"a,1,2\n', "Cannot read .* as CSV: line 2"),
    "NaN in JSON": ('[{"image_id": "a", "label": [1, NaN]}]', "NaN is no number"),
    "a name twice": (
        '[{"image_id": "a", "label": [1, 2], "label": [2, 1]}]',
        "'label' stands twice",
    ),
    "a long header": ("name," + "x" * 5000 + "\n1,2\n", "received 'name, x{110,115} \\.\\.\\.\\.$"),
    "deep JSON": ("[" * 100_000, "is nested too deeply"),
    "binary": (b"\x89PNG\r\n\xff\xfe", "is not text in UTF-8"),
}


@pytest.mark.parametrize("text, message", HOSTILE.values(), ids=HOSTILE)
def test_files_that_are_no_ratings_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


WRONG_ROWS = {
    "negative votes": ("path,p1,p2\na,1,1\nb,3,-1\n", "line 3", "none negative"),
    "no votes": ("path,p1,p2\na,1,1\n\nb,0,0\n", "line 4", "at least one vote"),
    "NaN": ("path,p1,p2\na,1,NaN\nb,1,1\n", "line 2", "received 'a 1 NaN'"),
    "infinite": ("path,p1,p2\na,1,inf\nb,1,1\n", "line 2", "expected counts"),
    "a word": ("path,p1,p2\na,1,many\nb,1,1\n", "line 2", "expected counts"),
    "no path": ("path,p1,p2\n,1,1\nb,1,1\n", "line 2", "expected a path"),
    "an unknown part": ("path,p1,p2,split\na,1,1,dev\nb,1,1,test\n", "line 2", "split train"),
    "short AVA": (AVA + "3 954184 0 0 4\n", "line 3", "expected 15 cells"),
    "long AVA": (AVA + "3 954184" + " 1" * 20 + "\n", "line 3", "expected 15 cells"),
    "decimal commas": (
        "path,p1,p2,p3\na,1,2,3\nb.jpg,0,5,0,25,0,25\n",
        "line 3",
        "expected 4 cells",
    ),
    "a missing cell": ("path,p1,p2\na,1,2\nb,1\n", "line 3", "expected 3 cells"),
    "a wrapping exponent": ("5 i01_01_1.bmp\n3e4294967296 i01_01_2.bmp\n", "line 2", "can have"),
    "a crashing exponent": ("5 i01_01_1.bmp\n1e2147483648 i01_01_2.bmp\n", "line 2", "can have"),
    "digits of other scripts": ("path,p1,p2\na,1,2\nb,\u0663,1\n", "line 3", "none negative"),
    "a vote of 2 to the 2000": (
        f'[{{"image_id": "a", "label": [1, 2]}},\n{{"image_id": "b", "label": [1, {2**2000}]}}]',
        "entry 2",
        "none negative",
    ),
    "votes without a sum": (
        '[{"image_id": "a", "label": [1, 2, 3]},\n{"image_id": "b", "label": [1e308, 1e308, 0]}]',
        "entry 2",
        "none negative",
    ),
    "a split in JSON that is none": (
        '[{"image_id": "a", "label": [1, 2], "part": "test"},\n'
        '{"image_id": "b", "label": [1, 2], "part": "x"}]',
        "entry 2",
        "expected the split train",
    ),
    "an entry of JSON without the split of others": (
        '[{"image_id": "a", "label": [1, 2], "part": "test"},\n'
        '{"image_id": "b", "label": [1, 2], "prat": "test"}]',
        "entry 2",
        "expected the split train",
    ),
    "an image_id that is no name": (
        '[{"image_id": "a", "label": [1, 2]},\n{"image_id": null, "label": [1, 2]}]',
        "entry 2",
        "expected an image_id and a category of text",
    ),
    "an id in AVA that is no number of an image": (
        AVA.replace("953958", "-53958"),
        "line 2",
        "whole numbers",
    ),
    "a fraction of a vote in AVA": (
        AVA.replace("26 21 10", "2.6 21 10"),
        "line 2",
        "whole numbers",
    ),
}


@pytest.mark.parametrize("text, line, message", WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_entries_that_cannot_be_used_are_named_with_their_line(
    tmp_path, images, text, line, message
):
    rows = read(tmp_path, text)
    (problem,) = rows.problems
    assert problem.place == line
    assert re.search(message, problem.reason), problem.reason
    assert len(rows.ids) == text.strip().replace("\n\n", "\n").count("\n") - ("path" in text)
    with pytest.raises(InputError, match=f"{line}: .*{message}"):
        load_ratings(tmp_path / "ratings.txt", images)


def test_infeasible_spreads_are_refused_with_their_line(tmp_path):
    csv = "path,mean,std\na,3,1\nb,3,2.5\nc,3.5,0.1\n"
    problems = read(tmp_path, csv, ScoreScale(5, 1, 5)).problems
    assert [problem.place for problem in problems] == ["line 3", "line 4"]
    assert "scores from 1 to 5 can have" in problems[0].reason


def test_numbers_of_any_size_are_refused_without_a_warning(tmp_path):
    problems = read(
        tmp_path, f"path,mean,std\na,3,{'9' * 300}\nb,{'9' * 300},1\n", ScoreScale(5)
    ).problems
    assert [problem.place for problem in problems] == ["line 2", "line 3"]


def test_a_scale_that_contradicts_the_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"10 bins from 1 to 10, but .* 5 bins from 1 to 5"):
        read(tmp_path, AVA, ScoreScale(5))


def test_300_000_rows_take_seconds(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 60, (300_000, 13))
    lines = [f"{i} {i + 1000} " + " ".join(map(str, row)) for i, row in enumerate(counts.tolist())]
    start = time.perf_counter()
    rows = read(tmp_path, "\n".join(lines))
    means = rng.uniform(1, 9.9, 300_000)
    lines = [f"{mean} {i}.bmp" for i, mean in enumerate(means / 1.1)]
    of_means = read(tmp_path, "\n".join(lines))
    # Some three seconds each on a slow core; far from the minutes that a loop in Python takes.
    assert time.perf_counter() - start < 60
    assert len(rows.ids) == len(of_means.ids) == 300_000
    np.testing.assert_allclose(
        rows.distributions[7], counts[7, :10] / counts[7, :10].sum(), rtol=1e-12
    )
    np.testing.assert_allclose(of_means.distributions @ of_means.scale.scores, means / 1.1)


def test_images_are_found_in_folders_and_by_name_alone(tmp_path):
    for name in ("a/1.jpg", "b/1.png", "b/Two.JPG", "c.d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_images(["a/1", "b\\1.png", "two", "c.d", "./b/two.jpg", "c.d.png"], tmp_path)
    names = [path and path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a/1.jpg", "b/1.png", "b/Two.JPG", "c.d.webp", "b/Two.JPG", None]
    (reason,) = find_images(["1"], tmp_path)
    assert "fits several files" in reason


def test_a_name_with_its_extension_is_that_file_before_any_stem(tmp_path):
    for name in ("x.jpg", "x.jpg.png", "y.jpg.png", "a/z.jpg", "a/z.jpg.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(["x.jpg", "y.jpg", "z.jpg", "x.jpg.png"], tmp_path)
    assert found == [tmp_path / n for n in ("x.jpg", "y.jpg.png", "a/z.jpg", "x.jpg.png")]


def test_the_split_of_json_counts(tmp_path):
    rows = [
        {"image_id": name, "label": [1, 2], "split": part}
        for name, part in (("a", "train"), ("b", "test"), ("c", "val"))
    ]
    (tmp_path / "ratings.json").write_text(json.dumps(rows))
    assert read_rows(tmp_path / "ratings.json").parts == ["training", "test", "validation"]


def test_messages_quote_a_little_of_a_long_line(tmp_path):
    (tmp_path / "ratings.csv").write_text("path,p1,p2\na,1,2\nb," + "x" * 5000 + ",1\n")
    (problem,) = read_rows(tmp_path / "ratings.csv").problems
    assert len(problem.reason) < 300
