"""Samples of series: every series once an epoch, and no view that is not needed."""

from itertools import islice

import numpy as np
import pytest

from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.series_batches import SeriesBatches
from nima_pretrain.distortions import get_bank
from nima_pretrain.distortions.augmentations import Augmentation

BANK = get_bank("paper")
NUM_SERIES = len(BANK.series)


def batches(folder, **options):
    names = tuple(path.relative_to(folder).as_posix() for path in find_photos(folder))[:2]
    settings = {"size": 32, "fit": "squash", "photos_per_batch": 3, "series_per_photo": 5}
    return SeriesBatches(
        folder, names, BANK, **{**settings, "seed": 5, "num_workers": 0, **options}
    )


def test_an_epoch_shows_every_series_of_every_photo_once(photo_folder):
    samples = batches(photo_folder)
    assert samples.batches_per_epoch == 6  # 2 photos, each in 8 visits of 4 or 5 series
    epoch = list(islice(samples, 6))
    assert [len(sample["series_weights"]) for sample in epoch] == [3, 3, 3, 3, 3, 1]
    shown = np.concatenate([sample["series_weights"] for sample in epoch])
    np.testing.assert_array_equal((shown > 0).sum(axis=0), np.full(NUM_SERIES, 2))
    np.testing.assert_allclose(shown.sum(axis=1), NUM_SERIES)


def test_images_are_the_views_of_the_sampled_series_and_no_others(photo_folder):
    sample = next(iter(batches(photo_folder, photos_per_batch=1)))
    expected = set()
    for series in np.flatnonzero(sample["series_weights"][0]):
        expected |= {BANK.series[series].reference, *BANK.series[series].views}
    assert sample["places"].tolist() == [[0, view] for view in sorted(expected)]
    assert sample["images"].shape == (len(expected), 32, 32, 3)


def test_images_equal_the_views_of_a_whole_batch(photo_folder):
    samples = batches(photo_folder, photos_per_batch=1)
    photos = [
        BANK.render(load_photo(photo_folder / name), 32, 0, "squash") for name in samples.names
    ]
    deterministic = [
        index
        for index, name in enumerate(BANK.view_names)
        if not name.startswith(("gau", "imp", "mot"))
    ]
    sample = next(iter(samples))
    of_photo = [photo[sample["places"][:, 1]] for photo in photos]
    fixed = np.isin(sample["places"][:, 1], deterministic)
    assert any((sample["images"] == photo)[fixed].all() for photo in of_photo)


def test_windows_and_mirroring_change_the_photo_of_every_visit(photo_folder):
    changed = batches(photo_folder, augmentation=Augmentation(0.6, mirror=True))
    plain = batches(photo_folder)
    for one, other in zip(islice(changed, 2), islice(plain, 2), strict=True):
        np.testing.assert_array_equal(one["places"], other["places"])
        assert (one["images"] != other["images"]).mean() > 0.5


@pytest.mark.slow
def test_samples_depend_neither_on_workers_nor_on_where_training_resumes(photo_folder):
    expected = list(islice(batches(photo_folder), 9))
    for options, skipped in (({"num_workers": 2}, 0), ({"first": 7}, 7)):
        others = islice(batches(photo_folder, **options), 9 - skipped)
        for one, other in zip(expected[skipped:], others, strict=True):
            for name, values in one.items():
                np.testing.assert_array_equal(other[name], values)
