"""The photos of a study: those that a model has not learned from, as far as its runs say."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Literal

from nima_pretrain.data.finding import find_photos, root_of
from nima_pretrain.data.rating_files import RATINGS, read_named
from nima_pretrain.data.scanning import scan_photos
from nima_pretrain.data.split import PARTS, PHOTOS, read_photo_list
from nima_pretrain.distortions.geometry import LONGEST_DETOUR
from nima_pretrain.errors import InputError
from nima_pretrain.evaluation.results import RESULTS, Results
from nima_pretrain.weights.side_car import origin_of, read_beside, side_car_path

logger = logging.getLogger(__name__)

Part = Literal["held-out", "validation", "test"]


def photos_to_study(run: Path, folder: Path, part: Part) -> tuple[list[str], bool]:
    """Returns the names of the readable photos of a part, and whether the run lists its photos.

    Photos of the training, and of the pretraining of its backbone, are recognized by content.
    Without lists all photos are held out, as far as one can know.

    Args:
        run: folder of the weights, which may be a run of `train` with a folder for each stage.
        folder: folder of the photos.
        part: see `study`.

    Raises:
        InputError: no photo is left, or no list says which photos are of the part.
    """
    part_of, is_complete = _listed_parts(run)
    paths = find_photos(folder, archives=True)
    scan = scan_photos(paths, longest=LONGEST_DETOUR)
    kept = list(scan.readable)
    if part_of:
        parts = {"validation", "test", None} if part == "held-out" else {part}
        kept = [path for path, digest in scan.digests.items() if part_of.get(digest) in parts]
    elif part != "held-out":
        raise InputError(
            f"Expected {PHOTOS} or {RATINGS} in {run} to say which photos are for {part}; "
            "neither does."
        )
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
    root = root_of(folder)
    return [path.relative_to(root).as_posix() for path in kept], bool(part_of) and is_complete


class _Start(Results):
    """The results of a run of fine-tuning, as far as they name its start."""

    backbone_weights: str = "none"


def _pretraining_of(run: Path) -> Path | None:
    """Returns the folder of the pretraining that a run of fine-tuning began with, if any."""
    backbone = _Start.read(run).backbone_weights if (run / RESULTS).is_file() else "none"
    file = Path(backbone)
    is_from_outside = file.is_file() and not side_car_path(file).is_file()
    if backbone in ("imagenet", "none") or is_from_outside:
        return None
    with suppress(InputError):  # of a file that is gone or was changed
        if origin_of(read_beside(file)) == "imagenet":
            return None
    of_train = file.parent / "pretrain"
    return of_train if (of_train / PHOTOS).is_file() else file.parent


def _listed_parts(run: Path) -> tuple[dict[str, str], bool]:
    """Returns the parts of the photos of a run by sha256, and whether all its lists were found.

    They are those of the run, of both stages of `train`, and of the pretraining of the backbone.
    """
    stages = (run, run / "pretrain", run / "finetune")
    begun = stages[:1] if (run / "pretrain" / PHOTOS).is_file() else stages
    pretrainings = [folder for folder in map(_pretraining_of, begun) if folder]
    tables = []
    for folder in (*stages, *pretrainings):
        if (folder / PHOTOS).is_file():
            tables.append(read_photo_list(folder / PHOTOS))
        if (folder / RATINGS).is_file():
            tables.append(read_named(folder / RATINGS))
    listed = [
        (digest, part)
        for table in tables
        if {"sha256", "part"} <= set(table)  # not other ratings, put beside a model
        for digest, part in zip(table["sha256"], table["part"], strict=True)
    ]
    # A photo in two lists, or under two names, was trained on if one of them says so.
    part_of = {digest: part for most in reversed(PARTS) for digest, part in listed if part == most}
    return part_of, all((folder / PHOTOS).is_file() for folder in pretrainings)
