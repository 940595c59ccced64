"""The shares of all workers, one after the other, are the batches of one process."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.rated_batches import RatedBatches
from nima_pretrain.data.series_batches import SeriesBatches
from nima_pretrain.data.share import Share
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import get_bank

COMMON = {"size": 32, "fit": "letterbox", "seed": 3}
BATCHES = 4  # more than an epoch of every kind


@pytest.fixture
def kinds(photo_folder):
    names = [path.relative_to(photo_folder).as_posix() for path in find_photos(photo_folder)]
    bank = get_bank("paper")
    of_views = {"root": photo_folder, "names": names[:5], "photos_per_batch": 3, "num_workers": 0}
    targets = np.arange(10, dtype=np.float32).reshape(5, 2)
    return {
        "views": ViewBatches(views=bank, **of_views, **COMMON),
        "series": SeriesBatches(bank=bank, series_per_photo=30, **of_views, **COMMON),
        "rated": RatedBatches(
            [photo_folder / name for name in names[:5]], targets, batch_size=4, **COMMON
        ),
    }


def parts(batch):
    """The arrays of a batch."""
    if isinstance(batch, dict):
        return list(batch.values())
    return list(batch) if isinstance(batch, tuple) else [batch]


@pytest.mark.parametrize("kind", ["views", "series", "rated"])
@pytest.mark.parametrize("first", [0, 1])
def test_shares_make_the_whole_batch(kinds, kind, first):
    batches = replace(kinds[kind], first=first)
    whole = list(islice(batches, BATCHES))
    of_workers = [
        list(islice(replace(batches, share=Share(worker, 3)), BATCHES)) for worker in range(3)
    ]
    for number, batch in enumerate(whole):
        shares = [parts(of_worker[number]) for of_worker in of_workers]
        for expected, *given in zip(parts(batch), *shares, strict=True):
            np.testing.assert_array_equal(np.concatenate(given), expected)
            assert {part.dtype for part in given} == {expected.dtype}


def test_a_batch_smaller_than_the_workers_leaves_some_without_photos():
    assert [Share(worker, 3).of(2) for worker in range(3)] == [
        slice(0, 0),
        slice(0, 1),
        slice(1, 2),
    ]
