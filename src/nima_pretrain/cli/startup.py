"""TensorFlow without its start-up noise."""

import os
import sys
import tempfile

# What TensorFlow says on every machine at its start, or on every one without a GPU.
_NOISE = (
    b"Unable to register cuDNN factory",
    b"Unable to register cuFFT factory",
    b"Unable to register cuBLAS factory",
    b"TF-TRT Warning: Could not find TensorRT",
    b"failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)


def import_tensorflow() -> None:
    """Imports TensorFlow and passes on what it says on stderr, but for lines known to be noise.

    TensorFlow writes these lines itself, past Python, so they are caught at the file descriptor.
    Its informational lines stay off later as well, unless TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            import tensorflow as tf

            # The first look for GPUs; what is said of their absence would come later otherwise.
            tf.config.list_physical_devices("GPU")
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            caught.seek(0)
            for line in caught:
                if not any(noise in line for noise in _NOISE):
                    os.write(stderr, line)
            os.close(stderr)
