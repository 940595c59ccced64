"""The formats of exports: their file, their packages, and the modules that write and run them."""

import importlib.util
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from nima_pretrain.errors import InputError

FormatName = Literal["savedmodel", "onnx", "litert", "openvino"]
Precision = Literal["float32", "float16"]


class Format(NamedTuple):
    """A format of exports.

    Attributes:
        file: name of the model's file; "." where the whole folder is the model.
        module: the module that writes and runs it.
        packages: what the module imports, besides TensorFlow.
        batch: number of photos that the model takes at once; None for any.
        runtime_options: what the runtime must be told to compute the exact scores.
    """

    file: str
    module: str
    packages: tuple[str, ...] = ()
    batch: int | None = None
    runtime_options: Mapping[str, str] = MappingProxyType({})

    def load_module(self) -> Any:
        """Returns the module: `write(computation, path, half=...)`, and `load(path)`, a `Run`."""
        return import_module(f"nima_pretrain.exporting.{self.module}")


_FORMATS: dict[FormatName, Format] = {
    "savedmodel": Format(".", "to_savedmodel"),
    "onnx": Format("model.onnx", "to_onnx", ("onnx", "onnxruntime", "tf2onnx")),
    "litert": Format("model.tflite", "to_litert", ("ai_edge_litert",), batch=1),
    # By itself it computes in bfloat16 where the processor can: scores differed by 0.1 points.
    "openvino": Format(
        "model.xml",
        "to_openvino",
        ("openvino",),
        runtime_options=MappingProxyType({"INFERENCE_PRECISION_HINT": "f32"}),
    ),
}
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def format_of(name: str) -> Format:
    """Returns a format, after checking that its packages are installed.

    Raises:
        InputError: there is no such format, or a package is missing.
    """
    if name not in _FORMATS:
        raise InputError(f"Expected --to {', '.join(FORMATS)}, received {name!r}.")
    found = _FORMATS[name]
    missing = [package for package in found.packages if not importlib.util.find_spec(package)]
    if missing:
        names = ", ".join(package.replace("_", "-") for package in missing)
        raise InputError(
            f"--to {name} needs packages that are not installed: {names}. "
            "Install them with: pip install 'nima-pretrain[export]'."
        )
    return found


def check_precision(precision: str) -> None:
    """Checks the name of a precision.

    Raises:
        InputError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"Expected --precision {' or '.join(PRECISIONS)}, received {precision!r}.")
