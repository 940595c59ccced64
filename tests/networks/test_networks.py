"""Backbone, pretext model and NIMA: shapes, preprocessing, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.distortions import Aspect, get_bank
from nima_pretrain.networks import build_backbone, build_nima, build_pretext_model
from nima_pretrain.networks.nima import start_from_mean

PAPER = get_bank("paper")


@pytest.mark.parametrize("bank", [PAPER, get_bank("repaired")], ids=["paper", "repaired"])
def test_pretext_model_has_one_output_a_task(bank):
    backbone = build_backbone(input_size=32, width=0.35)
    tasks = ("ranking", "classification", "regression")
    model = build_pretext_model(backbone, bank, tasks)
    views = np.random.default_rng(0).integers(0, 256, (1, bank.num_views, 32, 32, 3), np.uint8)
    outputs = model(views)
    assert list(outputs) == list(tasks)
    assert outputs["ranking"].shape == (1, bank.num_views)
    assert ((outputs["ranking"] > 0) & (outputs["ranking"] < 1)).numpy().all()
    assert outputs["regression"].shape == (1, bank.num_views, 21)
    shapes = {name: logits.shape[-1] for name, logits in outputs["classification"].items()}
    assert shapes == {aspect.value: len(bank.of_aspect(aspect)) for aspect in Aspect}
    assert len(model.losses) == 3


def test_every_task_reaches_the_first_layer_of_the_backbone():
    for task in ("ranking", "classification", "regression"):
        backbone = build_backbone(input_size=32, width=0.35)
        model = build_pretext_model(backbone, PAPER, (task,))
        views = np.random.default_rng(0).integers(0, 256, (1, 174, 32, 32, 3), np.uint8)
        with tf.GradientTape() as tape:
            model(views, training=True)
            loss = tf.add_n(model.losses)
        gradient = tape.gradient(loss, backbone.get_layer("Conv1").kernel)
        assert np.abs(gradient).max() > 0, task


def test_nima_predicts_distributions():
    model = build_nima(build_backbone(input_size=32, width=0.35), num_bins=7)
    photos = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    distributions = model(photos).numpy()
    assert distributions.shape == (3, 7)
    np.testing.assert_allclose(distributions.sum(axis=1), 1, rtol=1e-5)


def test_a_head_can_start_from_the_mean_distribution():
    model = build_nima(build_backbone(input_size=32, width=0.35), num_bins=4)
    mean = np.array([0.1, 0.2, 0.3, 0.4])
    start_from_mean(model, mean)
    photos = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for training in (False, True):
        predicted = model(photos, training=training)
        np.testing.assert_allclose(predicted, [mean] * 3, rtol=1e-5)


def test_unknown_tasks_are_refused():
    backbone = build_backbone(input_size=32, width=0.35)
    with pytest.raises(ValueError, match=r"Unknown tasks \['colour'\]. Known tasks: ranking"):
        build_pretext_model(backbone, PAPER, ("ranking", "colour"))


@pytest.mark.slow
def test_a_few_steps_lower_the_loss_of_every_task(photo):
    keras.utils.set_random_seed(1)
    backbone = build_backbone(input_size=32, width=0.35)
    tasks = ("ranking", "classification", "regression")
    model = build_pretext_model(backbone, PAPER, tasks, chunk_size=None)
    model.compile(keras.optimizers.Adam(1e-3))
    views = PAPER.render(photo, size=32)[None]
    history = model.fit(views, epochs=25, verbose=0).history
    for task in tasks:
        losses = history[f"{task}_raw"]
        assert losses[-1] < 0.8 * losses[0], task
