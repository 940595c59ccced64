"""A model of photos, with the format of its input."""

from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from nima_pretrain.config import NetworkConfig

# Batch size without a compiled graph. Keras 3 keeps the outputs of all layers until the last one
# is done: about 80 MB per photo for MobileNetV2 at 224 px.
_LAYER_BY_LAYER = 4


class PhotoModel:
    """A function from photos (B, S, S, 3) uint8 RGB to a model's outputs (B, n) float32.

    The first batch is computed layer by layer, all others by a compiled graph. Compiling takes
    longer than one batch, so a few photos are scored without it.

    Attributes:
        model: from photos (B, S, S, 3) uint8 to (B, n) float32.
        network: size and fit of its input.
        scores_in_threads: False: it takes batches, and uses all cores itself.
    """

    scores_in_threads = False

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

    def with_features(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs for photos, and the features (B, F) float32 that they come from.

        Features are the input of the model's last layer.
        """
        both = self._outputs_beside_features(photos)
        num_outputs = self.model.output_shape[-1]
        return both[:, :num_outputs], both[:, num_outputs:]

    @cached_property
    def _outputs_beside_features(self) -> "PhotoModel":
        both = keras.layers.Concatenate()([self.model.output, self.model.layers[-1].input])
        return PhotoModel(keras.Model(self.model.input, both), self.network)
