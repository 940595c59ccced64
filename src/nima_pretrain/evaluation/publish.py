"""Publication of a run's weights as files for a static web server, with model cards."""

import shutil
from pathlib import Path

from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluation_files import evaluations_of, metrics_table
from nima_pretrain.evaluation.results import EvaluationResults
from nima_pretrain.files import replacing, write_json
from nima_pretrain.locks import locked
from nima_pretrain.report import markdown_table, render
from nima_pretrain.weights.litert import litert_path
from nima_pretrain.weights.litert_writing import try_litert
from nima_pretrain.weights.manifest import (
    MANIFEST,
    Manifest,
    Published,
    read_manifest,
    write_manifest,
)
from nima_pretrain.weights.side_car import (
    BackboneCard,
    NimaCard,
    PretextCard,
    read_beside,
    side_car_path,
)

_FILES = ("nima.h5", "pretext.h5", "backbone.h5")
_WHAT = {
    "nima": "Predicts how people would rate a photograph: a distribution of scores (NIMA).",
    "pretext": "Ranks distorted versions of photographs, and tells the distortion; learned without "
    "labels.",
    "backbone": "Features of photographs: a start for fine-tuning. Loads with "
    "`keras.applications`, too.",
    "imagenet": "The ImageNet weights of `keras.applications`: a start for pretraining and "
    "fine-tuning.",
}
_USE = {
    "nima": "nima-pretrain predict PHOTOS --weights {name}",
    "pretext": "nima-pretrain predict PHOTOS --weights NIMA --explain {name}",
    "backbone": "nima-pretrain finetune --ratings FILE --images DIR --backbone {name} --run RUN",
    "imagenet": "nima-pretrain pretrain PHOTOS --base-weights {name} --run RUN",
}
_DIGEST_SHOWN = 8
_LOCK_SECONDS = 60.0


def publish(run: Path, folder: Path) -> list[Published]:
    """Writes a run's weights, side-cars, model cards and manifest entries; returns the entries.

    Args:
        run: folder of a run.
        folder: folder to be served; its other weights are kept. An existing model card is kept,
            since it may have been edited.

    Raises:
        InputError: the run has no weights, the folder cannot be written, or another process
            publishes into it.
    """
    weights = [run / name for name in _FILES if (run / name).is_file()]
    if not weights:
        raise InputError(f"Expected a run with {', '.join(_FILES)} in {run}, found none of them.")
    with locked(folder, "--to", timeout=_LOCK_SECONDS):
        before = read_manifest(folder) if (folder / MANIFEST).is_file() else Manifest()
        entries = [_publish_file(file, folder) for file in weights]
        names = {entry.name for entry in entries}
        others = [entry for entry in before.weights if entry.name not in names]
        write_manifest(folder, Manifest(weights=(*others, *entries)))
    return entries


def _publish_file(file: Path, folder: Path) -> Published:
    side_car = read_beside(file)
    network = side_car.network
    name = (
        f"{_label(side_car)}_{network.backbone}_{network.width:g}_{network.input_size}"
        f"-{side_car.sha256[:_DIGEST_SHOWN]}"
    )
    target = folder / f"{name}.h5"
    with replacing(target) as partial:
        shutil.copyfile(file, partial)
    side_car = side_car.model_copy(update={"litert": None})  # of a file that is not copied
    write_json(side_car_path(target), side_car.model_dump(mode="json", exclude_none=True))
    if isinstance(side_car, NimaCard) or "regression" in getattr(side_car, "tasks", ()):
        try_litert(target)
        side_car = read_beside(target)
    entry = Published(
        name=name,
        address=target.name,
        bytes=target.stat().st_size,
        sha256=side_car.sha256,
        side_car=side_car,
        litert_bytes=litert_path(target).stat().st_size if side_car.litert else None,
    )
    card = folder / f"{name}.md"
    if not card.exists():
        with replacing(card) as partial:
            partial.write_text(_model_card(entry, file), encoding="utf-8")
    return entry


def _model_card(entry: Published, file: Path) -> str:
    side_car, run = entry.side_car, file.parent
    metrics, scale = [], ""
    # `train` has its evaluation in the folder of fine-tuning.
    evaluations = evaluations_of(run) or evaluations_of(run / "finetune")
    if isinstance(side_car, NimaCard):
        scale = str(side_car.score_scale)
        for name, evaluation in evaluations.items():
            results = EvaluationResults.read(evaluation)
            is_of_file = results.weights in (None, file.name)
            if not is_of_file or results.weights_sha256 not in (None, side_car.sha256):
                continue
            kind = ", with mirror images" if results.with_mirrored else ""
            title = f"{name} ({results.images} photos, {results.scale}{kind})"
            metrics.append((title, markdown_table(metrics_table(results))))
    return render(
        "card.md",
        entry=entry,
        network=side_car.network,
        what=_WHAT[_label(side_car)],
        use=_USE[_label(side_car)].format(name=entry.name),
        scale=scale,
        metrics=metrics,
    )


def _label(side_car: BackboneCard | PretextCard | NimaCard) -> str:
    """Returns the first part of a name: the kind, or "imagenet" for a backbone of that origin."""
    is_imagenet = isinstance(side_car, BackboneCard) and side_car.origin == "imagenet"
    return "imagenet" if is_imagenet else side_car.kind
