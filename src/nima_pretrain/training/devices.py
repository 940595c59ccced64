"""Distribution of a training over devices."""

import logging

import tensorflow as tf

from nima_pretrain.errors import InputError
from nima_pretrain.networks.workers import workers

logger = logging.getLogger(__name__)


def choose_strategy(mirrored: bool) -> tf.distribute.Strategy:
    """Returns TensorFlow's default strategy, or one with a replica of the model on every GPU.

    Args:
        mirrored: whether to use all visible GPUs; without any, all logical CPUs.

    Raises:
        InputError: this process is one of several workers, which use one device each.
    """
    if not mirrored:
        return tf.distribute.get_strategy()
    if workers().count > 1:
        raise InputError(
            f"Expected mirrored=false on each of {workers().count} workers, received true. Start "
            "one worker for each GPU instead."
        )
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    logger.info("devices: %s", ", ".join(device.name for device in devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def give_to_all_replicas(
    dataset: tf.data.Dataset, strategy: tf.distribute.Strategy
) -> tf.data.Dataset:
    """Returns a dataset that gives every full batch to every replica.

    The replicas share the chunks of a batch, not its photos; see `pretext.chunks`. So their steps
    equal those of one device.
    """
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas == 1:
        return dataset
    # Replicas take turns in reading one dataset.
    repeated = dataset.flat_map(
        lambda batch: tf.data.Dataset.from_tensors(batch).repeat(num_replicas)
    )
    return strategy.distribute_datasets_from_function(lambda context: repeated)
