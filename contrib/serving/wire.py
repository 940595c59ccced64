"""The JSON of TensorFlow Serving's REST interface, for the signature that takes files."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine import Prediction

from nima_pretrain.exporting.signature import Signature

SIGNATURE_NAME = "serving_default"
INPUT = "photo_bytes"


class WireError(Exception):
    """The body of a request is not what was expected; the message says why."""


class PredictRequest(NamedTuple):
    """The content of the photos, and whether rows or columns are wanted in return."""

    files: list[bytes]
    by_row: bool


def parse_request(body: bytes, most: int) -> PredictRequest:
    """Returns the photos of the body of a `:predict` request.

    Args:
        body: {"instances": [{"b64": ...}, ...]}, or {"inputs": ...} with the same list; each photo
            or the whole list may be named "photo_bytes".
        most: the number of photos that is allowed.

    Raises:
        WireError: the body has another form.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"Expected JSON: {error}") from None
    if not isinstance(content, dict) or ("instances" in content) == ("inputs" in content):
        raise WireError('Expected an object with either "instances" or "inputs"')
    if content.get("signature_name", SIGNATURE_NAME) != SIGNATURE_NAME:
        raise WireError(f"Expected the signature {SIGNATURE_NAME}; this server has no other")
    by_row = "instances" in content
    photos = content["instances"] if by_row else _unnamed(content["inputs"])
    if not isinstance(photos, list) or not photos:
        raise WireError('Expected a list of photos, [{"b64": "..."}, ...]')
    if len(photos) > most:
        raise WireError(f"Expected at most {most} photos, received {len(photos)}")
    return PredictRequest([_bytes_of(photo, n) for n, photo in enumerate(photos)], by_row)


def response_of(predictions: Sequence[Prediction], *, by_row: bool) -> dict[str, Any]:
    """Returns the answer to a `:predict` request."""
    if by_row:
        return {"predictions": [prediction._asdict() for prediction in predictions]}
    distributions, means = zip(*predictions, strict=True)
    return {"outputs": {"distribution": distributions, "mean": means}}


def status_of(state: str = "AVAILABLE") -> dict[str, Any]:
    """Returns the answer to a question for the model's status."""
    status = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": "1", "state": state, "status": status}]}


def metadata_of(name: str, signature: Signature) -> dict[str, Any]:
    """Returns the answer to a question for the model's signatures, and our own signature."""
    distribution, mean = signature.outputs
    definition = {
        "inputs": {INPUT: _tensor("DT_STRING", [-1])},
        "outputs": {
            distribution.name: _tensor("DT_FLOAT", [-1, signature.scale.bins]),
            mean.name: _tensor("DT_FLOAT", [-1]),
        },
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": "1"},
        "metadata": {
            "signature_def": {"signature_def": {SIGNATURE_NAME: definition}},
            "nima_pretrain": signature.model_dump(mode="json"),
        },
    }


def _tensor(dtype: str, shape: Sequence[int]) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": sizes, "unknown_rank": False}}


def _unnamed(value: Any) -> Any:
    return value[INPUT] if isinstance(value, dict) and value.keys() == {INPUT} else value


def _bytes_of(photo: Any, number: int) -> bytes:
    photo = _unnamed(photo)
    if not isinstance(photo, dict) or photo.keys() != {"b64"} or not isinstance(photo["b64"], str):
        raise WireError(f'instance {number}: expected {{"b64": "..."}}')
    try:
        return base64.b64decode(photo["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"instance {number}: expected base64: {error}") from None
