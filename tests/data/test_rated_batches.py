"""Batches of rated photos."""

from itertools import islice

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.data.rated_batches import RatedBatches
from nima_pretrain.data.ratings import Ratings, ScoreScale


@pytest.fixture
def ratings(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
        paths.append(path)
    distributions = np.eye(5, dtype=np.float32)
    return Ratings(tuple(paths), distributions, ScoreScale(5))


def epochs(ratings, count, **options):
    settings = {"size": 32, "fit": "squash", "batch_size": 2, "seed": 1} | options
    batches = RatedBatches(ratings.paths, ratings.distributions, **settings)
    taken = list(islice(batches, count * batches.batches_per_epoch))
    assert [len(images) for images, _ in taken[:3]] == [2, 2, 1]
    return [
        tuple(np.concatenate(part) for part in zip(*taken[i : i + 3], strict=True))
        for i in range(0, len(taken), 3)
    ]


def test_validation_batches_are_the_photos_in_order(ratings):
    for images, distributions in epochs(ratings, 2, vary=False):
        expected = [np.asarray(Image.open(path)) for path in ratings.paths]
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(distributions, ratings.distributions)


def test_photos_stay_with_their_ratings_and_only_flips_change_them(ratings):
    flips = []
    for images, distributions in epochs(ratings, 8):
        assert sorted(distributions.argmax(axis=1)) == [0, 1, 2, 3, 4]
        for image, row in zip(images, distributions.argmax(axis=1), strict=True):
            original = np.asarray(Image.open(ratings.paths[row]))
            flips.append((image != original).any())
            assert (image == original).all() or (image == original[:, ::-1]).all()
    assert 8 < sum(flips) < 32


def test_order_repeats_with_the_seed_and_changes_with_the_epoch(ratings):
    first, second = epochs(ratings, 2)
    again, _ = epochs(ratings, 2)
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[1] != second[1]).any()


def test_without_flips_no_photo_is_mirrored(ratings):
    originals = {np.asarray(Image.open(path)).tobytes() for path in ratings.paths}
    for images, _ in epochs(ratings, 3, flip=False):
        assert {image.tobytes() for image in images} == originals


def test_crops_are_windows_that_change_with_the_epoch(ratings):
    originals = [np.asarray(Image.open(path)) for path in ratings.paths]
    windows = set()
    for images, distributions in epochs(ratings, 6, size=24, crop_from=32, flip=False):
        assert images.shape == (5, 24, 24, 3)
        for image, row in zip(images, distributions.argmax(axis=1), strict=True):
            places = [
                (top, left)
                for top in range(9)
                for left in range(9)
                if (originals[row][top : top + 24, left : left + 24] == image).all()
            ]
            assert len(places) == 1
            windows.add(places[0])
    assert len(windows) > 15
    ((validation, _),) = epochs(ratings, 1, size=24, crop_from=32, vary=False)
    ((plain, _),) = epochs(ratings, 1, size=24, vary=False)
    np.testing.assert_array_equal(validation, plain)


@pytest.mark.parametrize("first", [1, 2, 3, 7])
def test_batches_go_on_from_any_batch(ratings, first):
    settings = {"size": 24, "fit": "squash", "batch_size": 2, "seed": 1, "crop_from": 32}
    examples = (ratings.paths, ratings.distributions)
    whole = list(islice(RatedBatches(*examples, **settings), first + 4))
    rest = list(islice(RatedBatches(*examples, **settings, first=first), 4))
    for expected, actual in zip(whole[first:], rest, strict=True):
        np.testing.assert_array_equal(actual[0], expected[0])
        np.testing.assert_array_equal(actual[1], expected[1])
