"""The check of data before training."""

import json

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.check_data import check_data


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    # The same pixels in another file, with other bytes.
    Image.open(folder / "0.png").save(folder / "copy.png", compress_level=0)
    (folder / "broken.jpg").write_bytes(b"broken")
    return folder


def write(tmp_path, name, ids, labels=None):
    rows = [{"image_id": x, "label": [1, 2, 3, 4, 5]} for x in ids]
    for row, label in zip(rows, labels or [], strict=False):
        row["label"] = label
    (tmp_path / name).write_text(json.dumps(rows))
    return tmp_path / name


def of(check, problem):
    rows = check.problems[check.problems["problem"] == problem]
    return rows["image_id"].tolist()


def test_ratings_of_which_none_is_usable_are_counted_without_a_baseline(tmp_path, images):
    (tmp_path / "means.csv").write_text("path,mean\n0,9\n1,8\n")
    check = check_data(tmp_path / "means.csv", images, scale="1:5")
    assert of(check, "unusable entry") == ["0", "1"]
    assert check.histogram["photos"].sum() == 0
    assert np.isnan(check.constant).all()


def test_every_kind_of_problem_is_found(tmp_path, images):
    training = write(
        tmp_path,
        "train.json",
        ["0", "1", "copy", "broken", "gone", "2", "2", "3"],
        [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0], *[[0, 1, 0, 0, 0]] * 5, [0, 0, 0, 0, 0]],
    )
    test = write(tmp_path, "test.json", ["1", "4"])
    check = check_data(training, images, test_ratings=test)
    assert of(check, "unusable entry") == ["3"]
    assert of(check, "rated more than once") == ["2"]
    assert of(check, "missing image") == ["gone"]
    assert of(check, "unreadable image") == ["broken"]
    assert of(check, "same pixels") == ["0"]
    assert of(check, "in several parts") == ["1"]
    assert len(check.problems) == 6
    counts = check.counts.set_index("part")
    assert counts.loc["training"].tolist() == [8, 7, 5]
    assert counts.loc["test"].tolist() == [2, 2, 2]
    assert check.histogram["photos"].sum() == 9
    means = np.array([5, 1, 2, 2, 2, 2, 2, 55 / 15, 55 / 15])
    assert check.constant.mae == pytest.approx(np.abs(means - means.mean()).mean())
    assert check.constant.balanced_accuracy == 0.5


def test_copies_across_the_parts_of_one_file_are_found(tmp_path, images):
    file = tmp_path / "ratings.csv"
    file.write_text("path,mean,split\n0,3,train\ncopy,3,test\n4,2,test\n")
    check = check_data(file, images, scale=ScoreScale(5))
    assert of(check, "same pixels") == ["0"]
    assert of(check, "in several parts") == ["0"]
    assert check.problems.iloc[1]["detail"] == "test, training"
    assert not check.of_votes


def test_good_data_have_no_problems_and_other_scales_are_refused(tmp_path, images):
    good = write(tmp_path, "good.json", ["1", "2", "3"])
    assert check_data(good, images).problems.empty
    other = tmp_path / "other.csv"
    other.write_text("path,p1,p2\n4,1,1\n")
    twice = check_data(good, images, test_ratings=good)
    assert twice.counts["images"].tolist() == [3, 3]
    with pytest.raises(InputError, match="Expected 5 bins from 1 to 5 in .* received 2 bins"):
        check_data(good, images, test_ratings=other)
