"""Makes a darktable model package (.dtmodel) of a scorer that was exported to ONNX.

    nima-pretrain export --to onnx exported
    python make_dtmodel.py exported nima.dtmodel

darktable gives a model a whole photo, (1, 3, H, W) float32 in sRGB, 0 to 1. The package's model
resizes it itself, as nima-pretrain does, so that a script has nothing to compute.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx
from dt_ai_sdk.config import ModelConfig
from dt_ai_sdk.convert import generate_config_json
from dt_ai_sdk.package import package_model
from dt_ai_sdk.validate import run_validation
from onnx import compose, parser, version_converter

MODEL_ID = "rating-nima"
# Resize with antialiasing came with 18.
OPSET = 18

# The short side is brought to the network's size first, then the other one is squashed, or padded
# with black. Values are rounded as 8-bit images are.
_PREPROCESSING = """
<ir_version: 8, opset_import: ["" : {opset}]>
preprocessing (float[1, 3, height, width] image) => (uint8[1, {size}, {size}, 3] pixels)
{{
    zero = Constant <value: tensor = float {{0.0}}> ()
    white = Constant <value: tensor = float {{255.0}}> ()
    side = Constant <value: tensor = int64[1] {{{size}}}> ()
    channels = Constant <value: tensor = int64[2] {{1, 3}}> ()
    original = Shape <start = 2> (image)
    short = ReduceMin <keepdims = 1> (original)
    scaled = Mul (original, side)
    small = Div (scaled, short)
    small_size = Concat <axis = 0> (channels, small)
    values = Mul (image, white)
    clipped = Clip (values, zero, white)
    reduced = Resize <mode = "linear", antialias = 1> (clipped, , , small_size)
    rounded = Round (reduced)
    {fit}
    square_rounded = Round (square)
    square_clipped = Clip (square_rounded, zero, white)
    bytes = Cast <to = 2> (square_clipped)
    pixels = Transpose <perm = [0, 2, 3, 1]> (bytes)
}}
"""
_SQUASH = """
    square_size = Concat <axis = 0> (channels, side, side)
    square = Resize <mode = "linear", antialias = 1> (rounded, , , square_size)
"""
_LETTERBOX = """
    two = Constant <value: tensor = int64[1] {2}> ()
    none = Constant <value: tensor = int64[2] {0, 0}> ()
    long = ReduceMax <keepdims = 1> (small)
    missing = Sub (long, small)
    before = Div (missing, two)
    after = Sub (missing, before)
    pads = Concat <axis = 0> (none, before, none, after)
    padded = Pad (rounded, pads, zero)
    square_size = Concat <axis = 0> (channels, side, side)
    square = Resize <mode = "linear", antialias = 1> (padded, , , square_size)
"""


class PackageError(Exception):
    """An error that the user can correct."""


def make_dtmodel(exported: Path, package: Path) -> Path:
    """Writes a model package, checked by darktable's SDK, and returns its path.

    Args:
        exported: a folder that `nima-pretrain export --to onnx` wrote.
        package: the file to write, *.dtmodel; it is replaced.

    Raises:
        PackageError: the folder holds no such export, or the SDK refuses the package.
    """
    signature = _read_signature(exported)
    with tempfile.TemporaryDirectory() as folder:
        config = _config_of(signature, Path(folder))
        config.output_dir.mkdir(parents=True)
        onnx.save(with_preprocessing(exported / signature["file"], signature), _model_of(config))
        generate_config_json(config)
        try:
            run_validation(config)
        except SystemExit:  # its way to say that it has printed what is wrong
            raise PackageError("darktable's SDK refuses the model, see above.") from None
        made = package_model(config)
        package.parent.mkdir(parents=True, exist_ok=True)
        partial = package.with_name(f".{package.name}.partial")
        partial.write_bytes(made.read_bytes())
        partial.replace(package)
    return package


def with_preprocessing(model: Path, signature: dict[str, Any]) -> onnx.ModelProto:
    """Returns the model with an input `image`, (1, 3, H, W) float32 sRGB, 0 to 1, of any size.

    Its outputs are `mean`, (1,), in points, and `distribution`, (1, n).
    """
    network = signature["network"]
    fit = {"squash": _SQUASH, "letterbox": _LETTERBOX}[network["fit"]]
    text = _PREPROCESSING.format(opset=OPSET, size=network["input_size"], fit=fit)
    before = parser.parse_model(text)
    scorer = version_converter.convert_version(onnx.load(model), OPSET)
    scorer.ir_version = before.ir_version
    whole = compose.merge_models(
        before,
        scorer,
        io_map=[("pixels", signature["input"]["name"])],
        outputs=["mean", "distribution"],
    )
    for output in whole.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _read_signature(exported: Path) -> dict[str, Any]:
    try:
        signature = json.loads((exported / "signature.json").read_text())
    except (OSError, ValueError) as error:
        raise PackageError(
            f"Expected a folder that `nima-pretrain export --to onnx {exported}` wrote, but its "
            f"signature.json cannot be read: {error}."
        ) from None
    if signature.get("format") != "onnx":
        raise PackageError(
            f"Expected an export to ONNX in {exported}, received {signature.get('format')!r}. "
            "Export it with --to onnx."
        )
    return signature


def _config_of(signature: dict[str, Any], root: Path) -> ModelConfig:
    scale = signature["scale"]
    return ModelConfig(
        id=MODEL_ID,
        name="nima rating",
        description="predicts how people would rate the beauty of a photo",
        # darktable has no task of this kind; a Lua script loads the model by its id.
        task="rating",
        arch="nima",
        version=signature["package_version"],
        model_card={
            "author": "nima-pretrain",
            "license": "Apache-2.0",
            "weights": signature["weights"],
            "weights_sha256": signature["weights_sha256"],
        },
        attributes={
            "input": "(1, 3, H, W) float32, sRGB, 0 to 1, upright",
            "outputs": ["mean", "distribution"],
            "lowest_score": scale["low"],
            "highest_score": scale["high"],
        },
        root_dir=root,
    )


def _model_of(config: ModelConfig) -> Path:
    return config.output_dir / "model.onnx"


def main() -> int:
    """Runs the command line."""
    arguments = argparse.ArgumentParser(
        description="Make a darktable model package of an exported scorer."
    )
    arguments.add_argument("exported", type=Path, help="folder of nima-pretrain export --to onnx")
    arguments.add_argument("package", type=Path, help="file to write, e.g. nima.dtmodel")
    given = arguments.parse_args()
    try:
        package = make_dtmodel(given.exported, given.package)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{package} is written; install it in darktable's preferences, AI, import from file")
    return 0


if __name__ == "__main__":
    sys.exit(main())
