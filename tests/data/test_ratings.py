"""The table of ratings, and the parts that are taken of it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nima_pretrain.data.ratings import (
    Ratings,
    ScoreScale,
    described_scale,
    listed,
    parse_scale,
)
from nima_pretrain.errors import InputError


@pytest.fixture
def ratings():
    distributions = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    paths = tuple(Path(f"images/{number}.jpg") for number in range(40))
    parts = tuple(("training", "validation", "test", "training")[n % 4] for n in range(40))
    return Ratings(paths, distributions, ScoreScale(5), parts=parts)


def test_thresholds_are_those_of_the_field():
    assert ScoreScale(10).threshold == 5
    assert ScoreScale(7).threshold == 4
    assert ScoreScale(10, 0, 9).threshold == 4.5


def test_scales_are_read_as_people_write_them():
    assert parse_scale("1:5") == ScoreScale(5, 1, 5)
    assert parse_scale("0:9").is_same(ScoreScale(10, 0))
    assert parse_scale("0:100") == ScoreScale(10, 0, 100)
    assert parse_scale("0:100:11").scores.tolist() == list(range(0, 101, 10))
    assert parse_scale("0:1").bins == 10


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (ScoreScale(7), "7 bins from 1 to 7"),
        (ScoreScale(5, 0, 1), "5 bins from 0 to 1"),
        (ScoreScale(11, -0.1, 1234567.25), "11 bins from -0.1 to 1234567.25"),
    ],
)
def test_results_describe_a_scale_without_rounding_it(scale, text):
    assert str(scale) == text
    assert described_scale(text).is_same(scale)


@pytest.mark.parametrize("text", ["5", "5:1", "1:5:1", "a:b", "1:5:2:3", "1:inf", "nan:5", "1:5:x"])
def test_texts_that_are_no_scale_are_refused(text):
    with pytest.raises(InputError, match="Expected a scale as LOW:HIGH"):
        parse_scale(text)


def test_splitting_holds_out_a_fraction_and_loses_nobody(ratings):
    kept, held_out = ratings.split(0.25, seed=0)
    assert (len(kept), len(held_out)) == (30, 10)
    assert {*kept.paths, *held_out.paths} == set(ratings.paths)
    row = ratings.paths.index(held_out.paths[0])
    np.testing.assert_array_equal(held_out.distributions[0], ratings.distributions[row])


def test_photos_of_one_name_in_two_folders_are_split_apart():
    paths = tuple(Path(f"{folder}/1.jpg") for folder in "abcd")
    ratings = Ratings(paths, np.full((4, 5), 0.2), ScoreScale(5), ids=("a/1", "b/1", "c/1", "d/1"))
    kept, held_out = ratings.split(0.5, seed=0)
    assert {*kept.paths, *held_out.paths} == set(paths)
    with pytest.raises(InputError, match=r"4 are called '1\.jpg'. Give them different ids"):
        Ratings(paths, np.full((4, 5), 0.2), ScoreScale(5))


def test_shares_are_nested_and_the_same_for_the_same_seed(ratings):
    shares = [ratings.share(share, seed=3) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]
    assert [len(share) for share in shares] == [8, 16, 24, 32, 40]
    for smaller, larger in pairwise(shares):
        assert set(smaller.paths) < set(larger.paths)
    assert ratings.share(0.2, seed=3).paths == shares[0].paths
    assert ratings.share(0.2, seed=4).paths != shares[0].paths
    assert len(ratings.share(0.001, seed=0)) == 1


def test_parts_are_those_of_the_file(ratings):
    sizes = [len(ratings.part(part)) for part in ("training", "validation", "test")]
    assert sizes == [20, 10, 10]
    assert ratings.part("test").paths == ratings.paths[2::4]


def test_lists_name_photos_with_or_without_extension(ratings):
    names = ["3", "17.jpg", "999"]
    chosen = listed(ratings, names, Path("list.txt"))
    assert [path.name for path in chosen.paths] == ["3.jpg", "17.jpg"]
    with pytest.raises(InputError, match=r"None of the 1 photos that list.txt lists is rated"):
        listed(ratings, ["x"], Path("list.txt"))


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [
        (["a/1.jpg"], ["a/1.jpg"]),
        (["b/1"], ["b/1.jpg"]),
        (["./a\\1.jpg"], ["a/1.jpg"]),
        (["images/7.jpg"], ["7"]),
        (["1.5"], ["1.5"]),
        (["7.JPG"], ["7"]),
        (["1.png", "7"], ["7"]),
    ],
)
def test_a_listed_photo_is_no_other_of_a_similar_name(lines, chosen):
    names = ("a/1.jpg", "b/1.jpg", "1.5", "1.6", "7")
    paths = tuple(Path(f"{number}.jpg") for number in range(5))
    ratings = Ratings(paths, np.eye(5), ScoreScale(5), names)
    assert list(listed(ratings, lines, Path("list.txt")).names) == chosen


def test_the_digest_depends_on_content_alone(ratings):
    backwards = ratings.rows(range(39, -1, -1))
    assert backwards.digest == ratings.digest
    assert ratings.rows(range(39)).digest != ratings.digest
    other = ratings.distributions.copy()
    other[0] = other[0][::-1]
    assert Ratings(ratings.paths, other, ratings.scale).digest != ratings.digest
