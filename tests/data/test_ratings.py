"""idealo's JSON, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.ratings import ScoreScale, load_ratings
from nima_pretrain.errors import InputError

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
    (tmp_path / "text.json").write_text("one, two")
    with pytest.raises(InputError, match="is not JSON"):
        load_ratings(tmp_path / "text.json", images)
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_ratings(write(tmp_path, ROWS), tmp_path / "nowhere")


def test_an_id_that_fits_two_files_is_refused(tmp_path, images):
    Image.new("RGB", (8, 8)).save(images / "231893.png")
    with pytest.raises(InputError, match=r"'231893' .* several files .*231893.jpeg, 231893.png"):
        load_ratings(write(tmp_path, ROWS), images)


def test_thresholds_are_those_of_the_field():
    assert ScoreScale(10).threshold == 5
    assert ScoreScale(7).threshold == 4
    assert ScoreScale(10, 0, 9).threshold == 4.5


def test_splitting_holds_out_a_fraction_and_loses_nobody(tmp_path, images):
    ratings = load_ratings(write(tmp_path, ROWS), images)
    kept, held_out = ratings.split(0.34, seed=0)
    assert (len(kept), len(held_out)) == (2, 1)
    assert {*kept.paths, *held_out.paths} == set(ratings.paths)
    (row,) = (row for row, path in enumerate(ratings.paths) if path == held_out.paths[0])
    np.testing.assert_array_equal(held_out.distributions[0], ratings.distributions[row])
