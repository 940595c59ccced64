"""Export of a scorer: written beside, run again in its own runtime, and only then renamed."""

import logging
from pathlib import Path

from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import InputError
from nima_pretrain.exporting.formats import FormatName, Precision, check_precision, format_of
from nima_pretrain.exporting.reference_photos import largest_difference, load_references
from nima_pretrain.exporting.signature import (
    SIGNATURE,
    Check,
    Signature,
    outputs_of,
    pixels_of,
    scale_of,
)
from nima_pretrain.files import locked, replacing_folder, write_json
from nima_pretrain.native_stderr import without_lines
from nima_pretrain.weights import BUNDLED
from nima_pretrain.weights.cache import find_scorer
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import NimaCard

logger = logging.getLogger(__name__)

# Largest difference of mean scores on the reference photographs, in points of a scale that is up
# to ten points wide; on wider ones in proportion. float32 was measured to differ by up to 0.000005
# points, float16 by up to 0.004, see docs/export.md.
_ALLOWED: dict[Precision, float] = {"float32": 1e-4, "float16": 1e-2}
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
    written = format_of(to)
    check_precision(precision)
    folder = Path(output).absolute()
    with locked(folder, "DIR"), replacing_folder(folder, SIGNATURE, overwrite) as partial:
        file = find_scorer(BUNDLED if weights is None else weights)
        side_car = read_side_car(file, NimaCard)
        logger.info("converting %s to %s, weights in %s", file.name, to, precision)
        from nima_pretrain.exporting.network import INPUT, OUTPUTS, load_computation

        computation = load_computation(file, side_car)
        module = written.load_module()
        path = partial / written.file
        with without_lines(b""):  # converters print statistics; what fails, they raise
            module.write(computation, path, half=precision == "float16")
            run = module.load(path)
        network, scale = side_car.network, side_car.score_scale
        references = load_references(computation.run, network, scale)
        allowed = _ALLOWED[precision] * max(1, _width(scale) / _USUAL_WIDTH)
        difference = largest_difference(run, references)
        if not difference <= allowed:
            raise InputError(
                f"{folder} would not compute what {file} does: scores of reference photos differ "
                f"by {difference:g} points, more than the {allowed:g} allowed. Nothing is written; "
                "please report it, with the versions of the packages."
            )
        logger.info(
            "%d reference photos: scores differ by at most %.1g points",
            len(references.names),
            difference,
        )
        signature = Signature(
            format=to,
            precision=precision,
            file=written.file,
            weights=file.stem,
            weights_sha256=side_car.sha256,
            network=network,
            input=pixels_of(network, INPUT, written.batch),
            outputs=outputs_of(scale, OUTPUTS, written.batch),
            scale=scale_of(side_car),
            check=Check(
                mean_scores={
                    name: round(float(mean), 6)
                    for name, mean in zip(references.names, references.means, strict=True)
                },
                largest_difference=difference,
                allowed=allowed,
            ),
        )
        write_json(partial / SIGNATURE, signature.model_dump(mode="json"))
    return signature


def _width(scale: ScoreScale) -> float:
    return float(scale.scores[-1] - scale.scores[0])
