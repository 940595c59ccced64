"""Conversion of models to `.tflite` files, see `litert`, with a comparison of the outputs."""

import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

# Not part of TensorFlow's public interface, but what its own converter uses. The public way, by a
# SavedModel, takes five times as long.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nima_pretrain.data.photos import load_fitted
from nima_pretrain.data.samples import lossless_photos
from nima_pretrain.errors import InputError
from nima_pretrain.files import replacing, write_json
from nima_pretrain.networks.photo_model import PhotoModel
from nima_pretrain.pretext.levels import levels_model
from nima_pretrain.weights.litert import LiteRtModel, litert_path
from nima_pretrain.weights.native_stderr import quietly
from nima_pretrain.weights.side_car import (
    Card,
    LiteRtFile,
    NimaCard,
    PretextCard,
    read_beside,
    sha256_of,
    side_car_path,
)
from nima_pretrain.weights.store import load_model

logger = logging.getLogger(__name__)

# Shares of ratings and levels of distortions are of the order of 0.1 to 1; float32 of either
# engine is exact to some millionths.
_LARGEST_DIFFERENCE = 1e-4


def write_litert(weights: Path) -> None:
    """Writes the `.tflite` file of a weights file, and its sha256 into the side-car.

    The file of a NIMA model computes the distribution of scores, that of a pretext model the
    levels of distortions.

    Args:
        weights: weights of a NIMA model or of a pretext model with a regression head.

    Raises:
        InputError: the weights are of another kind, or the outputs of the two differ.
    """
    side_car = read_beside(weights)
    model = _computed(weights, side_car)
    path = litert_path(weights)
    network = side_car.network
    with replacing(path) as partial:
        partial.write_bytes(_converted(model, network.input_size))
        photos = np.stack(
            [load_fitted(photo, network.input_size, network.fit) for photo in lossless_photos()]
        )
        expected = PhotoModel(model, network)(photos)
        difference = float(np.abs(LiteRtModel(partial, network)(photos) - expected).max())
        if not difference <= _LARGEST_DIFFERENCE:
            raise InputError(
                f"{path} would not compute what {weights} does: outputs differ by {difference:g}."
            )
    file = LiteRtFile(sha256=sha256_of(path), difference=difference)
    side_car = side_car.model_copy(update={"litert": file})
    write_json(side_car_path(weights), side_car.model_dump(mode="json", exclude_none=True))


def try_litert(weights: Path) -> None:
    """Does what `write_litert` does, or logs why it cannot: TensorFlow scores without such a file.

    A training of hours does not fail for it.
    """
    try:
        write_litert(weights)
    except Exception as error:  # the converter raises many kinds
        logger.warning("%s is not written: %s", litert_path(weights).name, error)


def _computed(weights: Path, side_car: Card) -> keras.Model:
    """Returns the Keras model that the file shall compute."""
    if isinstance(side_car, NimaCard):
        return load_model(weights)
    if isinstance(side_car, PretextCard) and "regression" in side_car.tasks:
        return levels_model(load_model(weights), side_car.network).model
    raise InputError(f"Expected a NIMA model, or one with a regression head, received {weights}.")


def _converted(model: keras.Model, size: int) -> bytes:
    photos = tf.TensorSpec((1, size, size, 3), tf.uint8, name="photos")
    compute = tf.function(lambda photos: model(photos, training=False), input_signature=[photos])
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)  # it warns that a graph alone is converted in an older way
    try:
        with quietly():
            graph = convert_variables_to_constants_v2(compute.get_concrete_function())
            converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
            content: bytes = converter.convert()
    finally:
        absl.setLevel(level)
    return content
