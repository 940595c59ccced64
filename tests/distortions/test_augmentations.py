"""Random versions of a photo: as random as the paper on SimCLR says."""

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.distortions.augmentations import augmented_pair, jitter_colours, random_crop


@pytest.mark.parametrize(("width", "height"), [(300, 200), (64, 64), (1000, 7), (1, 1)])
def test_crops_lie_within_the_photo_and_have_the_areas_and_ratios_of_the_paper(width, height):
    rng = np.random.default_rng(0)
    boxes = np.array([random_crop(width, height, 0.08, rng) for _ in range(500)])
    left, top, right, bottom = boxes.T
    assert (left >= 0).all() and (top >= 0).all()
    assert (right <= width).all() and (bottom <= height).all()
    assert (right > left).all() and (bottom > top).all()
    if min(width, height) > 50:
        areas = (right - left) * (bottom - top) / (width * height)
        ratios = (right - left) / (bottom - top)
        assert 0.07 < areas.min() < 0.12 and areas.max() > 0.8
        assert 0.72 < ratios.min() < 0.8 and 1.25 < ratios.max() < 1.38


def test_views_are_grey_flipped_and_jittered_as_often_as_in_the_paper(photo):
    pairs = [
        augmented_pair(photo, 32, np.random.default_rng(seed), smallest_crop=1.0)
        for seed in range(150)
    ]
    views = np.concatenate(pairs).astype(int)
    spread = np.ptp(views, axis=3).max(axis=(1, 2))
    assert np.mean(spread == 0) == pytest.approx(0.2, abs=0.08)
    brightness = views.mean(axis=(1, 2, 3)) / photo.mean()
    assert brightness.min() < 0.6 and brightness.max() > 1.3


def test_without_strength_colours_stay(photo):
    image = Image.fromarray(photo)
    same = jitter_colours(image, 0.0, np.random.default_rng(0))
    # Turning the hue by nothing leads through HSV, which rounds.
    assert np.abs(np.asarray(same).astype(int) - photo).max() <= 6
    other = jitter_colours(image, 1.0, np.random.default_rng(0))
    assert np.abs(np.asarray(other).astype(int) - photo).mean() > 5
