"""A study of one model on held-out photos: tables, figures and a section of the report."""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.finding import find_photos
from nima_pretrain.data.scanning import scan_photos
from nima_pretrain.data.split import read_photo_list
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import Aspect, DistortionBank, get_bank
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation import study_figures as figures
from nima_pretrain.evaluation import study_tables as tables
from nima_pretrain.evaluation.view_outputs import Outputs, outputs_of_pretext, outputs_of_scorer
from nima_pretrain.files import replacing
from nima_pretrain.progress import counting
from nima_pretrain.report import Figure, Table, write_section
from nima_pretrain.weights.store import load_model, read_side_car

logger = logging.getLogger(__name__)

Part = Literal["held-out", "validation", "test"]


def study(
    weights: Path,
    photos: Path,
    part: Part = "held-out",
    bank: str = "paper",
    num_workers: int | None = None,
) -> dict[str, Any]:
    """Studies a model on photos that it was not trained on, and returns the main results.

    Writes CSV and PNG into `study/<name of the weights>/` beside the weights, and a section into
    `report.html` there.

    Args:
        weights: a `pretext.h5` or a `nima.h5`, its side-car beside it.
        photos: folder of photographs.
        part: which of them, as the run's `photos.csv` tells: all but those trained on, or one
            part. Without such a file all photos count as held out.
        bank: which views a scoring model is asked about; a pretext model has its own.
        num_workers: processes that render; None for half the cores, 0 for none.

    Raises:
        InputError: the weights are of no such model, or no photo is left.
    """
    side_car = read_side_car(weights)
    if side_car.kind == "backbone":
        raise InputError(
            f"Expected weights that score photos, but {weights} is a backbone alone. "
            "Study the pretext.h5 or the nima.h5 that was trained with it."
        )
    names = _held_out(weights.parent / "photos.csv", photos, part)
    if side_car.kind == "pretext" and "ranking" not in (side_car.tasks or ()):
        raise InputError(
            f"Expected weights that score photos, but {weights} was trained on "
            f"{' and '.join(side_car.tasks or ())}. Fine-tune its backbone.h5, and study that."
        )
    views_bank = get_bank(side_car.bank or bank)
    model = load_model(weights)
    with counting("studying photos", len(names)) as show:
        views = _views(photos, names, views_bank, side_car.network, num_workers, show)
        if side_car.kind == "pretext":
            outputs = outputs_of_pretext(model, views_bank, views)
            score = "ranking score"
        else:
            outputs = outputs_of_scorer(model, side_car.score_scale, views_bank, views)
            score = "mean score"
    title = f"What {weights.name} says of distorted photos"
    return write_study(outputs, weights.parent, weights.stem, title, score)


