"""The HTML page of scored photos, with thumbnails and a list of failed files."""

import base64
import heapq
import io
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import read_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.errors import PhotoError
from nima_pretrain.files import replacing
from nima_pretrain.prediction.reading import photo_of
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.progress import counting
from nima_pretrain.report import render

MOST_PHOTOS = 5000
_THUMBNAIL = 200  # pixels of the longer side
_BARS = 40


@dataclass(frozen=True)
class Selection:
    """The rows that a page shows.

    Attributes:
        photos: the best rows, best first.
        means: the mean scores of all photos with a score.
        failed: path and error of each file without a score.
        weights: of all rows with a score, as they name them.
    """

    photos: list[ScoreRow]
    means: list[float]
    failed: list[tuple[str, str]]
    weights: frozenset[str]


def write_score_report(
    page: Path,
    rows: Iterable[ScoreRow],
    scale: ScoreScale,
    most_photos: int = MOST_PHOTOS,
) -> None:
    """Writes a self-contained page, without other files, server or network.

    It shows the best photos with thumbnails that link to the files, a histogram of all scores, and
    the files without a score. Similar photos are folded into the best one of their group. File
    names are inserted as text, never as HTML.

    Args:
        page: the HTML file.
        rows: rows of the photos, in any order.
        scale: the score scale.
        most_photos: largest number of thumbnails.

    Raises:
        InputError: the page cannot be written.
    """
    selection = select(rows, most_photos)
    entries = _with_thumbnails(selection.photos, page.parent)
    with replacing(page) as partial:
        partial.write_text(page_of(selection, entries, scale), encoding="utf-8")


def select(rows: Iterable[ScoreRow], most_photos: int) -> Selection:
    """Returns the best rows; memory does not depend on the number of the others."""
    failed, means, weights = [], [], set()
    best: list[tuple[float, int, ScoreRow]] = []
    for index, row in enumerate(rows):
        if row.mean is None:
            failed.append((row.path, row.error))
            continue
        means.append(row.mean)
        weights.add(row.weights)
        entry = (row.mean, -index, row)
        if len(best) < most_photos:
            heapq.heappush(best, entry)
        else:
            heapq.heappushpop(best, entry)
    photos = [row for _, _, row in sorted(best, reverse=True)]
    return Selection(photos, means, failed, frozenset(weights - {""}))


def entry_of(row: ScoreRow) -> dict[str, Any]:
    """Returns the page's data of a photo with a score, but for its link and picture."""
    assert row.distribution is not None
    return {
        "path": row.path,
        "name": Path(row.path).name,
        "mean": row.mean,
        "std": row.std,
        "percentile": row.percentile,
        "distribution": [round(share, 3) for share in row.distribution],
        "explanation": row.explanation,
        "note": row.note,
        "group": row.group,
        "best": row.best_of_group,
    }


def page_of(
    selection: Selection,
    entries: Sequence[dict[str, Any]],
    scale: ScoreScale,
    *,
    is_culling: bool = False,
) -> str:
    """Returns the HTML of a page of scores.

    Args:
        selection: the rows.
        entries: data of each of its photos, from `entry_of`, with "link" and "picture": addresses
            of the photo and of a thumbnail, or None.
        scale: the score scale.
        is_culling: whether a server saves stars; entries then have "number" and "stars", too.
    """
    parents = [str(Path(row.path).parent) for row in selection.photos]
    folders = sorted(set(parents))
    numbers = {folder: number for number, folder in enumerate(folders)}
    low, high = float(scale.scores[0]), float(scale.scores[-1])
    histogram, _ = np.histogram(selection.means, _BARS, (low, high))
    content = {
        "photos": [
            {**entry, "folder": numbers[parent]}
            for entry, parent in zip(entries, parents, strict=True)
        ],
        "folders": _without_common_start(folders),
        "histogram": histogram.tolist(),
        "failed": selection.failed,
    }
    # The text is inside a script element, which "</script>" would end.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    num_shown, num_scored = len(entries), len(selection.means)
    shown = f", the best {num_shown} are shown" if num_shown < num_scored else ""
    names = f" Weights: {', '.join(sorted(selection.weights))}." if selection.weights else ""
    return render(
        "scores.html",
        title="Scores of photographs",
        summary=f"Photos scored: {num_scored}, on a scale from {low:g} to {high:g}{shown}. "
        f"Files that could not be scored: {len(selection.failed)}. ± is the spread of the "
        f"predicted ratings.{names}",
        low=f"{low:g}",
        high=f"{high:g}",
        data=data,
        is_culling=is_culling,
    )


def thumbnail(path: Path) -> bytes | None:
    """Returns a small WebP of a photo; None if the file cannot be read."""
    try:
        image = read_photo(path, _THUMBNAIL // 3).image
    except PhotoError:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    image.save(content, "WEBP", quality=70, method=2)
    return content.getvalue()


def _with_thumbnails(photos: Sequence[ScoreRow], beside: Path) -> list[dict[str, Any]]:
    entries = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as executor,
        counting("thumbnails", len(photos)) as show,
    ):
        pictures = ordered_map(executor, thumbnail, map(photo_of, photos), ahead=64)
        for row, picture in zip(photos, pictures, strict=True):
            link = _link(photo_of(row), beside)
            entries.append({**entry_of(row), "link": link, "picture": _data_url(picture)})
            show(len(entries))
    return entries


def _data_url(picture: bytes | None) -> str | None:
    return (
        None if picture is None else "data:image/webp;base64," + base64.b64encode(picture).decode()
    )


def _link(path: Path, beside: Path) -> str:
    """Returns the relative link to a photo, or the address of one on another drive of Windows."""
    try:
        relative = Path(os.path.relpath(path, beside)).as_posix()
    except ValueError:
        return path.absolute().as_uri()
    # "./" prevents that "a:b.jpg" is read as a protocol. A name need not be valid UTF-8.
    return "./" + quote(os.fsencode(relative))


def _without_common_start(folders: list[str]) -> list[str]:
    """Returns the folders relative to their common parent."""
    try:
        start = os.path.commonpath(folders)
    except ValueError:  # absolute and relative paths mixed, or no folders
        return folders
    return [os.path.relpath(folder, start) if start else folder for folder in folders]
