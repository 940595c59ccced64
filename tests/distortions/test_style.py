"""Style filters against darktable's own outputs, and their properties."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nima_pretrain.distortions import Aspect, get_bank, regions, style

STRIP = np.array(
    [[[0, 0, 0], [255, 255, 255], [200, 100, 50], [30, 60, 120], [12, 200, 40]]], np.uint8
)

# Outputs of darktable 4.2.1 for the five colours above.
SPOTS = {
    ("contrast", -0.6): [(71, 71, 71), (171, 171, 171), (192, 93, 44), (71, 94, 158), (0, 165, 0)],
    ("brightness", 0.6): [
        (0, 0, 0),
        (255, 255, 255),
        (255, 157, 103),
        (107, 127, 196),
        (87, 243, 85),
    ],
    ("saturation", 0.6): [(0, 0, 0), (255, 255, 255), (231, 70, 0), (0, 60, 157), (0, 211, 0)],
    ("vibrance", 60): [(0, 0, 0), (255, 255, 255), (202, 89, 32), (19, 59, 124), (0, 194, 0)],
    ("exposure", 1.2): [(0, 0, 0), (255, 255, 255), (255, 230, 115), (69, 138, 255), (28, 255, 92)],
    ("temperature", 3000): [
        (0, 0, 0),
        (122, 255, 255),
        (95, 100, 155),
        (14, 60, 255),
        (6, 200, 124),
    ],
    ("tint", 1.15): [(0, 0, 0), (160, 255, 188), (126, 100, 37), (19, 60, 88), (8, 200, 29)],
}


@pytest.mark.shared
def test_every_style_value_is_what_darktable_gives(shared):
    goldens = shared / "goldens" / "darktable"
    with (goldens / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (goldens / row["file"]).is_file()]
    checked = set()
    for row in rows:
        if row["distortion"] == "original":
            continue
        image = np.asarray(Image.open(goldens / row["input"]).convert("RGB"))
        expected = np.asarray(Image.open(goldens / row["file"]).convert("RGB")).astype(int)
        blurred = row["distortion"] in ("shadows", "highlights")
        options = {"sigma_pixels": 100.0} if blurred else {}
        actual = getattr(style, row["distortion"])(image, float(row["value"]), **options)
        error = np.abs(actual - expected)
        mean_limit, limit = limits(row["distortion"], float(row["value"]))
        assert error.mean() <= mean_limit, row
        assert error.max() <= limit, row
        checked.add((row["distortion"], row["value"]))
    assert len(checked) == 81


def limits(distortion: str, value: float) -> tuple[float, float]:
    """Largest mean and single error in grey levels; darktable's own noise shows in two places."""
    if (distortion, value) == ("temperature", 2000):
        return 4.0, 255.0
    if distortion == "exposure" and value >= 2.4:
        return 0.2, 8.0
    return 0.2, 2.0


@pytest.mark.parametrize(("name", "value"), SPOTS)
def test_colours_are_what_darktable_gives(name, value):
    actual = getattr(style, name)(STRIP, value)
    assert np.abs(actual[0].astype(int) - SPOTS[name, value]).max() <= 1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), height=st.integers(1, 40), width=st.integers(1, 40))
def test_neutral_values_leave_every_colour_alone(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    for filter in (style.brightness, style.contrast, style.saturation, style.vibrance):
        np.testing.assert_array_equal(filter(image, 0), image, err_msg=filter.__name__)
    np.testing.assert_array_equal(style.exposure(image, 0), image)
    np.testing.assert_array_equal(style.shadows(image, 0, highlights=0), image)
    np.testing.assert_array_equal(style.highlights(image, 0, shadows=0), image)


def test_filters_give_the_same_whether_they_share_an_image_or_not(photo):
    shared_image = style.StyleImage(photo)
    for distortion in get_bank("paper").of_aspect(Aspect.STYLE):
        filter = getattr(style, distortion.name)
        value = distortion.above[-1]
        np.testing.assert_array_equal(filter(shared_image, value), filter(photo, value))


def test_blur_matrix_is_the_recursive_filter_of_the_note():
    matrix = regions.blur_matrix(224, 100.0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    spots = [matrix[0, 0], matrix[112, 112], matrix[0, 223]]
    np.testing.assert_allclose(spots, [0.50211875, 0.00423750, 0.03321456], rtol=1e-5)


def test_sigma_is_a_fraction_of_the_short_side_by_default(photo):
    expected = style.shadows(photo, 60, sigma_pixels=0.15 * 300)
    np.testing.assert_array_equal(style.shadows(photo, 60), expected)


def test_directions_are_the_documented_ones():
    grey = np.full((4, 4, 3), 128, np.uint8)
    blue_cast, warm_cast = style.temperature(grey, 3000)[0, 0], style.temperature(grey, 14000)[0, 0]
    assert blue_cast[2] > blue_cast[0]
    assert warm_cast[0] > warm_cast[2]
    magenta, green = style.tint(grey, 0.8)[0, 0], style.tint(grey, 1.2)[0, 0]
    assert magenta[0] > magenta[1]
    assert green[1] > green[0]


def test_unknown_kelvin_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"temperature is known at 2000, 3000, .* received 4000"):
        style.temperature(STRIP, 4000)


def test_images_that_are_not_8_bit_rgb_are_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 sRGB .* received \(2, 2\) float64"):
        style.contrast(np.zeros((2, 2)), 0.5)
