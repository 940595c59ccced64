"""Export to a SavedModel, which TensorFlow Serving and `tf.saved_model.load` run.

Its signatures take pixels, or encoded files as strings. A third has the names and the range of
idealo's Image Quality Assessment, so that its client for TensorFlow Serving works unchanged.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nima_pretrain.exporting.encoded_photos import LIMITS, fitted_photos
from nima_pretrain.exporting.network import (
    DISTRIBUTION,
    MEAN,
    OUTPUTS,
    Computation,
    without_variables,
)
from nima_pretrain.exporting.reference_photos import References, Run
from nima_pretrain.exporting.signature import Check, OtherSignature, Tensor, outputs_of
from nima_pretrain.metrics import mean_score

PIXELS = "pixels"
ENCODED = "serving_default"
IDEALO = "image_quality"
# TensorFlow Serving decodes base64 of inputs, and encodes outputs, by the end of such names.
ENCODED_INPUT = "photo_bytes"
IDEALO_INPUT, IDEALO_OUTPUT = "input_image", "quality_prediction"


# Scores of files, in points: TensorFlow's pixels differ by at most 1 of 255 from Pillow's.
_ALLOWED_OF_FILES = 0.01


def write(computation: Computation, path: Path, *, half: bool) -> None:
    """Writes a SavedModel.

    Args:
        computation: what it shall compute.
        path: the folder.
        half: whether weights are stored as float16, and cast to float32 where they are used.
    """
    network = computation.network
    frozen = without_variables(computation, half=half).function
    size = network.input_size

    def encoded(photo_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.device("CPU"):
            photos = fitted_photos(photo_bytes, network)
        return frozen(photos)

    def idealo(input_image: tf.Tensor) -> dict[str, tf.Tensor]:
        photos = tf.clip_by_value(tf.round((input_image + 1) * 127.5), 0, 255)
        return {IDEALO_OUTPUT: frozen(tf.cast(photos, tf.uint8))[DISTRIBUTION]}

    files = tf.TensorSpec((None,), tf.string, name=ENCODED_INPUT)
    from_minus_one = tf.TensorSpec((None, size, size, 3), tf.float32, name=IDEALO_INPUT)
    signatures = {
        PIXELS: frozen,
        ENCODED: tf.function(encoded, input_signature=[files], autograph=False),
        IDEALO: tf.function(idealo, input_signature=[from_minus_one], autograph=False),
    }
    save(signatures, path)


def save(signatures: Mapping[str, Any], path: Path | str) -> None:
    """Writes a SavedModel of functions without variables.

    Args:
        signatures: the functions, by name.
        path: the folder.
    """
    # Swish has a gradient of its own, which nobody needs here and which cannot be written.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tf.Module(), path, signatures=dict(signatures), options=options)


def load(path: Path) -> Run:
    """Returns the function of pixels of a SavedModel."""
    run = load_signature(path, PIXELS)

    def compute(photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = run(photos)
        return outputs[DISTRIBUTION], outputs[MEAN]

    return compute


def load_signature(path: Path, name: str) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Returns the function of a signature, from its only input to its outputs by name.

    Args:
        path: the folder of the SavedModel.
        name: name of the signature.
    """
    model = tf.saved_model.load(path)
    signature = model.signatures[name]
    (given,) = signature.structured_input_signature[1]

    def run(values: np.ndarray, model: Any = model) -> dict[str, np.ndarray]:  # which keeps it
        outputs = signature(**{given: tf.constant(values)})
        return {output: tensor.numpy() for output, tensor in outputs.items()}

    return run


def other_signatures(
    path: Path, references: References, allowed: float
) -> tuple[OtherSignature, ...]:
    """Returns descriptions of the other signatures, with their largest difference to the weights.

    Args:
        path: the folder of the SavedModel.
        references: the photographs and scores to compare with.
        allowed: largest difference of the signature of pixels, in points.
    """
    scale = references.scale
    outputs = outputs_of(scale, OUTPUTS, None)
    names, files = zip(*references.files.items(), strict=True)
    expected = references.means[[references.names.index(name) for name in names]]
    means = load_signature(path, ENCODED)(np.array(files, object))[MEAN]
    encoded = OtherSignature(
        name=ENCODED,
        input=Tensor(
            name=ENCODED_INPUT,
            dtype="string",
            shape=(None,),
            meaning="content of JPEG and PNG files; decoding and resizing are part of the model",
        ),
        outputs=outputs,
        limits=LIMITS,
        check=Check(
            largest_difference=_largest(means - expected), allowed=allowed + _ALLOWED_OF_FILES
        ),
    )
    pixels = references.photos.astype(np.float32) / 127.5 - 1
    distributions = load_signature(path, IDEALO)(pixels)[IDEALO_OUTPUT]
    difference = mean_score(distributions, scale.scores) - references.means
    size = references.photos.shape[1]
    idealo = OtherSignature(
        name=IDEALO,
        input=Tensor(
            name=IDEALO_INPUT,
            dtype="float32",
            shape=(None, size, size, 3),
            meaning="the same pixels as value / 127.5 - 1, from -1 to 1, as idealo's client sends",
        ),
        outputs=(outputs[0].model_copy(update={"name": IDEALO_OUTPUT}),),
        check=Check(largest_difference=_largest(difference), allowed=allowed),
    )
    return encoded, idealo


def _largest(differences: np.ndarray) -> float:
    return float(np.max(np.abs(differences)))
