"""Export to LiteRT, a `.tflite` file with a named signature."""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from nima_pretrain.exporting.network import INPUT, OUTPUTS, Computation, without_variables
from nima_pretrain.exporting.reference_photos import Run
from nima_pretrain.exporting.to_savedmodel import save

_SIGNATURE = "serving_default"


def write(computation: Computation, path: Path, *, half: bool) -> None:
    """Writes a `.tflite` file for one photo at a time, which all delegates of LiteRT accept.

    Args:
        computation: what it shall compute.
        path: the file.
        half: whether weights are stored as float16.
    """
    frozen = without_variables(computation, batch=1)
    # Names of inputs and outputs come from a SavedModel alone.
    with tempfile.TemporaryDirectory() as folder:
        save({_SIGNATURE: frozen.function}, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())


def load(path: Path) -> Run:
    """Returns the function of a `.tflite` file, run by LiteRT on the CPU."""
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(model_path=str(path)).get_signature_runner(_SIGNATURE)

    def run(photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = [signature(**{INPUT: photo[None]}) for photo in photos]
        distributions, means = (
            np.concatenate([output[name] for output in outputs]) for name in OUTPUTS
        )
        return distributions, means

    return run