def write_study(
    outputs: Outputs, folder: Path, name: str, title: str, score: str
) -> dict[str, Any]:
    """Writes all tables and figures of some outputs, and returns the main results.

    Args:
        outputs: of a model.
        folder: where `study/<name>/` and `report.html` go.
        name: of the model.
        title: of the report's section.
        score: what its score is called.
    """
    target = folder / "study" / name
    write = _Writer(target)
    pairs = tables.ordered_pairs(outputs)
    write.table("pairs", pairs)
    overall = pairs[(pairs["group"] != "distortion")].drop(columns=["group", "aspect"])
    write.section(Table(overall, "Share of pairs in order, with 95 % intervals over photos."))
    write.figure(
        "pairs",
        figures.draw_ordered_pairs(pairs),
        "Share of pairs that the score puts in order: of the undistorted photo with a distorted "
        "one (filled), and of two levels of one distortion (hollow).",
    )
    results: dict[str, Any] = {"photos": len(outputs), "pairs": _named(overall, "share")}
    if outputs.logits is not None:
        accuracy = tables.classification_accuracy(outputs)
        write.table("classification", accuracy)
        write.section(Table(accuracy, "How often the distortion is named rightly."))
        confusions = {aspect: tables.confusion(outputs, aspect) for aspect in Aspect}
        for aspect, table in confusions.items():
            write.table(f"confusion_{aspect.value}", table.reset_index())
        write.figure("confusion", figures.draw_confusion(confusions), "What is taken for what.")
        results["accuracy"] = dict(zip(accuracy["aspect"], accuracy["accuracy"], strict=True))
    if outputs.levels is not None:
        levels, agreement = tables.predicted_levels(outputs), tables.level_agreement(outputs)
        write.table("levels", levels)
        write.table("level_agreement", agreement)
        write.figure(
            "levels",
            figures.draw_levels(levels),
            "Each distortion's own output by its true level: median, and 5 to 95 % of the photos; "
            "dotted: what it was trained to say.",
        )
        write.section(Table(agreement, "How each output follows its level."))
        write.figure(
            "brightness",
            figures.draw_brightness(outputs),
            "Brightness edits, as the outputs for brightness and for contrast see them (figure 4 "
            "of Pfister, Kobs and Hotho).",
        )
        results["level_lcc"] = dict(zip(agreement["distortion"], agreement["lcc"], strict=True))
    curves = tables.score_curves(outputs)
    ends = tables.strongest_levels(curves)
    write.table("scores", curves)
    write.figure(
        "scores",
        figures.draw_score_curves(curves, score),
        f"Change of the {score} as each distortion grows, with its 95 % interval over photos. "
        "It should fall to both sides of 0.",
    )
    write.section(
        Table(ends, f"Both ends of every distortion: how often it raises the {score} of a photo.")
    )
    results["outscores"] = float(ends["outscores"].mean())
    text = f"{len(outputs)} photos that it was not trained on, in {outputs.bank.num_views} views "
    text += f"each ({outputs.bank.name} bank)."
    page = write_section(folder, f"study-{name}", title, text, write.parts)
    return results | {"report": str(page), "folder": str(target)}


class _Writer:
    """Writes files, and remembers what belongs into the report's section."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.parts: list[Figure | Table] = []

    def table(self, name: str, table: pd.DataFrame) -> None:
        with replacing(self._folder / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)

    def figure(self, name: str, figure: Any, caption: str) -> None:
        png = self._folder / f"{name}.png"
        with replacing(png) as partial:
            figure.savefig(partial, dpi=110)
        self.parts.append(Figure(png, caption))

    def section(self, table: Table) -> None:
        self.parts.append(table)


def _held_out(photo_list: Path, folder: Path, part: Part) -> list[str]:
    """Names of the readable photos that a model was not trained on, by their content."""
    paths = find_photos(folder)
    with counting("checking photos", len(paths)) as show:
        scan = scan_photos(paths, show)
    kept = list(scan.readable)
    if photo_list.is_file():
        table = read_photo_list(photo_list)
        part_of = dict(zip(table["sha256"], table["part"], strict=True))
        parts = {"validation", "test", None} if part == "held-out" else {part}
        kept = [path for path, digest in scan.digests.items() if part_of.get(digest) in parts]
    elif part != "held-out":
        raise InputError(f"Expected {photo_list} to say which photos are for {part}; it is absent.")
    logger.info(
        "photos: %d found, %d unreadable, %d left out, %d to study",
        len(paths),
        len(scan.unreadable),
        len(scan.digests) - len(kept),
        len(kept),
    )
    if not kept:
        raise InputError(
            f"None of the {len(paths)} photos in {folder} is left: they are unreadable, or the "
            "model was trained on them. A study needs photos that it has not seen."
        )
    root = folder if folder.is_dir() else folder.parent
    return [path.relative_to(root).as_posix() for path in kept]


def _views(
    folder: Path,
    names: list[str],
    bank: DistortionBank,
    network: NetworkConfig,
    num_workers: int | None,
    show: Any,
) -> Iterator[np.ndarray]:
    root = folder if folder.is_dir() else folder.parent
    batches = ViewBatches(
        root, names, bank, network.input_size, network.fit, 1, 0, False, num_workers
    )
    for done, batch in enumerate(islice(batches, len(names)), start=1):
        yield batch[0]
        show(done)


def _named(overall: pd.DataFrame, column: str) -> dict[str, float]:
    return {f"{row['name']}, {row['kind']}": float(row[column]) for _, row in overall.iterrows()}
