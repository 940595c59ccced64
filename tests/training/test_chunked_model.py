"""Fine-tuning in chunks makes the steps of Keras' own training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nima_pretrain.config import FinetuneConfig
from nima_pretrain.networks import build_nima
from nima_pretrain.networks.backbone import with_fixed_statistics
from nima_pretrain.networks.emd import earth_movers_distance
from nima_pretrain.networks.nima import head_of
from nima_pretrain.networks.optimizers import backbone_and_head_optimizer, head_optimizer
from nima_pretrain.training.chunked_model import chunked
from tests.pretext.mirrored_step import small_backbone

CONFIG = FinetuneConfig(
    batch_size=7,
    dropout=0.5,
    batch_norm="fixed",  # so that chunks are no part of the result
    backbone_learning_rate=1e-3,
)


def trained(chunk_size):
    """The weights after both stages, and the logs."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (12, 32, 32, 3), np.uint8)
    targets = rng.dirichlet(np.ones(5), 12).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((photos, targets)).batch(7).repeat()
    small = small_backbone()
    backbone = keras.Model(small.input, small.output, name="backbone")
    nima = build_nima(backbone, 5, CONFIG.dropout)
    start = nima.get_weights()
    config = CONFIG.model_copy(update={"chunk_size": chunk_size})
    model = chunked(nima, backbone, config) if chunk_size else with_fixed_statistics(nima, backbone)
    logs = {}
    for is_free in (False, True):
        backbone.trainable = is_free
        both = partial_optimizer(backbone, nima) if is_free else head_optimizer(config)
        model.compile(both, loss=earth_movers_distance)
        history = model.fit(
            dataset, steps_per_epoch=2, validation_data=dataset, validation_steps=2, verbose=0,
            shuffle=False,
        )  # fmt: skip
        logs |= {f"{name} {is_free}": values[0] for name, values in history.history.items()}
    return start, nima.get_weights(), logs


def partial_optimizer(backbone, nima):
    return backbone_and_head_optimizer([backbone], head_of(nima), CONFIG)


@pytest.mark.slow
def test_chunks_make_the_weights_and_losses_of_the_whole_batch():
    start, plain, plain_logs = trained(None)
    _, in_chunks, logs = trained(3)
    assert max(np.abs(a - b).max() for a, b in zip(start, plain, strict=True)) > 1e-3
    for expected, actual in zip(plain, in_chunks, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    assert logs == pytest.approx(plain_logs, abs=1e-6)
