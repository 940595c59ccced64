"""The seam around imagecorruptions: equal where it is deterministic, repeatable where it is not."""

import warnings

import numpy as np
import pytest

from nima_pretrain.distortions import Aspect, get_bank, technical

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import imagecorruptions

RANDOM = ("motion_blur", "gaussian_noise", "impulse_noise")
BANK = get_bank("paper")


@pytest.mark.parametrize("name", ["jpeg_compression", "defocus_blur", "pixelate"])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_deterministic_ones_equal_imagecorruptions(photo, name, severity):
    expected = imagecorruptions.corrupt(photo, severity=severity, corruption_name=name)
    np.testing.assert_array_equal(BANK[name].apply(photo, severity), expected)


@pytest.mark.parametrize("name", RANDOM)
def test_random_ones_repeat_exactly_with_the_generator(photo, name):
    first, second, other = (
        BANK[name].apply(photo, 3, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_random_ones_have_the_strength_of_the_library(photo, name, severity):
    def strength(image):
        return np.abs(image.astype(int) - photo).mean()

    ours = [BANK[name].apply(photo, severity, np.random.default_rng(seed)) for seed in range(6)]
    theirs = [imagecorruptions.corrupt(photo, severity, name) for _ in range(6)]
    # Motion blur depends much on its random direction, noise hardly on anything.
    tolerance = 0.25 if name == "motion_blur" else 0.03
    assert np.mean(list(map(strength, ours))) == pytest.approx(
        np.mean(list(map(strength, theirs))), rel=tolerance
    )


def test_global_generator_is_left_as_it_was(photo):
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    for distortion in BANK.of_aspect(Aspect.TECHNICAL):
        distortion.apply(photo[:64, :64], 2, np.random.default_rng(0))
    assert np.random.random() == expected


def test_small_images_are_refused():
    image = np.zeros((31, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, received 40 x 31"):
        technical.corrupt(image, "pixelate", 1, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["jpeg_compression", "impulse_noise"])
def test_unknown_severities_are_refused(photo, name):
    with pytest.raises(ValueError, match=f"severity of {name} is 1, 2, 3, 4 or 5, received 6"):
        BANK[name].apply(photo, 6)
