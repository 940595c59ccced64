"""Counts and order of the banks, and the guarantees of rendering."""

import pickle

import numpy as np
import pytest

from nima_pretrain.data.photos import load_photo
from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.distortions.bank import VOID_GREY_LEVELS
from nima_pretrain.distortions.geometry import fit_photo

PAPER, REPAIRED = get_bank("paper"), get_bank("repaired")


def test_paper_bank_has_the_counts_of_the_paper():
    assert len(PAPER) == 21
    assert PAPER.num_views == len(set(PAPER.view_names)) == 174
    lengths = sorted(len(series.views) for series in PAPER.series)
    assert lengths == [2, 3, 3, 4, 4] + [5] * 31


def test_repaired_bank_has_21_distortions_split_at_their_neutral_value():
    assert [d.name for d in REPAIRED] == [d.name for d in PAPER]
    for name in ("shadows", "highlights", "vibrance"):
        assert REPAIRED[name].below == (-100, -80, -60, -40, -20)
        assert REPAIRED[name].above == (20, 40, 60, 80, 100)


def test_views_come_in_the_documented_order():
    names = PAPER.view_names
    assert names[:4] == ("original", "crop_original", "rotate_original", "jpeg_compression_1")
    for name in ("exposure_-1.8", "brightness_-1", "hcrop_3", "tint_1.05", "vibrance_0"):
        assert name in names
    assert names.index("exposure_-3") < names.index("exposure_-0.6") < names.index("exposure_0.6")


def test_series_rise_from_their_own_reference():
    by_name = {(s.distortion.name, s.sign): s for s in PAPER.series}
    names = PAPER.view_names
    below = by_name["exposure", -1]
    assert names[below.reference] == "original"
    assert [names[view] for view in below.views] == [
        "exposure_-0.6",
        "exposure_-1.2",
        "exposure_-1.8",
        "exposure_-2.4",
        "exposure_-3",
    ]
    assert names[by_name["hcrop", 1].reference] == "crop_original"
    assert names[by_name["rotate", 1].reference] == "rotate_original"
    assert names[by_name["ratio", 1].reference] == "original"


@pytest.mark.parametrize("bank", [PAPER, REPAIRED], ids=["paper", "repaired"])
def test_rendering_gives_all_views_and_repeats_with_the_seed(bank, photo):
    views = bank.render(photo, size=48, seed=3)
    assert views.shape == (bank.num_views, 48, 48, 3)
    assert views.dtype == np.uint8
    np.testing.assert_array_equal(views, bank.render(photo, size=48, seed=3))
    changed = (views != bank.render(photo, size=48, seed=4)).any(axis=(1, 2, 3))
    random = {name for name, differs in zip(bank.view_names, changed, strict=True) if differs}
    assert {name.rsplit("_", 1)[0] for name in random} == {
        "motion_blur",
        "gaussian_noise",
        "impulse_noise",
    }


@pytest.mark.parametrize("bank", [PAPER, REPAIRED], ids=["paper", "repaired"])
def test_a_bank_that_was_pickled_renders_the_same_views(bank, photo):
    again = pickle.loads(pickle.dumps(bank))
    assert again is not bank
    assert (again.name, again.view_names) == (bank.name, bank.view_names)
    np.testing.assert_array_equal(again.render(photo, 48, seed=3), bank.render(photo, 48, seed=3))


@pytest.mark.parametrize("fit", ["letterbox", "squash"])
@pytest.mark.parametrize("shape", [(300, 451), (451, 300), (64, 64)])
def test_the_original_view_is_what_every_other_stage_sees(fit, shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    original = PAPER.render(photo, size=64, fit=fit)[0]
    np.testing.assert_array_equal(original, fit_photo(photo, 64, fit))


def style_distances(bank, photo):
    """Mean absolute difference from the reference along every style series, in grey levels."""
    views = bank.render(photo, size=128).astype(int)
    return {
        (series.distortion.name, series.sign): [
            np.abs(views[view] - views[series.reference]).mean() for view in series.views
        ]
        for series in bank.series
        if series.distortion.aspect is Aspect.STYLE
    }


def moves_away(distances):
    return (np.diff([0.0, *distances]) > 0).all()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_style_levels_move_away_from_the_photo_in_the_repaired_bank_alone(name, shared):
    photo = load_photo(shared / "goldens" / "darktable" / "inputs" / f"{name}.png")
    for series, distances in style_distances(REPAIRED, photo).items():
        # The rocket has no highlights: all its views are void, and left out of the losses.
        assert moves_away(distances) or max(distances) < VOID_GREY_LEVELS, series
    wrong = {series for series, d in style_distances(PAPER, photo).items() if not moves_away(d)}
    always = {("shadows", -1), ("highlights", +1), ("vibrance", -1)}
    assert wrong == always | ({("highlights", -1)} if name == "rocket" else set())


def test_apply_keeps_the_size_of_the_image(photo):
    for distortion in PAPER:
        value = distortion.above[-1]
        assert distortion.apply(photo, value).shape == photo.shape, distortion.name


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="no distortion 'fog'. It has: jpeg_compression, .*"):
        PAPER["fog"]
    with pytest.raises(ValueError, match="no bank 'mine'. Known banks: paper, repaired"):
        get_bank("mine")


def test_a_photo_that_is_not_rgb_is_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB array, received \(9, 9\)"):
        PAPER.render(np.zeros((9, 9), np.uint8))
