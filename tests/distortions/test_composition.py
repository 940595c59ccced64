"""Composition views against the outputs of the paper's published code."""

import numpy as np
import pytest
from PIL import Image

from nima_pretrain.distortions import Aspect, composition, get_bank
from nima_pretrain.distortions.geometry import largest_rotated_rectangle
from nima_pretrain.distortions.source import Source

BANK = get_bank("paper")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_views_equal_those_of_the_published_code(shared, name):
    folder = shared / "goldens" / "composition"
    photo = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
    views = dict(zip(BANK.view_names, BANK.render(photo), strict=True))
    with np.load(folder / f"{name}.npz") as goldens:
        assert len(goldens.files) == 63
        for key in goldens.files:
            error = np.abs(views[key].astype(int) - goldens[key])
            assert error.mean() < 0.01, key


@pytest.mark.parametrize("shape", [(300, 451), (451, 300), (200, 200), (60, 330)])
def test_every_view_has_the_size_of_the_small_photo(shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    source = Source(photo, 64)
    for distortion in BANK.of_aspect(Aspect.COMPOSITION):
        for value in distortion.below + distortion.above:
            view = distortion.filter(source, value, np.random.default_rng(0))
            assert view.shape == source.small.shape, (distortion.name, value)


def test_windows_at_level_5_touch_the_border():
    photo = np.zeros((96, 144, 3), np.uint8)
    photo[:, -1] = 255
    photo[0] = 255
    source = Source(photo, 64)
    assert composition.hcrop(source, 5)[:, -1].all()
    assert not composition.hcrop(source, 4)[10:, -1].any()
    assert composition.vcrop(source, 5)[0].all()
    upper_right = composition.rightcornerscrop(source, 5)
    assert upper_right[0].all()
    assert upper_right[:, -1].all()


def test_turned_panoramas_show_their_middle():
    photo = np.zeros((60, 420, 3), np.uint8)
    photo[:, 200:220] = 255
    for degrees in (-10, 0, 6):
        view = composition.rotate(Source(photo, 64), degrees)[..., 0]
        rectangle = largest_rotated_rectangle(*Source(photo, 64).large.shape[1::-1], 10)
        assert view.shape[1] / view.shape[0] == pytest.approx(rectangle[0] / rectangle[1], rel=0.01)
        bright = np.flatnonzero(view[32] > 127)
        assert abs(bright.mean() - view.shape[1] / 2) < 2


def test_turned_views_show_no_black_border():
    white = np.full((200, 300, 3), 255, np.uint8)
    for degrees in (-10, -4, 6, 10):
        assert composition.rotate(Source(white, 64), degrees).min() > 250


def test_rotation_is_counter_clockwise(photo):
    source = Source(photo, 128)
    turned = composition.rotate(source, 10).astype(int)
    reference = composition.rotate_original(source)
    image = Image.fromarray(reference)

    def distance(degrees):
        again = np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC)).astype(int)
        middle = np.s_[40:-40, 60:-60]
        return np.abs(again - turned)[middle].mean()

    assert distance(10) < distance(-10) / 2


def test_ratio_stretches_in_height_above_level_0_and_in_width_below():
    stripes = np.zeros((100, 100, 3), np.uint8)
    stripes[40:60] = 255
    high = composition.ratio(Source(stripes, 100), 5)
    wide = composition.ratio(Source(stripes, 100), -5)
    assert (high[:, 50, 0] > 127).sum() == 40
    assert (wide[:, 50, 0] > 127).sum() == 20
