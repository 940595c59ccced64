"""The computation that every export holds: from pixels to score distributions and mean scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

# Not part of TensorFlow's public interface, but what its own converters use.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.weights.side_car import NimaCard
from nima_pretrain.weights.store import load_model

INPUT = "photos"
DISTRIBUTION, MEAN = OUTPUTS = ("distribution", "mean")

# Vectors, such as those of batch normalization, are small, and float16 would harm them most.
SMALLEST_HALVED = 1024


@dataclass(frozen=True)
class Computation:
    """The computation of a scorer.

    Attributes:
        function: a `tf.function` from `photos` (B, S, S, 3) uint8 RGB, 0 to 255, to a mapping:
            `distribution` (B, n) float32, lowest score first, and `mean` (B,) float32, in points.
        network: size and fit of its input.
        scale: its score scale.
    """

    function: Any
    network: NetworkConfig
    scale: ScoreScale

    def run(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns distributions (B, n) and mean scores (B,), float32."""
        outputs = self.function(photos)
        return outputs[DISTRIBUTION].numpy(), outputs[MEAN].numpy()

    @property
    def signature(self) -> tf.TensorSpec:
        """Shape, dtype and name of the input."""
        return self.function.input_signature[0]


def load_computation(weights: Path, side_car: NimaCard) -> Computation:
    """Returns the computation of a weights file.

    Args:
        weights: the weights file of a NIMA model.
        side_car: its side-car.

    Raises:
        InputError: see `store.load_model`.
    """
    model = load_model(weights, NimaCard)
    network, scale = side_car.network, side_car.score_scale
    scores = scale.scores.astype(np.float32)

    def compute(photos: tf.Tensor) -> dict[str, tf.Tensor]:
        distribution = model(photos, training=False)
        return {DISTRIBUTION: distribution, MEAN: tf.linalg.matvec(distribution, scores)}

    return Computation(_with_signature(compute, network.input_size), network, scale)


def without_variables(
    computation: Computation, *, half: bool = False, batch: int | None = None
) -> Computation:
    """Returns the computation with the weights as constants of its graph.

    Args:
        computation: from `load_computation`.
        half: whether weights are stored as float16, and cast to float32 where they are used.
        batch: number of photos, if it is fixed.
    """
    graph = convert_variables_to_constants_v2(computation.function.get_concrete_function()).graph
    definition = graph.as_graph_def()
    if half:
        for node in list(definition.node):
            if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum:
                _store_as_half(node, definition)
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(definition, name=""), [])
    inputs, outputs = ([tensor.name for tensor in ends] for ends in (graph.inputs, graph.outputs))
    pruned = imported.prune(inputs, outputs)

    def compute(photos: tf.Tensor) -> dict[str, tf.Tensor]:
        # A function's outputs are sorted by name, as these are.
        return dict(zip(OUTPUTS, pruned(photos), strict=True))

    network = computation.network
    return Computation(
        _with_signature(compute, network.input_size, batch), network, computation.scale
    )


def _with_signature(compute: Any, size: int, batch: int | None = None) -> Any:
    photos = tf.TensorSpec((batch, size, size, 3), tf.uint8, name=INPUT)
    return tf.function(compute, input_signature=[photos], autograph=False)


def _store_as_half(node: Any, definition: Any) -> None:
    """Replaces a constant of many float32 values by float16 values and a cast of its name."""
    values = tf.make_ndarray(node.attr["value"].tensor)
    if values.size < SMALLEST_HALVED:
        return
    name, node.name = node.name, f"{node.name}/float16"
    node.attr["dtype"].type = tf.float16.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.astype(np.float16)))
    cast = definition.node.add(op="Cast", name=name, input=[node.name])
    cast.attr["SrcT"].type = tf.float16.as_datatype_enum
    cast.attr["DstT"].type = tf.float32.as_datatype_enum
