"""The HTML page of scored photos, with thumbnails and a list of failed files."""

import base64
import heapq
import io
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from nima_pretrain.data.parallel import ordered_map
from nima_pretrain.data.photos import PhotoError, read_photo
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.files import replacing
from nima_pretrain.prediction.formats import ScoreRow
from nima_pretrain.progress import counting
from nima_pretrain.report import render

MOST_PHOTOS = 5000
_THUMBNAIL = 200
_BARS = 40


def write_score_report(
    page: Path,
    rows: Iterable[ScoreRow],
    scale: ScoreScale,
    most_photos: int = MOST_PHOTOS,
) -> None:
    """Writes a self-contained page, without other files, server or network.

    It shows the best photos with thumbnails that link to the files, a histogram of all scores, and
    the files without a score. File names are inserted as text, never as HTML.

    Args:
        page: the HTML file.
        rows: rows of the photos, in any order.
        scale: the score scale.
        most_photos: largest number of thumbnails.

    Raises:
        InputError: the page cannot be written.
    """
    failed, means = [], []
    best: list[tuple[float, int, ScoreRow]] = []
    for index, row in enumerate(rows):
        if row.mean is None:
            failed.append((row.path, row.error))
            continue
        means.append(row.mean)
        entry = (row.mean, -index, row)
        if len(best) < most_photos:
            heapq.heappush(best, entry)
        else:
            heapq.heappushpop(best, entry)
    photos = [row for _, _, row in sorted(best, reverse=True)]
    low, high = float(scale.scores[0]), float(scale.scores[-1])
    histogram, _ = np.histogram(means, _BARS, (low, high))
    folders = sorted({str(Path(row.path).parent) for row in photos})
    content = {
        "photos": _entries(photos, folders, page.parent),
        "folders": _without_common_start(folders),
        "histogram": histogram.tolist(),
        "failed": failed,
    }
    # The text is inside a script element, which "</script>" would end.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    shown = f", the best {len(photos)} are shown" if len(photos) < len(means) else ""
    text = render(
        "scores.html",
        title="Scores of photographs",
        summary=f"Photos scored: {len(means)}, on a scale from {low:g} to {high:g}{shown}. "
        f"Files that could not be scored: {len(failed)}. ± is the spread of the predicted ratings.",
        low=f"{low:g}",
        high=f"{high:g}",
        data=data,
    )
    with replacing(page) as partial:
        partial.write_text(text, encoding="utf-8")


def _entries(photos: list[ScoreRow], folders: list[str], beside: Path) -> list[dict[str, Any]]:
    """Returns the page's data of each photo."""
    numbers = {folder: number for number, folder in enumerate(folders)}
    entries = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as executor,
        counting("thumbnails", len(photos)) as show,
    ):
        paths = (row.path for row in photos)
        pictures = ordered_map(executor, _thumbnail, paths, ahead=64)
        for row, picture in zip(photos, pictures, strict=True):
            assert row.distribution is not None
            path = Path(row.path)
            entries.append(
                {
                    "path": row.path,
                    "name": path.name,
                    "folder": numbers[str(path.parent)],
                    "link": _link(path, beside),
                    "mean": row.mean,
                    "std": row.std,
                    "percentile": row.percentile,
                    "distribution": [round(share, 3) for share in row.distribution],
                    "explanation": row.explanation,
                    "note": row.note,
                    "picture": picture,
                }
            )
            show(len(entries))
    return entries


def _thumbnail(path: str) -> str | None:
    """Returns a small WebP as a data URL; None if the file cannot be read."""
    try:
        image = read_photo(Path(path), _THUMBNAIL // 3).image
    except PhotoError:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    image.save(content, "WEBP", quality=70, method=2)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


def _link(path: Path, beside: Path) -> str:
    """Returns the relative link to a photo; "./" prevents that "a:b.jpg" is read as a protocol."""
    return "./" + quote(os.path.relpath(path, beside))


def _without_common_start(folders: list[str]) -> list[str]:
    """Returns the folders relative to their common parent."""
    try:
        start = os.path.commonpath(folders)
    except ValueError:  # absolute and relative paths mixed, or no folders
        return folders
    return [os.path.relpath(folder, start) if start else folder for folder in folders]
