"""Callbacks that decide: plateaus and the best epoch."""

import types

import keras
import pytest

from nima_pretrain.errors import InputError
from nima_pretrain.training.callbacks import (
    KeepBest,
    LogRows,
    ReduceOnPlateau,
    StopOnPlateau,
)


def run(callback, losses):
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})


def test_rates_fall_when_the_loss_has_not_gained_for_some_epochs():
    optimizer = keras.optimizers.Adam(1.0)
    callback = ReduceOnPlateau(factor=0.5, patience=2, min_delta=0.1)
    callback.set_model(types.SimpleNamespace(optimizer=optimizer))
    run(callback, [5.0, 4.0, 3.95, 3.92])
    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    run(callback, [3.0, 3.0])
    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    run(callback, [3.0])
    assert float(optimizer.learning_rate) == pytest.approx(0.25)


def test_training_stops_when_the_loss_has_not_gained_for_some_epochs():
    callback = StopOnPlateau(patience=2, min_delta=0.1)
    callback.set_model(types.SimpleNamespace(stop_training=False))
    run(callback, [5.0, 4.0, 3.95])
    assert not callback.model.stop_training
    run(callback, [3.92])
    assert callback.model.stop_training
    never = StopOnPlateau(patience=None, min_delta=0.1, losses=[1.0] * 50)
    assert not never.is_over


def test_plateaus_are_counted_on_from_the_epochs_before():
    losses = [5.0, 4.0, 3.95, 3.92, 3.0, 3.0, 3.0, 3.0, 3.0]
    for begun in range(len(losses)):
        optimizer = keras.optimizers.Adam(1.0)
        stop = StopOnPlateau(4, 0.1, losses[:begun])
        reduce = ReduceOnPlateau(0.5, 2, 0.1, losses[:begun])
        fell = []
        for epoch in range(begun, len(losses)):
            model = types.SimpleNamespace(optimizer=optimizer, stop_training=False)
            for callback in (stop, reduce):
                callback.set_model(model)
            before = float(optimizer.learning_rate)
            run(stop, losses[epoch : epoch + 1])
            run(reduce, losses[epoch : epoch + 1])
            if float(optimizer.learning_rate) < before:
                fell.append(epoch)
        assert fell == [epoch for epoch in (3, 6, 8) if epoch >= begun]
        assert stop.is_over


def test_the_epoch_with_the_lowest_loss_is_kept():
    saved = []
    callback = KeepBest(lambda logs: saved.append(logs["val_loss"]))
    run(callback, [3.0, 2.0, 2.5, 1.5, 1.5])
    assert saved == [3.0, 2.0, 1.5]
    assert (callback.epoch, callback.logs["val_loss"]) == (4, 1.5)
    callback.check()


def test_training_that_diverged_is_said_so():
    callback = KeepBest(lambda logs: None)
    run(callback, [float("nan"), float("inf")])
    with pytest.raises(InputError, match="Training diverged: no epoch had a finite"):
        callback.check()


def test_the_log_keeps_earlier_epochs_and_replaces_those_that_are_trained_again(tmp_path):
    file = tmp_path / "log.csv"
    run(LogRows(file), [3.0, 0.1 + 0.2, 9.0])
    LogRows(file).on_epoch_end(2, {"val_loss": 1.5})
    assert file.read_text().split() == [
        "epoch,val_loss",
        "0,3.0",
        "1,0.30000000000000004",
        "2,1.5",
    ]
