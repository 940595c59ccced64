"""Work in processes of their own."""

import os
from contextlib import closing
from itertools import count, islice

import pytest

from nima_pretrain.data.rendering import in_processes


class Large:
    """A function that would be costly to send, and counts how often it is."""

    times_sent = 0

    def __getstate__(self):
        Large.times_sent += 1
        return {}

    def __call__(self, item):
        return item * 2, os.getpid()


@pytest.mark.slow
def test_a_function_is_sent_once_to_every_process():
    with closing(in_processes(Large(), count(), num_workers=2, ahead=1)) as results:
        found = list(islice(results, 30))
    assert [result for result, _ in found] == list(range(0, 60, 2))
    assert os.getpid() not in {process for _, process in found}
    assert Large.times_sent <= 2
