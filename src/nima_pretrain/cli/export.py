"""`nima-pretrain export`."""

from pathlib import Path
from typing import Annotated

import typer

from nima_pretrain.cli.console import say
from nima_pretrain.cli.options import given, start_tensorflow
from nima_pretrain.errors import InputError
from nima_pretrain.weights import BUNDLED, SUFFIXES


def export(
    context: typer.Context,
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="savedmodel, onnx, litert or openvino.")
    ],
    # A single argument is DIR: typer has no optional argument before a required one.
    weights: Annotated[
        str | None,
        typer.Argument(
            metavar="WEIGHTS",
            show_default=False,
            help="A nima.h5 with its side-car, or the name of published weights. Default: the "
            "scorer that comes with the package.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder to write: the model, and signature.json."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="float32|float16", help="Type of the stored weights; float16 halves the file."
        ),
    ] = "float32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export in the same folder.")
    ] = False,
) -> None:
    """Write a scorer for another runtime: TensorFlow Serving, ONNX Runtime, LiteRT, OpenVINO."""
    from nima_pretrain.exporting.formats import check_precision, format_of

    if output is None:
        if weights is None or weights == BUNDLED or weights.endswith(SUFFIXES):
            raise InputError(
                "Expected the folder to write as the last argument: nima-pretrain export "
                f"{weights or '[WEIGHTS]'} --to {to} DIR."
            )
        output, weights = Path(weights), None
    # Reports wrong arguments before TensorFlow is imported.
    format_of(to)
    check_precision(precision)
    start_tensorflow()
    from nima_pretrain.exporting.export import export as write_export
    from nima_pretrain.exporting.signature import SIGNATURE

    signature = write_export(**given(context, weights=weights, output=output))
    file = output if signature.file == "." else output / signature.file
    say(f"{file} is written, and how to call it is in {output / SIGNATURE}")
