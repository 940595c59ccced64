"""The perceptual hash keeps its bits when a photo is saved anew, and tells photos apart."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from nima_pretrain.data.perceptual_hash import hash_distances, perceptual_hash
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.samples import embedded_photos


def bits_between(first, second):
    return int(hash_distances(np.array([first], np.uint64), np.array([second], np.uint64))[0])


def test_its_bits_are_the_lowest_frequencies_of_scipys_cosine_transform_above_their_median(photo):
    small = np.asarray(Image.fromarray(photo).resize((32, 32), Image.Resampling.BOX), float)
    frequencies = dctn(small @ [0.299, 0.587, 0.114], type=2)[:8, :8].ravel()
    bits = frequencies > np.median(frequencies[1:])
    assert perceptual_hash(photo) == int("".join("01"[int(bit)] for bit in bits.ravel()), 2)


def test_saving_a_photo_smaller_brighter_or_grey_changes_few_bits(photo):
    def saved(image, **options):
        file = io.BytesIO()
        image.convert("RGB").save(file, "JPEG", **options)
        return np.asarray(Image.open(file))

    image = Image.fromarray(photo)
    exact = perceptual_hash(photo)
    for other in (
        saved(image, quality=20),
        saved(image.resize((150, 100))),
        saved(image.convert("L")),
        saved(image.point(lambda value: value * 0.7)),
    ):
        assert bits_between(exact, perceptual_hash(other)) <= 4


def test_different_photos_and_mirrored_ones_differ_in_many_bits(photo):
    hashes = [perceptual_hash(load_photo(path)) for path in embedded_photos()]
    hashes.append(perceptual_hash(photo[:, ::-1]))
    for index, first in enumerate(hashes):
        for second in hashes[:index]:
            assert bits_between(first, second) >= 16


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_photo_of_one_colour_has_a_hash(value):
    assert perceptual_hash(np.full((40, 30, 3), value, np.uint8)) in (0, 1 << 63)


def test_distances_are_numbers_of_different_bits():
    first = np.array([0, 0, 0b1011, 2**64 - 1], np.uint64)
    second = np.array([0, 1, 0b0110, 0], np.uint64)
    assert hash_distances(first, second).tolist() == [0, 1, 3, 64]
    assert hash_distances(first[:0], second[:0]).tolist() == []
