"""Batches of views: the same pixels for any number of workers."""

import multiprocessing
import os
import signal
import threading
from itertools import islice

import numpy as np
import pytest

from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.photos import load_photo
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import get_bank
from nima_pretrain.errors import InputError, PhotoError

BANK = get_bank("paper")


def batches(folder, **options):
    names = tuple(path.relative_to(folder).as_posix() for path in find_photos(folder))[:3]
    settings = {"size": 32, "fit": "letterbox", "photos_per_batch": 2, "seed": 5, "num_workers": 0}
    return ViewBatches(folder, names, BANK, **(settings | options))


@pytest.mark.slow
def test_pixels_do_not_depend_on_the_number_of_workers(photo_folder):
    alone, *others = (
        list(islice(batches(photo_folder, num_workers=workers), 4)) for workers in (0, 1, 3)
    )
    assert [len(batch) for batch in alone] == [2, 1, 2, 1]
    for other in others:
        for expected, actual in zip(alone, other, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_training_batches_change_from_epoch_to_epoch_and_validation_batches_do_not(photo_folder):
    first, second = np.split(np.concatenate(list(islice(batches(photo_folder), 4))), 2)
    assert (first != second).any()
    fixed = batches(photo_folder, vary=False)
    first, second = np.split(np.concatenate(list(islice(fixed, 4))), 2)
    np.testing.assert_array_equal(first, second)


def test_a_photo_keeps_its_pixels_when_others_come_or_go(photo_folder):
    (one,) = islice(batches(photo_folder, vary=False, photos_per_batch=3), 1)
    fewer = batches(photo_folder, vary=False, photos_per_batch=1)
    alone = ViewBatches(**{**vars(fewer), "names": fewer.names[1:2]})
    np.testing.assert_array_equal(next(iter(alone))[0], one[1])


def test_views_are_those_of_the_bank(photo_folder):
    validation = batches(photo_folder, vary=False)
    deterministic = BANK.view_names.index("exposure_-3")
    expected = BANK.render(load_photo(photo_folder / validation.names[0]), 32)[deterministic]
    np.testing.assert_array_equal(next(iter(validation))[0, deterministic], expected)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_vanished_photo_stops_the_batches_with_its_path(photo_folder, num_workers):
    validation = batches(photo_folder, vary=False, photos_per_batch=1, num_workers=num_workers)
    iterator = iter(validation)
    (photo_folder / validation.names[2]).unlink()
    with pytest.raises(PhotoError, match="a.JPG: .*No such file"):
        list(islice(iterator, 3))


def test_batches_go_on_from_any_batch(photo_folder):
    whole = list(islice(batches(photo_folder), 5))
    for first in (1, 2, 3):
        rest = islice(batches(photo_folder, first=first), 5 - first)
        for expected, actual in zip(whole[first:], rest, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_batches_that_are_closed_leave_no_worker_and_no_thread(photo_folder):
    threads, before = threading.active_count(), multiprocessing.active_children()
    endless = iter(batches(photo_folder, num_workers=1))
    next(endless)
    assert len(multiprocessing.active_children()) > len(before)
    endless.close()
    assert multiprocessing.active_children() == before
    assert threading.active_count() == threads


def test_a_worker_that_is_killed_ends_the_batches_with_advice(photo_folder):
    iterator = iter(batches(photo_folder, num_workers=1))
    next(iterator)
    before = {child.pid for child in multiprocessing.active_children()}
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(InputError, match="A process that renders views was killed"):
        list(islice(iterator, 9))
