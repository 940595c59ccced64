"""One pretext step on one device and on two, printed as JSON; a program for test_chunks.py.

Logical devices have to be made before TensorFlow starts, hence a process of its own.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.distortions import get_bank
from nima_pretrain.networks import build_pretext_model
from nima_pretrain.training.callbacks import FollowSchedule
from nima_pretrain.training.devices import choose_strategy, give_to_all_replicas


def small_backbone() -> keras.Model:
    """Returns a network with what matters here: convolutions and batch-norm."""
    images = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, strides=2, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))


def one_step(mirrored: bool, views: np.ndarray, start: list[np.ndarray] | None = None):
    """Returns the weights of backbone and head before and after a step, and the metrics."""
    # A margin that is met in one and just missed in the other would be a true difference.
    keras.utils.set_random_seed(0)
    strategy = choose_strategy(mirrored)
    with strategy.scope():
        model = build_pretext_model(
            small_backbone(), get_bank("paper"), ("ranking",), chunk_size=58
        )
        model.compile(keras.optimizers.SGD(1.0))  # the schedule sets another rate
    weights = [*model.backbone.weights, *model.heads.trainable_weights]
    if start is None:
        start = [weight.numpy() for weight in weights]
    for weight, value in zip(weights, start, strict=True):
        weight.assign(value)
    dataset = give_to_all_replicas(tf.data.Dataset.from_tensors(views).repeat(), strategy)
    schedule = FollowSchedule(lambda epoch: 1e-3, steps=1)
    history = model.fit(dataset, steps_per_epoch=1, verbose=0, callbacks=[schedule]).history
    tested = model.evaluate(dataset, steps=1, verbose=0, return_dict=True)
    metrics = {name: values[0] for name, values in history.items()}
    metrics |= {f"test_{name}": value for name, value in tested.items()}
    return start, [weight.numpy() for weight in weights], metrics, strategy.num_replicas_in_sync


def main() -> None:
    """Compares both, weight by weight, and prints the largest relative difference of a step."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    views = np.random.default_rng(0).integers(0, 256, (3, 174, 32, 32, 3), np.uint8)
    start, alone, alone_metrics, _ = one_step(False, views)
    _, together, together_metrics, replicas = one_step(True, views, start)
    differences = []
    for before, first, second in zip(start, alone, together, strict=True):
        moved = np.linalg.norm(first - before)
        differences.append(float(np.linalg.norm(second - first) / (moved + 1e-9)))
    result = {
        "replicas": replicas,
        "difference": max(differences),
        "alone": alone_metrics,
        "together": together_metrics,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
