"""Sizes, padding and the largest rectangle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

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


@pytest.mark.parametrize("height, width", [(336, 504), (504, 337), (96, 96), (60, 400)])
def test_a_rotated_centre_is_that_of_pillows_rotation(photo, height, width):
    image = geometry.resize(photo, width, height)
    for degrees in (-10, -7.3, -2, 0, 4, 10, 33):
        turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        part = (0.8 * width, 0.61 * height)
        expected = geometry.centre_crop(np.asarray(turned), *part).astype(int)
        actual = geometry.rotate(image, degrees, *part)
        assert actual.shape == expected.shape
        # Positions differ by rounding, which may turn half a grey level over.
        difference = np.abs(actual - expected)
        assert difference.max() <= 1
        assert np.count_nonzero(difference) < 1e-4 * difference.size


@pytest.mark.parametrize("height, width", [(200, 333), (333, 200), (64, 300), (50, 50), (41, 64)])
def test_letterbox_resizes_the_photo_between_black_bars(photo, height, width):
    image = geometry.resize(photo, width, height)
    side = max(height, width)
    square = Image.new("RGB", (side, side))
    square.paste(Image.fromarray(image), ((side - width) // 2, (side - height) // 2))
    expected = square.resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(geometry.fit_square(image, 64, "letterbox"), expected)
