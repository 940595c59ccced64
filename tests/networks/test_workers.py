"""Sums and gathered batches of workers, here two that have the same."""

import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.data.share import WHOLE, Share
from nima_pretrain.networks.workers import ALONE, Workers, workers, working_with


class SameContext:
    """The replica context of one of two workers that give equal values."""

    def all_reduce(self, operation, values):
        assert operation == tf.distribute.ReduceOp.SUM
        return tf.nest.map_structure(lambda value: 2 * value, values)

    def all_gather(self, value, axis):
        assert value.dtype in (tf.int32, tf.float32)  # of those that TensorFlow sends
        return tf.concat([value, value], axis)


class Same(Workers):
    def __init__(self, index):
        super().__init__(index)
        self.count = 2

    def _together(self, values, operation):
        return operation(SameContext(), values)


@pytest.mark.parametrize("shape", [(3, 5, 5, 3), (2, 1, 4, 4, 3), (1, 1, 1, 1), (0, 5, 5, 3)])
def test_images_are_gathered_as_they_are(shape):
    rng = np.random.default_rng(0)
    batch = {
        "images": rng.integers(0, 256, shape, np.uint8),
        "places": rng.integers(0, 9, (shape[0], 2), np.int32),
        "weights": rng.random((shape[0], 4), np.float32),
    }
    whole = tf.function(Same(0).gather)(batch)
    for name, array in batch.items():
        np.testing.assert_array_equal(whole[name], np.concatenate([array, array]))
        assert whole[name].dtype == array.dtype


def test_the_chief_is_followed_and_flags_are_shared():
    values = [np.float64(3.5), np.arange(4, dtype=np.float32), np.array([7], np.int32)]
    # Both claim to be the chief, then none does.
    for expected, actual in zip(values, Same(0).of_chief(values), strict=True):
        np.testing.assert_array_equal(actual, 2 * expected)
        assert actual.dtype == expected.dtype
    assert all(not array.any() for array in Same(1).of_chief(values))
    assert Same(1).of_chief([]) == []
    assert Same(0).any(True)
    assert not Same(0).any(False)


def test_a_process_alone_has_everything():
    assert workers() is ALONE
    assert ALONE.share == WHOLE
    tensors = [tf.ones(3), tf.zeros(2)]
    assert ALONE.sum(tensors) is tensors
    assert ALONE.gather(tensors) is tensors
    assert ALONE.any(True)
    assert not ALONE.any(False)
    joined = Same(1)
    with working_with(joined):
        assert workers() is joined
        assert workers().share == Share(1, 2)
    assert workers() is ALONE
