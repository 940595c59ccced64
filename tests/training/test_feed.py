"""The feed: waiting is measured, errors come out as themselves, workers end."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.errors import PhotoError
from nima_pretrain.training.feed import Feed

SIGNATURE = (tf.TensorSpec((None, 2), tf.float32), tf.TensorSpec((None, 1), tf.float32))
BATCH = (np.ones((4, 2), np.float32), np.ones((4, 1), np.float32))


def tiny_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def test_waiting_and_photos_are_counted_and_nothing_is_read_ahead():
    def slow():
        while True:
            time.sleep(0.05)
            yield BATCH

    with Feed(slow(), 3, SIGNATURE) as feed:
        tiny_model().fit(feed.dataset, steps_per_epoch=3, epochs=2, verbose=0, shuffle=False)
        assert feed.images == 24
        assert 0.3 <= feed.waited_seconds < 0.6


def test_an_error_of_the_batches_comes_out_as_itself(tmp_path):
    def failing():
        yield BATCH
        raise PhotoError(tmp_path / "gone.jpg", "No such file")

    with (
        pytest.raises(PhotoError, match="gone.jpg: No such file"),
        Feed(failing(), 3, SIGNATURE) as feed,
    ):
        tiny_model().fit(feed.dataset, steps_per_epoch=3, verbose=0, shuffle=False)


def test_other_errors_pass_and_the_batches_are_closed():
    closed = []

    def batches():
        try:
            while True:
                yield BATCH
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt), Feed(batches(), 1, SIGNATURE) as feed:
        next(iter(feed.dataset))
        raise KeyboardInterrupt
    assert closed
