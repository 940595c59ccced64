"""Graded batches: shifted targets, groups, and pixels that depend on the step alone."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nima_pretrain.config import OrderConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.graded_batches import NO_GROUP, GradedBatches, Known, Source, moved_down
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.distortions.augmentations import nearly_identical
from nima_pretrain.distortions.blanks import blank_picture

SCALE = ScoreScale(7)
CONFIG = OrderConfig(
    series_per_step=3, rated_per_step=2, blank_per_step=2, composition_shift=0.1, num_workers=0
)


def batches(folder, **options):
    paths = tuple(find_photos(folder))[:5]
    rng = np.random.default_rng(0)
    rated = Known(paths[:3], rng.dirichlet(np.ones(7), 3))
    taught = Known(paths[3:], rng.dirichlet(np.ones(7), 2))
    settings = {"size": 32, "fit": "squash", "config": CONFIG, "seed": 4, **options}
    return GradedBatches(rated, taught, SCALE, **settings)


@given(seed=st.integers(0, 2**31), points=st.floats(0, 8))
def test_moved_distributions_keep_their_mass_and_lose_points_down_to_the_lowest_score(seed, points):
    distribution = np.random.default_rng(seed).dirichlet(np.ones(7))
    (moved,) = moved_down(distribution, np.array([points]), SCALE)
    assert moved.sum() == pytest.approx(1)
    assert (moved >= 0).all()
    expected = distribution @ np.maximum(SCALE.scores - points, 1)
    assert moved @ SCALE.scores == pytest.approx(expected)


def test_a_batch_has_series_copies_and_blank_pictures_with_their_targets(photo_folder):
    source = batches(photo_folder)
    images, targets = source.render(0)
    distributions = targets[:, :7]
    kinds, groups, depths = targets[:, 7:].T
    assert images.shape[1:] == (32, 32, 3)
    assert images.dtype == np.uint8
    np.testing.assert_allclose(distributions.sum(axis=1), 1, rtol=1e-5)
    assert (kinds == Source.RATED).sum() == 4
    assert (kinds == Source.BLANK).sum() == 2
    assert (groups[kinds == Source.BLANK] == NO_GROUP).all()
    means = distributions @ SCALE.scores
    for group in range(3):
        of_group = depths[(groups == group) & (kinds == Source.TAUGHT)]
        assert of_group[0] == 0
        assert (np.diff(of_group) > 0).all()
        assert (np.diff(means[groups == group]) < 0).all()
    for group in (3, 4):
        first, second = np.flatnonzero(groups == group)
        np.testing.assert_array_equal(targets[first], targets[second])
    assert {tuple(row) for row in distributions[kinds == Source.RATED]} <= {
        tuple(row) for row in source.rated.distributions.astype(np.float32)
    }


def test_views_are_not_made_of_a_rated_strip(tmp_path, photo):
    Image.fromarray(photo[:16, :280]).save(tmp_path / "strip.png")
    Image.fromarray(photo).save(tmp_path / "photo.png")
    strip = Known((tmp_path / "strip.png",), np.eye(7)[:1])
    taught = Known((tmp_path / "photo.png",), np.eye(7)[6:])
    config = CONFIG.model_copy(update={"rated_share": 1.0})
    source = GradedBatches(strip, taught, SCALE, size=32, fit="squash", config=config, seed=4)
    _, targets = source.render(0)
    first = targets[(targets[:, 7] == Source.TAUGHT) & (targets[:, 9] == 0)]
    assert first[:, 6].tolist() == [1.0] * CONFIG.series_per_step


def test_every_rated_photo_is_seen_equally_often(photo_folder):
    source = batches(photo_folder)
    rows = np.concatenate([source._rated_rows(step) for step in range(6)])
    assert np.bincount(rows).tolist() == [4, 4, 4]


@pytest.mark.slow
def test_batches_depend_neither_on_workers_nor_on_where_training_resumes(photo_folder):
    expected = list(islice(batches(photo_folder), 4))
    workers = CONFIG.model_copy(update={"num_workers": 2})
    for options, skipped in (({"config": workers}, 0), ({"first": 3}, 3)):
        others = islice(batches(photo_folder, **options), 4 - skipped)
        for one, other in zip(expected[skipped:], others, strict=True):
            np.testing.assert_array_equal(other[0], one[0])
            np.testing.assert_array_equal(other[1], one[1])


def test_blank_pictures_have_no_content_but_differ():
    pictures = [blank_picture(48, np.random.default_rng(seed)) for seed in range(60)]
    assert all(picture.shape == (48, 48, 3) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) > 50
    # Flat areas, gradients and stripes repeat along some line; noise does not.
    flat = [picture for picture in pictures if np.ptp(picture, axis=(0, 1)).max() == 0]
    assert 5 < len(flat) < 30


def test_nearly_identical_copies_are_not_told_apart_by_their_colours(photo):
    copies = [nearly_identical(photo, np.random.default_rng(seed)) for seed in range(20)]
    assert len({copy.tobytes() for copy in copies}) > 15
    for copy in copies:
        assert min(copy.shape[:2]) >= 0.94 * min(photo.shape[:2])
        assert np.abs(copy.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max() < 8
