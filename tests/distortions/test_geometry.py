"""Sizes, padding and the largest rectangle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nima_pretrain.distortions import geometry

sides = st.integers(1, 3000)


@given(width=sides, height=sides, degrees=st.floats(-90, 90))
def test_the_largest_rectangle_fits_into_the_turned_one(width, height, degrees):
    w, h = geometry.largest_rotated_rectangle(width, height, degrees)
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    # Turned back, its corners lie within the original rectangle.
    assert w * cosine + h * sine <= width * (1 + 1e-6)
    assert w * sine + h * cosine <= height * (1 + 1e-6)
    assert w > 0
    assert h > 0


def test_nothing_is_cut_off_at_0_degrees():
    assert geometry.largest_rotated_rectangle(30, 20, 0) == pytest.approx((30, 20))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (70, 30), (31, 31)])
@pytest.mark.parametrize("fit", ["letterbox", "squash"])
def test_any_photo_becomes_a_square(shape, fit):
    photo = np.full((*shape, 3), 200, np.uint8)
    assert geometry.fit_photo(photo, 32, fit).shape == (32, 32, 3)


def test_letterbox_keeps_the_aspect_ratio_and_pads_with_black():
    square = geometry.fit_photo(np.full((100, 200, 3), 255, np.uint8), 64, "letterbox")
    assert (square[:, 32, 0] > 127).sum() == 32
    assert not square[:14].any()


def test_squash_fills_the_square():
    assert geometry.fit_photo(np.full((100, 200, 3), 255, np.uint8), 64, "squash").min() == 255
