"""A model that takes photos, together with the form in which it takes them."""

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config import NetworkConfig

# How many photos go through the layers at once where nothing is compiled. Keras 3 keeps what every
# layer has computed until the last one is done: about 80 MB a photo for MobileNetV2 at 224 px.
_LAYER_BY_LAYER = 4


class PhotoModel:
    """What a model says of batches of photos, (B, n) float32, for any B.

    The first batch is computed layer by layer, all others by a compiled graph: compiling takes
    longer than one batch, so that a handful of photos never waits for it.

    Attributes:
        model: from photos (B, S, S, 3) uint8 to (B, n) float32.
        network: size and fit of its input.
    """

    def __init__(self, model: keras.Model, network: NetworkConfig) -> None:
        self.model = model
        self.network = network
        shape = (None, network.input_size, network.input_size, 3)
        self._compiled = tf.function(
            lambda photos: model(photos, training=False),
            input_signature=[tf.TensorSpec(shape, tf.uint8)],
        )
        self._is_first = True

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        if self._is_first:
            self._is_first = False
            few = range(0, len(photos), _LAYER_BY_LAYER)
            parts = [photos[start : start + _LAYER_BY_LAYER] for start in few]
            return np.concatenate([self.model(part, training=False).numpy() for part in parts])
        return self._compiled(photos).numpy()
