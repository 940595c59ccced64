"""Rotations: nothing but the picture itself says by how much it was turned."""

import numpy as np
import pytest

from nima_pretrain.distortions import Rotations


def test_views_are_one_square_turned(photo):
    views = Rotations().render(photo, 48, seed=3)
    assert (views.shape, views.dtype) == ((4, 48, 48, 3), np.uint8)
    for turns in range(4):
        np.testing.assert_array_equal(views[turns], np.rot90(views[0], turns))


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
@pytest.mark.parametrize("shape", [(60, 90, 3), (90, 60, 3), (200, 31, 3)])
def test_a_picture_without_content_looks_the_same_in_every_rotation(shape, fit):
    grey = np.full(shape, 180, np.uint8)
    views = Rotations().render(grey, 32, seed=0, fit=fit)
    # A letterbox would have black bars, above and below or left and right.
    np.testing.assert_array_equal(views, 180)


def test_a_circle_stays_a_circle_whatever_the_aspect_of_the_photo():
    y, x = np.mgrid[:100, :220]
    inside = (y - 49.5) ** 2 + (x - 109.5) ** 2 < 40**2
    photo = np.uint8(255 * inside)[:, :, None].repeat(3, axis=2)
    whole = 0
    for seed in range(40):
        # A squashed photo's circle would be higher than wide, or wider than high once turned.
        for view in Rotations().render(photo, 50, seed, "squash")[..., 0] > 127:
            if view[:, [0, -1]].any() or view[[0, -1]].any():
                continue  # cut by the border
            height, width = view.any(axis=1).sum(), view.any(axis=0).sum()
            assert abs(height - width) <= 1
            whole += 1
    assert whole >= 20


def test_the_seed_chooses_place_and_side(photo):
    rotations = Rotations()
    views = [rotations.render(photo, 32, (0, epoch))[0] for epoch in range(8)]
    assert len({view.tobytes() for view in views}) > 4
    np.testing.assert_array_equal(rotations.render(photo, 32, (0, 3))[0], views[3])
