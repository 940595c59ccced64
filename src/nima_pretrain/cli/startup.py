"""Import of TensorFlow without its start-up messages."""

import os
import sys

from nima_pretrain.weights.native_stderr import without_lines

# Messages that TensorFlow prints at its start on every machine, or on every one without a GPU.
_NOISE = (
    b"Unable to register cuDNN factory",
    b"Unable to register cuFFT factory",
    b"Unable to register cuBLAS factory",
    b"TF-TRT Warning: Could not find TensorRT",
    b"failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)


def import_tensorflow() -> None:
    """Imports TensorFlow and forwards its stderr output, except for known harmless messages.

    Its informational messages remain disabled afterwards, unless TF_CPP_MIN_LOG_LEVEL is set.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with without_lines(*_NOISE):
        import tensorflow as tf

        # Searches for GPUs here, so that messages on missing ones are filtered, too.
        tf.config.list_physical_devices("GPU")


def open_closed_streams() -> None:
    """Opens standard streams that are closed on the null device.

    Otherwise the first files that are opened take their numbers, and what libraries print goes into
    them. `sys.stdout` stays None then, so that output for it can be refused.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(2), "w")
