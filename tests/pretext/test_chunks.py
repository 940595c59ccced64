"""Exact batches: the chunked gradient is that of one tape."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.config import PretrainConfig
from nima_pretrain.distortions import get_bank
from nima_pretrain.networks import build_backbone, build_pretext_model
from nima_pretrain.networks.backbone import freeze_batch_norm
from nima_pretrain.pretext.chunks import shuffled_chunks
from nima_pretrain.pretext.methods import method_of
from tests.conftest import ROOT
from tests.pretext.mirrored_step import small_backbone

SETTINGS = [
    ("paper", ("ranking",)),
    ("paper", ("ranking", "classification")),
    ("paper", ("ranking", "regression")),
    ("repaired", ("ranking", "regression")),
]


class Recorder(keras.optimizers.SGD):
    """Changes nothing and remembers the gradients."""

    def apply_gradients(self, grads_and_vars, **options):
        self.recorded = {id(variable): gradient for gradient, variable in grads_and_vars}
        return self.iterations.assign_add(1)


def single_tape_gradients(model, views):
    """The same chunks and the same heads, all on one tape."""
    images = tf.reshape(views, (-1, *views.shape[2:]))
    chunks = shuffled_chunks(tf.shape(images)[0], model.chunk_size, tf.constant([model.seed, 0]))
    with tf.GradientTape() as tape:
        parts, rows = [], []
        for chunk in range(int(chunks.count)):
            of_chunk = chunks.images_of(tf.constant(chunk))
            rows.append(of_chunk)
            parts.append(model.backbone(tf.gather(images, of_chunk), training=True))
        order = tf.argsort(tf.concat(rows, axis=0))
        features = tf.gather(tf.concat(parts, axis=0), order)
        loss = model._loss(views, features, training=True)
    return tape.gradient(
        loss, [*model.backbone.trainable_variables, *model.heads.trainable_variables]
    )


@pytest.mark.slow
@pytest.mark.parametrize(("bank", "tasks"), SETTINGS)
def test_chunked_gradients_equal_those_of_a_single_tape(bank, tasks, photo):
    bank = get_bank(bank)
    keras.utils.set_random_seed(0)
    # A whole network once, small ones for the other losses.
    is_whole = bank.name == "repaired"
    backbone = build_backbone(input_size=32, width=0.35) if is_whole else small_backbone()
    model = build_pretext_model(backbone, bank, tasks, chunk_size=50, seed=3)
    model.compile(Recorder(), run_eagerly=True)
    views = tf.constant(np.stack([bank.render(photo, 32), bank.render(photo[::-1], 32)]))
    before = model.get_weights()  # the state of dropout among them
    model.train_on_batch(views)
    model.set_weights(before)
    expected = single_tape_gradients(model, views)
    variables = [*model.backbone.trainable_variables, *model.heads.trainable_variables]
    for variable, gradient in zip(variables, expected, strict=True):
        ours = model.optimizer.recorded[id(variable)]
        error = tf.norm(ours - gradient) / (tf.norm(gradient) + 1e-12)
        assert error < 1e-4, variable.name


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    backbone = build_backbone(input_size=32, width=0.35)
    return build_pretext_model(backbone, get_bank("paper"), ("ranking",), chunk_size=50)


def random_views(photos=1):
    return np.random.default_rng(0).integers(0, 256, (photos, 174, 32, 32, 3), np.uint8)


@pytest.mark.slow
def test_moving_statistics_move_once_by_the_mean_over_the_chunks(model):
    model.compile(Recorder(), run_eagerly=True)
    first = model.backbone.get_layer("bn_Conv1")
    convolution = keras.Model(model.backbone.input, model.backbone.get_layer("Conv1").output)
    views = random_views()
    before = first.moving_mean.numpy()
    model.train_on_batch(views)
    chunks = shuffled_chunks(tf.constant(174), 50, tf.constant([0, 0]))
    expected = np.zeros_like(before)
    for chunk in range(int(chunks.count)):
        rows = chunks.images_of(tf.constant(chunk)).numpy()
        mean = convolution(views[0][rows]).numpy().mean(axis=(0, 1, 2))
        expected += len(rows) / 174 * mean
    np.testing.assert_allclose(
        first.moving_mean, 0.9 * before + 0.1 * expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow
def test_frozen_batch_norm_stays_to_the_last_bit(model):
    freeze_batch_norm(model.backbone)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    norm = model.backbone.get_layer("bn_Conv1")
    norm.set_weights([np.random.default_rng(0).random(w.shape) for w in norm.weights])
    before = norm.get_weights()
    model.train_on_batch(random_views())
    for old, new in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    trainable = {id(variable) for variable in model.backbone.trainable_variables}
    assert id(model.backbone.get_layer("Conv1").kernel) in trainable
    assert not trainable & {id(weight) for weight in norm.weights}


@pytest.mark.slow
def test_validation_moves_nothing_and_depends_on_no_chunks():
    model = build_pretext_model(small_backbone(), get_bank("paper"), ("ranking",))
    views = random_views()
    before = model.backbone.get_weights()
    losses = []
    for chunk_size in (7, 50, 500):
        model.chunk_size = chunk_size
        model.compile(Recorder())
        dataset = tf.data.Dataset.from_tensors(views)
        losses.append(model.evaluate(dataset, verbose=0, return_dict=True)["loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    for old, new in zip(before, model.backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_smaller_last_batch_counts_by_its_photos():
    model = build_pretext_model(small_backbone(), get_bank("paper"), ("ranking",), chunk_size=174)
    model.compile(Recorder())
    first, last = np.split(random_views(3), [2])

    def loss_of(*batches):
        signature = tf.TensorSpec((None, 174, 32, 32, 3), tf.uint8)
        dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
        results = model.evaluate(dataset, steps=len(batches), verbose=0, return_dict=True)
        return results["loss"]

    expected = (2 * loss_of(first) + loss_of(last)) / 3
    assert loss_of(first, last) == pytest.approx(expected, rel=1e-6)
    assert loss_of(first) != pytest.approx(loss_of(last), rel=1e-3)


@pytest.mark.parametrize(("images", "size"), [(1392, 16), (174, 50), (5, 8), (17, 16)])
def test_chunks_hold_every_image_once_and_are_of_nearly_equal_size(images, size):
    chunks = shuffled_chunks(tf.constant(images), size, tf.constant([1, 2]))
    parts = [chunks.images_of(tf.constant(c)).numpy() for c in range(int(chunks.count))]
    assert sorted(np.concatenate(parts)) == list(range(images))
    lengths = [len(part) for part in parts]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_chunks_are_shuffled_anew_for_every_step_and_repeat_with_the_seed():
    orders = [
        shuffled_chunks(tf.constant(99), 16, tf.constant(seed)).order.numpy().tolist()
        for seed in ((0, 1), (0, 1), (0, 2), (1, 1))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] != orders[3] != orders[0]


@pytest.mark.slow
def test_two_devices_make_the_step_of_one():
    done = subprocess.run(
        [sys.executable, "-m", "tests.pretext.mirrored_step"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["replicas"] == 2
    assert result["difference"] < 1e-4
    assert result["together"] == pytest.approx(result["alone"], rel=1e-4, abs=0.01)


@pytest.mark.slow
def test_xla_gives_the_same_step():
    weights = []
    for xla in (False, True):
        keras.utils.set_random_seed(0)
        model = build_pretext_model(
            small_backbone(), get_bank("paper"), ("ranking",), chunk_size=50, xla=xla
        )
        model.compile(keras.optimizers.SGD(0.1))
        start = [weight.numpy() for weight in model.backbone.weights]
        model.train_on_batch(random_views())
        weights.append([weight.numpy() for weight in model.backbone.weights])
    for before, plain, compiled in zip(start, *weights, strict=True):
        moved = np.linalg.norm(plain - before)
        assert moved > 0
        assert np.linalg.norm(compiled - plain) < 1e-3 * moved


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_trains_in_full(precision):
    keras.utils.set_random_seed(0)
    backbone = build_backbone("MobileNet", 32, 0.25, precision)
    assert backbone.get_layer("conv1").compute_dtype == precision.removeprefix("mixed_")
    assert {weight.numpy().dtype.name for weight in backbone.weights} == {"float32"}
    assert keras.mixed_precision.global_policy().name == "float32"
    model = build_pretext_model(backbone, get_bank("paper"), ("ranking",), chunk_size=58)
    config = PretrainConfig(precision=precision, learning_rate=1e-3)
    optimizer = method_of(config).optimizer()
    if precision == "mixed_float16":
        # The scale it begins with is found too high, and halved, for as many steps as it takes.
        assert isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
        inner = keras.optimizers.SGD(1e-3)
        optimizer = keras.mixed_precision.LossScaleOptimizer(inner, initial_scale=16)
    model.compile(optimizer)
    before = backbone.get_layer("conv1").kernel.numpy()
    losses = [model.train_on_batch(random_views(), return_dict=True) for _ in range(2)]
    assert np.isfinite([loss["loss"] for loss in losses]).all()
    after = backbone.get_layer("conv1").kernel.numpy()
    assert np.isfinite(after).all()
    assert (before != after).any()
    assert {metric.dtype for metric in model.metrics} == {"float32"}
