"""Callbacks that decide: plateaus and the best epoch."""

import io
import signal
import types

import keras
import numpy as np
import pytest
from rich.console import Console

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.errors import InputError
from nima_pretrain.progress import show_on
from nima_pretrain.training.callbacks import (
    KeepBest,
    LogRows,
    Plateau,
    ReduceOnPlateau,
    StopOnPlateau,
)
from nima_pretrain.training.checkpoint import CHECKPOINT, Position, Stage, load_checkpoint
from nima_pretrain.training.progress_bar import ShowProgress, bars_removed
from nima_pretrain.training.resumable_fit import Checkpoints

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def run(callback, losses):
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})


def test_rates_fall_when_the_loss_has_not_gained_for_some_epochs():
    optimizer = keras.optimizers.Adam(1.0)
    callback = ReduceOnPlateau(factor=0.5, patience=2, plateau=Plateau(0.1))
    callback.set_model(types.SimpleNamespace(optimizer=optimizer))
    run(callback, [5.0, 4.0, 3.95, 3.92])
    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    run(callback, [3.0, 3.0])
    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    run(callback, [3.0])
    assert float(optimizer.learning_rate) == pytest.approx(0.25)


def test_training_stops_when_the_loss_has_not_gained_for_some_epochs():
    callback = StopOnPlateau(patience=2, plateau=Plateau(0.1))
    callback.set_model(types.SimpleNamespace(stop_training=False))
    run(callback, [5.0, 4.0, 3.95])
    assert not callback.model.stop_training
    run(callback, [3.92])
    assert callback.model.stop_training
    never = StopOnPlateau(patience=None, plateau=Plateau(0.1, best=1.0, epochs_without=49))
    assert not never.is_over


def checkpoints_of(folder, resumed=None):
    """Checkpoints of a run that begins, or goes on from a checkpoint."""
    return Checkpoints(
        folder,
        resumed.position if resumed else Position(),
        lambda logs: None,
        about={},
        config=FinetuneConfig(),
        resumed=resumed,
    )


def watched_by(checkpoints):
    """Callbacks that stop training and lower rates, with counters that checkpoints keep."""
    stop = StopOnPlateau(4, checkpoints.plateau("stop", 0.1))
    return stop, ReduceOnPlateau(0.5, 2, checkpoints.plateau("reduce", 0.1))


def epochs_where_rates_fell(model, watchers, losses, first):
    fell = []
    for epoch in range(first, len(losses)):
        before = float(model.optimizer.learning_rate)
        for callback in watchers:
            callback.set_model(model)
            callback.on_epoch_end(epoch, {"val_loss": losses[epoch]})
        if float(model.optimizer.learning_rate) < before:
            fell.append(epoch)
    return fell


def small_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(1.0), loss="mse")
    return model


def end_epoch(checkpoints, model, epoch):
    """Logs that Keras passes to a callback at the end of an epoch."""
    checkpoints.set_model(model)
    checkpoints.on_train_begin()
    checkpoints.on_epoch_end(epoch, {})


def test_plateaus_are_counted_on_from_a_checkpoint(tmp_path):
    losses = [5.0, 4.0, 3.95, 3.92, 3.0, 3.0, 3.0, 3.0, 3.0]
    for begun in range(1, len(losses)):
        model = small_model()
        first = checkpoints_of(tmp_path)
        fell = epochs_where_rates_fell(model, watched_by(first), losses[:begun], 0)
        end_epoch(first, model, begun - 1)

        resumed = load_checkpoint(tmp_path / CHECKPOINT)
        assert resumed.position.epoch == begun
        model, second = small_model(), checkpoints_of(tmp_path, resumed)
        second.restore(model)
        stop, reduce = watched_by(second)
        fell += epochs_where_rates_fell(model, (stop, reduce), losses, begun)
        assert fell == [3, 6, 8]
        assert float(model.optimizer.learning_rate) == 0.5**3
        assert stop.is_over


def test_a_stage_that_begins_counts_anew(tmp_path):
    model, first = small_model(), checkpoints_of(tmp_path)
    first.plateau("stop", 0.1).add(2.0)
    end_epoch(first, model, 0)
    second = checkpoints_of(tmp_path, load_checkpoint(tmp_path / CHECKPOINT))
    assert second.plateau("stop", 0.1) == Plateau(0.1, best=2.0)
    second.enter(Stage.EVERYTHING)
    assert second.plateau("stop", 0.1) == Plateau(0.1)
    assert (second.position.stage, second.position.stage_start) == (Stage.EVERYTHING, 1)


def test_a_counter_survives_the_checkpoint_whatever_it_holds(tmp_path):
    for losses in ([], [float("nan")], [3.0, 3.0], list(np.float32([3.0, 2.0, 2.0]))):
        model, first = small_model(), checkpoints_of(tmp_path)
        plateau = first.plateau("stop", 0.1)
        for loss in losses:
            plateau.add(loss)
        end_epoch(first, model, 0)
        second = checkpoints_of(tmp_path, load_checkpoint(tmp_path / CHECKPOINT))
        assert second.plateau("stop", 0.1) == plateau


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
    with pytest.raises(InputError, match="Training diverged: expected a finite validation loss"):
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


def test_sigterm_has_its_former_handler_after_a_training_that_failed(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    checkpoints = checkpoints_of(tmp_path)
    with pytest.raises(RuntimeError, match="broken"), checkpoints.on_sigterm():
        assert signal.getsignal(signal.SIGTERM) != before
        raise RuntimeError("broken")
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_cursor_comes_back_after_a_training_that_failed():
    terminal = io.StringIO()
    show_on(Console(file=terminal, force_terminal=True))
    try:
        bar = ShowProgress(None, epochs=1, shown=())
        with pytest.raises(RuntimeError, match="broken"), bars_removed([bar]):
            bar.on_train_begin()
            assert HIDE_CURSOR in terminal.getvalue()
            assert SHOW_CURSOR not in terminal.getvalue()
            raise RuntimeError("broken")
    finally:
        show_on(None)
    assert SHOW_CURSOR in terminal.getvalue()


def test_the_last_epoch_is_kept_where_the_config_says_so():
    saved = []
    kept = KeepBest(lambda logs: saved.append(logs["val_loss"]), last=True)
    for epoch, loss in enumerate([2.0, 1.0, 3.0, float("nan")]):
        kept.on_epoch_end(epoch, {"val_loss": loss})
    assert saved == [2.0, 1.0, 3.0]
    assert kept.epoch == 3
