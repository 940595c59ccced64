"""Export to ONNX, and its runtime, ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tf2onnx

from nima_pretrain.exporting.network import INPUT, OUTPUTS, SMALLEST_HALVED, Computation
from nima_pretrain.exporting.reference_photos import Run

# ONNX Runtime supports it since version 1.12 of 2022.
_OPSET = 17


def write(computation: Computation, path: Path, *, half: bool) -> None:
    """Writes an ONNX file.

    Args:
        computation: what it shall compute.
        path: the file.
        half: whether weights are stored as float16, and cast to float32 when they are loaded.
    """
    model, _ = tf2onnx.convert.from_function(
        computation.function, input_signature=[computation.signature], opset=_OPSET
    )
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    if half:
        _store_as_half(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def load(path: Path) -> Run:
    """Returns the function of an ONNX file, run by ONNX Runtime on the CPU."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda photos: tuple(session.run(OUTPUTS, {INPUT: photos}))


def _store_as_half(graph: Any) -> None:
    casts = []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < SMALLEST_HALVED:
            continue
        name, stored = weight.name, f"{weight.name}/float16"
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]  # a node comes after those that it needs
    del graph.node[:]
    graph.node.extend(nodes)
