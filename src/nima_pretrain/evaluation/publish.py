"""A run's weights as files that any static host can serve, with a card that says what they are."""

import shutil
from pathlib import Path

from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.evaluate import evaluations_of, metrics_table
from nima_pretrain.files import read_json, replacing, write_json
from nima_pretrain.report import markdown_table, render
from nima_pretrain.weights.manifest import (
    MANIFEST,
    Entry,
    Manifest,
    read_manifest,
    write_manifest,
)
from nima_pretrain.weights.side_car import SideCar, read_beside, side_car_path

_FILES = ("nima.h5", "pretext.h5", "backbone.h5")
_WHAT = {
    "nima": "Predicts how people would rate a photograph: a distribution of scores (NIMA).",
    "pretext": "Ranks distorted versions of photographs, and tells the distortion; learned without "
    "labels.",
    "backbone": "Features of photographs: a start for fine-tuning. Loads with "
    "`keras.applications`, too.",
}
_USE = {
    "nima": "nima-pretrain predict PHOTOS --weights {name}",
    "pretext": "nima-pretrain predict PHOTOS --weights NIMA --explain {name}",
    "backbone": "nima-pretrain finetune --ratings FILE --images DIR --backbone {name} --run RUN",
}
_DIGEST_SHOWN = 8


def publish(run: Path, folder: Path) -> list[Entry]:
    """Puts a run's weights, side-cars, cards and manifest rows into a folder.

    Args:
        run: folder of a run.
        folder: to be served; what else it publishes stays. A card that is there is kept, since
            somebody may have written into it.

    Raises:
        InputError: the run has no weights, or the folder cannot be written.
    """
    weights = [run / name for name in _FILES if (run / name).is_file()]
    if not weights:
        raise InputError(f"Expected a run with {', '.join(_FILES)} in {run}, found none of them.")
    before = read_manifest(folder) if (folder / MANIFEST).is_file() else Manifest()
    entries = [_publish_file(file, folder, run) for file in weights]
    names = {entry.name for entry in entries}
    others = [entry for entry in before.weights if entry.name not in names]
    write_manifest(folder, Manifest(weights=(*others, *entries)))
    return entries


def _publish_file(file: Path, folder: Path, run: Path) -> Entry:
    side_car = read_beside(file)
    network = side_car.network
    name = (
        f"{side_car.kind}_{network.backbone}_{network.width:g}_{network.input_size}"
        f"-{side_car.sha256[:_DIGEST_SHOWN]}"
    )
    target = folder / f"{name}.h5"
    with replacing(target) as partial:
        shutil.copyfile(file, partial)
    write_json(side_car_path(target), side_car.model_dump(mode="json", exclude_none=True))
    entry = Entry(
        name=name,
        address=target.name,
        bytes=target.stat().st_size,
        sha256=side_car.sha256,
        side_car=side_car,
    )
    card = folder / f"{name}.md"
    if not card.exists():
        with replacing(card) as partial:
            partial.write_text(_card(entry, side_car, run), encoding="utf-8")
    return entry


def _card(entry: Entry, side_car: SideCar, run: Path) -> str:
    metrics = []
    # `train` keeps its evaluation where its fine-tuning is.
    evaluations = evaluations_of(run) or evaluations_of(run / "finetune")
    for name, evaluation in evaluations.items() if side_car.kind == "nima" else ():
        results = read_json(evaluation / "results.json", "evaluation")
        title = f"{name} ({results['images']} photos, {results['scale']})"
        metrics.append((title, markdown_table(metrics_table(results))))
    return render(
        "card.md",
        entry=entry,
        network=side_car.network,
        what=_WHAT[side_car.kind],
        use=_USE[side_car.kind].format(name=entry.name),
        scale=str(side_car.score_scale) if side_car.scale else "",
        metrics=metrics,
    )
