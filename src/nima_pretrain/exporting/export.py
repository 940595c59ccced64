"""Export of a scorer: written beside, run again in its own runtime, and only then renamed."""

import logging
from pathlib import Path

import numpy as np

from nima_pretrain.errors import InputError
from nima_pretrain.exporting.formats import (
    Format,
    FormatName,
    Precision,
    check_precision,
    format_of,
)
from nima_pretrain.exporting.reference_photos import largest_difference, load_references
from nima_pretrain.exporting.signature import (
    SIGNATURE,
    Check,
    Signature,
    outputs_of,
    pixels_of,
    scale_of,
)
from nima_pretrain.files import replacing_folder, write_json
from nima_pretrain.locks import locked
from nima_pretrain.weights import BUNDLED
from nima_pretrain.weights.finding import find_scorer
from nima_pretrain.weights.native_stderr import quietly
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

logger = logging.getLogger(__name__)

# Largest difference of mean scores on the reference photographs, in points of a scale that is up
# to ten points wide; on wider ones in proportion. float32 was measured to differ by up to 0.000008
# points, float16 by up to 0.009, see docs/export.md.
_ALLOWED: dict[Precision, float] = {"float32": 1e-4, "float16": 0.03}
_USUAL_WIDTH = 10


def export(
    weights: Path | str | None,
    output: Path | str,
    *,
    to: FormatName,
    precision: Precision = "float32",
    overwrite: bool = False,
) -> Signature:
    """Writes a scorer in the format of another runtime, and returns its signature.

    The export is run again in its own runtime, on reference photographs. If its scores differ from
    those of the weights, it is refused, and nothing is left behind.

    Args:
        weights: a `nima.h5` with its side-car beside it, or the name of published weights; None or
            "bundled" for the scorer that comes with the package.
        output: the folder to write, with the model and `signature.json`.
        to: "savedmodel", "onnx", "litert" or "openvino".
        precision: the type in which weights are stored; "float16" halves the file.
        overwrite: whether an export that is there is replaced.

    Raises:
        InputError: the weights score no photos; a package is missing; the folder exists or cannot
            be written; or the export does not compute what the weights do.

    Example:
        >>> signature = export(None, "exported", to="onnx")
        >>> signature.input.name, signature.check.largest_difference
    """
    target = format_of(to)
    check_precision(precision)
    folder = Path(output).absolute()
    with locked(folder, "DIR"), replacing_folder(folder, SIGNATURE, overwrite) as partial:
        file = find_scorer(BUNDLED if weights is None else weights)
        side_car = read_side_car(file, NimaCard)
        logger.info("converting %s to %s, weights in %s", file.name, to, precision)
        signature = _written(file, side_car, target, partial, to=to, precision=precision)
        for check in (signature.check, *(other.check for other in signature.other_signatures)):
            if not check.largest_difference <= check.allowed:
                raise InputError(
                    f"{folder} would not compute what {file} does: scores of reference photos "
                    f"differ by {check.largest_difference:g} points, more than the "
                    f"{check.allowed:g} allowed. Nothing is written. Try another format, and "
                    "please report it."
                )
        logger.info(
            "%d reference photos: scores differ by at most %.1g points",
            len(signature.reference_scores),
            signature.check.largest_difference,
        )
        write_json(partial / SIGNATURE, signature.model_dump(mode="json"))
    return signature


def _written(
    weights: Path,
    side_car: NimaCard,
    target: Format,
    folder: Path,
    *,
    to: FormatName,
    precision: Precision,
) -> Signature:
    """Writes the model into a folder, runs it, and returns the signature with what it found."""
    from nima_pretrain.exporting.network import INPUT, OUTPUTS, load_computation

    computation = load_computation(weights, side_car)
    network, scale = computation.network, computation.scale
    references = load_references(computation.run, network, scale)
    allowed = _ALLOWED[precision] * max(1, np.ptp(scale.scores) / _USUAL_WIDTH)
    path = folder / target.file
    module = target.load_module()
    try:
        with quietly():
            module.write(computation, path, half=precision == "float16")
            difference = largest_difference(module.load(path), references)
            others = (
                module.other_signatures(path, references, allowed) if to == "savedmodel" else ()
            )
    except Exception as error:  # each converter raises kinds of its own
        raise InputError(f"{weights} cannot be converted to {to}: {error}") from error
    return Signature(
        format=to,
        precision=precision,
        file=target.file,
        runtime_options=dict(target.runtime_options),
        weights=weights.stem,
        weights_sha256=side_car.sha256,
        network=network,
        input=pixels_of(network, INPUT, target.batch),
        outputs=outputs_of(scale, OUTPUTS, target.batch),
        scale=scale_of(side_car),
        other_signatures=others,
        check=Check(largest_difference=difference, allowed=allowed),
        reference_scores=references.by_name(),
    )
