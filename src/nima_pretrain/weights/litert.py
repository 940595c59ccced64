"""Models as `.tflite` files beside their weights, which run without TensorFlow.

LiteRT, the successor of TensorFlow Lite, starts in a fraction of TensorFlow's time. Such a file is
made from the weights by TensorFlow, once, see `litert_writing`; the side-car of the weights has its
sha256 and the largest difference between the outputs of both.
"""

import importlib.util
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nima_pretrain.config import NetworkConfig
from nima_pretrain.errors import InputError
from nima_pretrain.weights.litert_features import with_feature_output
from nima_pretrain.weights.native_stderr import without_lines
from nima_pretrain.weights.side_car import Card, sha256_of, side_car_path


class LiteRtModel:
    """A function from photos (B, S, S, 3) uint8 RGB to a model's outputs (B, n) float32.

    Every thread that calls it has an interpreter of its own, which computes one photo at a time on
    one core. So decoding and scoring threads share the cores.

    Attributes:
        network: size and fit of its input.
        scores_in_threads: True: it is called by the threads that decode photos.
    """

    scores_in_threads = True

    def __init__(self, path: Path, network: NetworkConfig) -> None:
        self.network = network
        self._outputs = _Interpreters(path.read_bytes())

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        (outputs,) = self._outputs(photos)
        return outputs

    def with_features(self, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs for photos, and the features (B, F) float32 that they come from."""
        outputs, features = self._outputs_and_features(photos)
        return outputs, features

    @cached_property
    def _outputs_and_features(self) -> "_Interpreters":
        return _Interpreters(with_feature_output(self._outputs.content))


class _Interpreters:
    """A function from photos to all outputs of a `.tflite` model, with an interpreter a thread.

    Attributes:
        content: the model.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._of_thread = threading.local()
        # The first interpreter of a process announces its XNNPACK kernels.
        with without_lines(b"Created TensorFlow Lite XNNPACK delegate"):
            self._interpreter()

    def __call__(self, photos: np.ndarray) -> list[np.ndarray]:
        interpreter = self._interpreter()
        (given,), results = interpreter.get_input_details(), interpreter.get_output_details()
        outputs: list[list[np.ndarray]] = [[] for _ in results]
        for photo in photos:
            interpreter.set_tensor(given["index"], photo[None])
            interpreter.invoke()
            for of_result, result in zip(outputs, results, strict=True):
                of_result.append(interpreter.get_tensor(result["index"])[0])
        return [np.stack(of_result) for of_result in outputs]

    def _interpreter(self) -> Any:
        if not hasattr(self._of_thread, "interpreter"):
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self.content, num_threads=1)
            interpreter.allocate_tensors()
            self._of_thread.interpreter = interpreter
        return self._of_thread.interpreter


def litert_path(weights: Path) -> Path:
    """Returns the path of the `.tflite` file of a weights file."""
    return weights.with_suffix(".tflite")


def has_litert() -> bool:
    """Returns True if the package that runs such files is installed."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def load_litert(weights: Path, side_car: Card) -> LiteRtModel:
    """Returns the model of the `.tflite` file beside a weights file.

    Args:
        weights: the weights file.
        side_car: its side-car, of a NIMA or a pretext model.

    Raises:
        InputError: there is no such file, or it is not the one that the side-car describes.
    """
    path = litert_path(weights)
    described = side_car.litert
    if not path.is_file() or described is None:
        raise InputError(
            f"Expected {path.name} beside {weights}, with its sha256 in the side-car. `finetune`, "
            "`distill` and `weights publish` write it; --engine tensorflow needs none."
        )
    check_litert(weights, side_car)
    return LiteRtModel(path, side_car.network)


def check_litert(weights: Path, side_car: Card) -> None:
    """Checks that the `.tflite` file beside a weights file is intact, if there is one.

    Args:
        weights: the weights file.
        side_car: its side-car.

    Raises:
        InputError: it is not the one that the side-car describes.
    """
    path, described = litert_path(weights), side_car.litert
    if described and path.is_file() and sha256_of(path) != described.sha256:
        raise InputError(
            f"{path} is not the file that {side_car_path(weights).name} describes: its sha256 "
            "differs. Copy all files of the model anew, together, or use --engine tensorflow."
        )
