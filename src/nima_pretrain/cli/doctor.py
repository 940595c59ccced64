"""`nima-pretrain doctor`: a report of the installation, and a check of weights."""

import importlib.util
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nima_pretrain import __version__
from nima_pretrain.cli.console import print_table
from nima_pretrain.cli.options import EngineChoice, start_tensorflow

if TYPE_CHECKING:
    from nima_pretrain.prediction.reference_scores import ScoreCheck

_PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-addons",
    "numpy",
    "pillow",
    "imagecorruptions",
    "scikit-image",
)


def doctor(
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A nima.h5, whose recorded scores are compared with new ones. Default: the "
            "scorer of `predict`.",
        ),
    ] = None,
    engine: EngineChoice = None,
) -> None:
    """Show the installation, and check that weights reproduce their recorded scores."""
    start_tensorflow()
    print_table("This installation", ["", ""], list(map(list, describe_installation())), left=("",))
    from nima_pretrain.prediction.reference_scores import compare_reference_scores
    from nima_pretrain.prediction.scorer import load_scorer
    from nima_pretrain.prediction.variation import warning_of_scores
    from nima_pretrain.weights.finding import find_scorer

    file = find_scorer(weights)
    scorer = load_scorer(file, engine=engine)
    checks = compare_reference_scores(scorer.model, scorer.side_car)
    print_reference_scores(checks, weights or file.stem)
    warning_of_scores(
        [check.received for check in checks if check.received is not None],
        scorer.side_car.score_scale,
    )
    if any(check.agrees is False for check in checks):
        raise typer.Exit(1)


def describe_installation() -> list[tuple[str, str]]:
    """Returns names and values: versions, devices, image formats, downloaded weights."""
    import tensorflow as tf
    from PIL import features

    gpus = tf.config.list_physical_devices("GPU")
    described = [(str(gpu.name), _name_of(gpu)) for gpu in gpus] or [("GPU", "none")]
    return [
        ("nima-pretrain", __version__),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in _PACKAGES),
        ("platform", platform.platform()),
        ("processor cores", str(os.cpu_count())),
        *described,
        ("AVIF photos", "yes" if features.check("avif") else "no, Pillow was built without"),
        ("HEIC photos", _heic()),
        ("downloaded weights", _cache()),
    ]


def print_reference_scores(checks: "Sequence[ScoreCheck]", weights: str) -> None:
    """Prints a comparison of computed with recorded scores."""
    if not checks:
        print(f"The side-car of {weights} records no scores to compare with.")
        return
    verdicts = {True: "the same", False: "NOT the same", None: "another photograph here"}
    rows = [
        [
            check.name,
            f"{check.expected:.4f}",
            "-" if check.received is None else f"{check.received:.4f}",
            verdicts[check.agrees],
        ]
        for check in checks
    ]
    columns = ["photograph", "recorded", "here", "verdict"]
    print_table(f"Scores by {weights}", columns, rows, left=("verdict",))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none; Keras 3 needs none" if package == "tensorflow-addons" else "none"


def _name_of(gpu: Any) -> str:
    import tensorflow as tf

    return str(tf.config.experimental.get_device_details(gpu).get("device_name", "unknown"))


def _heic() -> str:
    if importlib.util.find_spec("pillow_heif"):
        return f"yes, pillow-heif {version('pillow-heif')}"
    return "no, pip install 'nima-pretrain[heic]'"


def _cache() -> str:
    from nima_pretrain.weights.cache import cache_folder, cached

    files = list(cached().values())
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return f"{len(files)} files, {megabytes:.0f} MB in {cache_folder()}"
