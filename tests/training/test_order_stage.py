"""The ordering stage: it learns, keeps what it should, and survives a kill."""

import json
import random
import signal
import subprocess
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig, OrderConfig
from nima_pretrain.data.photos import load_fitted
from nima_pretrain.errors import InputError
from nima_pretrain.metrics import earth_movers_distances
from nima_pretrain.networks import load_model
from nima_pretrain.training.checkpoint import Stage
from nima_pretrain.training.finetune import finetune
from nima_pretrain.training.order_stage import ReturnTo
from tests.processes import position_of, wait_until
from tests.small_networks import SMALL
from tests.training.test_finetune_resume import command, data  # noqa: F401

ORDER = OrderConfig(
    steps=60, series_per_step=2, rated_per_step=2, blank_per_step=1, warmup_steps=2, num_workers=0
)
CONFIG = FinetuneConfig(**SMALL, batch_size=8, epochs=1, head_epochs=1)


@pytest.mark.slow
def test_the_stage_teaches_order_and_keeps_the_weights_before_it(data, photo_folder, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    # Eight epochs of ratings, so that batch-norm has statistics of images.
    rates = {"head_learning_rate": 5e-3, "backbone_learning_rate": 1e-3}
    order = ORDER.model_copy(update={"steps": 150, "anchor": 0.0, **rates})
    config = CONFIG.model_copy(update={"order": order, "epochs": 8})
    results = finetune(
        data / "ratings.csv", run, images=data, photos=photo_folder, config=config, backbone="none"
    )
    log = pd.read_csv(run / "order" / "log.csv")
    assert len(log) == 10
    assert log["loss"].iloc[-1] < 0.95 * log["loss"].iloc[0]
    assert results.ordered["ordered_pairs"] == pytest.approx(log["ordered_pairs"].iloc[-1])
    assert results.ordered["val_loss"] == pytest.approx(validation_emd(run), rel=1e-4)
    assert results.epochs == 8
    before, after = (load_model(run / f"{name}.h5") for name in ("ratings_alone", "nima"))
    moved = [
        np.abs(a - b).max()
        for a, b in zip(*(m.get_weights() for m in (before, after)), strict=True)
    ]
    assert max(moved) > 1e-3
    fixed = [
        (one.moving_mean.numpy(), other.moving_mean.numpy())
        for one, other in zip(before.layers, after.layers, strict=True)
        if hasattr(one, "moving_mean")
    ]
    for one, other in fixed:
        np.testing.assert_array_equal(one, other)
    seen = pd.read_csv(run / "photos.csv")
    found = {path.relative_to(photo_folder).as_posix() for path in photo_folder.rglob("*.*")}
    assert set(seen["photo"]) == found
    assert set(seen["part"]) == {"training"}


def validation_emd(run):
    """The EMD of the saved weights on the validation photos."""
    table = pd.read_csv(run / "ratings.csv").query("part == 'validation'")
    true = table.filter(regex=r"p\d+").to_numpy()
    size, fit = CONFIG.input_size, CONFIG.fit
    photos = np.stack([load_fitted(Path(path), size, fit) for path in table["path"]])
    predicted = load_model(run / "nima.h5").predict(photos, verbose=0)
    return earth_movers_distances(true, predicted).mean()


def test_a_folder_of_photos_is_checked_before_anything_is_trained(data, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    with pytest.raises(InputError, match="gone"):
        finetune(data / "ratings.csv", run, images=data, photos=tmp_path / "gone", backbone="none")
    assert not run.exists()


def test_variables_return_to_their_values_at_the_rate_of_the_optimizer():
    variable = tf.Variable([1.0, 2.0])
    callback = ReturnTo([variable], rate=20.0)
    variable.assign([3.0, 2.0])
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01))
    callback.set_model(model)
    callback.on_train_batch_end(0)
    np.testing.assert_allclose(variable.numpy(), [3.0 - 0.2 * 2.0, 2.0], rtol=1e-6)


@pytest.mark.slow
def test_a_stage_that_is_killed_resumes_to_the_same_weights(data, photo_folder, tmp_path):  # noqa: F811
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = CONFIG.model_copy(update={"order": ORDER.model_copy(update={"steps": 20})})
    ratings = data / "ratings.csv"
    finetune(ratings, whole, images=data, photos=photo_folder, config=config, backbone="none")
    (tmp_path / "config.json").write_text(json.dumps(config.model_dump(mode="json")))
    options = ("--config", tmp_path / "config.json", "--backbone", "none", "--photos", photo_folder)
    begin = command(data, killed, *options, "--set", "checkpoint_seconds=0")
    target = random.randrange(1, 10)
    print(f"killed after {target} steps of the ordering stage")

    def is_due():
        position = position_of(killed)
        is_ordering = position and position.stage == Stage.ORDER
        return is_ordering and 2 * position.epoch + position.step >= target

    with subprocess.Popen(begin, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_until(process, is_due)
        process.send_signal(signal.SIGKILL)
    with pytest.raises(InputError, match="begun with photos for the ordering stage"):
        finetune(ratings, killed, images=data, resume=True)
    finetune(ratings, killed, images=data, photos=photo_folder, resume=True)
    first, second = (load_model(run / "nima.h5").get_weights() for run in (whole, killed))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    results = [json.loads((run / "results.json").read_text()) for run in (whole, killed)]
    assert results[0]["ordered"]["loss"] == pytest.approx(results[1]["ordered"]["loss"], rel=1e-5)
    assert results[0]["epochs"] == results[1]["epochs"] == 1
