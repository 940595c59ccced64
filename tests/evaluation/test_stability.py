"""Stability: scores that react to nothing, to sides, and to brightness."""

import numpy as np
import pytest

from nima_pretrain.evaluation.stability import blank_percentiles, invisible_changes


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    smooth = [np.kron(rng.integers(0, 256, (6, 9, 3)), np.ones((20, 20, 1))) for _ in range(3)]
    return [photo.astype(np.uint8) for photo in smooth]


def test_a_constant_score_never_moves(photos):
    table = invisible_changes(lambda images: np.ones(len(images)), photos, 32, "squash")
    assert set(table["change"]) >= {"JPEG 90", "WebP 90", "mirrored", "shifted by 4 px"}
    assert (table[["mean", "largest"]] == 0).all(axis=None)


def test_panoramas_beyond_the_longest_side_of_a_format_are_measured(photos):
    panorama = np.tile(photos[0][:8], (1, 92, 1))
    assert panorama.shape[1] > 16383
    table = invisible_changes(lambda images: images.mean(axis=(1, 2, 3)), [panorama], 32, "squash")
    assert (table["largest"] < 5).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (4, 4), (2, 9)])
def test_tiny_pictures_are_measured(shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    table = invisible_changes(lambda images: images.mean(axis=(1, 2, 3)), [photo], 32, "squash")
    assert table["mean"].between(0, 255).all()


def test_a_score_of_one_side_moves_when_photos_are_mirrored(photos):
    def left_minus_right(images):
        return images[:, :, :16].mean(axis=(1, 2, 3)) - images[:, :, 16:].mean(axis=(1, 2, 3))

    table = invisible_changes(left_minus_right, photos, 32, "squash").set_index("change")
    assert table.loc["mirrored", "mean"] > 5 * table.loc["JPEG 95", "mean"]
    assert table.loc["mirrored", "largest"] >= table.loc["mirrored", "mean"]


def test_pictures_without_content_stand_among_photos_by_their_score():
    def brightness(images):
        return images.mean(axis=(1, 2, 3))

    of_photos = np.linspace(50, 200, 100)
    table = blank_percentiles(brightness, of_photos, 32, "squash").set_index("picture")
    assert table.loc["black", "percentile"] == 0
    assert table.loc["white", "percentile"] == 100
    assert table.loc["grey", "score"] == pytest.approx(128)
    assert table.loc["grey", "percentile"] == pytest.approx(52, abs=1)
    assert table.loc["coloured noise", "score"] == pytest.approx(127.5, abs=1)
