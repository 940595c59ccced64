"""Export to OpenVINO's intermediate representation, and its runtime."""

from pathlib import Path

import openvino

from nima_pretrain.exporting.formats import format_of
from nima_pretrain.exporting.network import OUTPUTS, Computation, without_variables
from nima_pretrain.exporting.reference_photos import Run


def write(computation: Computation, path: Path, *, half: bool) -> None:
    """Writes an `.xml` file, and the weights beside it as `.bin`.

    Args:
        computation: what it shall compute.
        path: the `.xml` file.
        half: whether weights are stored as float16.
    """
    frozen = without_variables(computation)
    model = openvino.convert_model(frozen.function.get_concrete_function())
    openvino.save_model(model, path, compress_to_fp16=half)


def load(path: Path) -> Run:
    """Returns the function of such a file, run on the CPU in float32."""
    model = openvino.compile_model(path, "CPU", dict(format_of("openvino").runtime_options))
    return lambda photos: tuple(model(photos)[name] for name in OUTPUTS)
