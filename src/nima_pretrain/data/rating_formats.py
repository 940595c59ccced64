"""The formats of ratings files: AVA.txt, TID2013's MOS, idealo's JSON, CSV.

Every format is read into the same rows. The format is recognized by content, not by file name.
Unusable entries are kept as problems: training refuses them, `check-data` lists them.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nima_pretrain.data.rated_rows import (
    NO_DISTRIBUTION,
    Problem,
    RatedRows,
    TableEntries,
)
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.text_tables import comma_table, numbers_in, whitespace_table
from nima_pretrain.errors import InputError, shortened
from nima_pretrain.files import parse_json, read_text

logger = logging.getLogger(__name__)

_FORMATS = (
    'AVA.txt (15 numbers a line), TID2013\'s mos_with_names.txt ("5.51 I01_01_1.bmp"), '
    'idealo\'s JSON ([{"image_id": "...", "label": [...]}, ...]), or CSV with a header '
    "(path,mean[,std][,split][,category] or path,p1,..,pn[,split][,category])"
)
_MOST_BYTES = 2**30  # AVA, with a quarter of a million photos, has 13 MB
_AVA_COLUMNS = 15  # index, image id, ten counts, two tags, challenge
_AVA_SCALE = ScoreScale(10)
_TID_SCALE = ScoreScale(10, 0.0, 9.0)

# Accepted names of the columns of a CSV.
_COLUMNS = {
    "path": ("path", "image_id", "image", "name", "file", "filename"),
    "mean": ("mean", "mos"),
    "std": ("std",),
    "split": ("split", "part"),
    "category": ("category", "theme"),
}
_PART_NAMES = {
    **dict.fromkeys(("train", "training"), "training"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    "test": "test",
}


def read_rows(file: Path, scale: ScoreScale | None = None) -> RatedRows:
    """Returns the entries of a ratings file of any supported format.

    Args:
        file: AVA.txt, TID2013's `mos_with_names.txt`, idealo's JSON, or CSV.
        scale: the score scale; required for means in CSV, which do not state it.

    Raises:
        InputError: the file has none of the formats, has no entries, or has another scale.
    """
    text = re.sub(r"\r\n?", "\n", read_text(file, "ratings file", _MOST_BYTES))
    if "\0" in text:
        raise InputError(f"{file} is not a text file: it has NUL characters.")
    first = next((line for line in text.split("\n") if line.strip()), "")
    if first.lstrip()[:1] in ("[", "{"):
        rows = _read_json(parse_json(text, file, "ratings file"), file, scale)
    elif re.fullmatch(r"\s*\d+\s+\d+(\s+\S+)+\s*", first):
        rows = _read_ava(text, file)
    elif re.fullmatch(r"\s*[-+.\deE]+\s+\S+\s*", first):
        rows = _read_tid(text, file)
    elif re.search(r"[,;\t]", first):
        rows = _read_csv(text, first, file, scale)
    else:
        raise InputError(
            f"Expected ratings in {file} as {_FORMATS}; it starts with {first[:60]!r}."
        )
    if scale and not rows.scale.is_same(scale):
        raise InputError(
            f"{file} holds ratings of {rows.scale}, but the scale asked for has {scale}."
        )
    return rows


def _read_ava(text: str, file: Path) -> RatedRows:
    table, wrong = whitespace_table(text, _AVA_COLUMNS)
    numbers = numbers_in(table)
    are_whole = (numbers == np.floor(numbers)).all(axis=1)  # NaN is not
    is_id = table[1].str.fullmatch("[0-9]+").to_numpy(bool)
    wrong["expected 15 whole numbers, received {}"] = ~(are_whole & is_id)
    entries = TableEntries(file, table, table[1].tolist(), wrong=wrong)
    return entries.with_counts(numbers[:, 2:12], _AVA_SCALE, may_miss_images=True)


def _read_tid(text: str, file: Path) -> RatedRows:
    table, wrong = whitespace_table(text, 2)
    entries = TableEntries(file, table, table[1].tolist(), wrong=wrong)
    return entries.with_means(numbers_in(table[[0]])[:, 0], None, _TID_SCALE)


def _read_csv(text: str, header: str, file: Path, scale: ScoreScale | None) -> RatedRows:
    table, wrong = comma_table(text, max(",;\t", key=header.count), file)
    columns = {name: _column(table, names) for name, names in _COLUMNS.items()}
    votes = [str(name) for name in table.columns if re.fullmatch(r"p\d+", name)]
    votes.sort(key=lambda name: int(name[1:]))
    used = {*columns.values(), *votes}
    if columns["path"] is None or (columns["mean"] is None and not votes):
        raise InputError(
            f"Expected the columns path and mean, or path and p1, p2, .., in {file}, received "
            f"{shortened(', '.join(table.columns))}."
        )
    if surplus := [name for name in table.columns if name not in used]:
        logger.info("%s: these columns are not used: %s", file, shortened(", ".join(surplus)))
    ids = table[columns["path"]].str.strip().tolist()
    wrong["expected a path, received none"] = np.array(ids) == ""
    parts: list[str] = []
    if columns["split"]:
        named = table[columns["split"]].str.strip().str.lower()
        parts = [_PART_NAMES.get(name, "") for name in named]
        wrong["expected the split train, validation or test, received {}"] = ~named.isin(
            _PART_NAMES
        ).to_numpy()
    categories = table[columns["category"]].str.strip().tolist() if columns["category"] else []
    entries = TableEntries(file, table, ids, parts, categories, wrong)
    if votes:
        if votes != [f"p{k + 1}" for k in range(len(votes))] or len(votes) < 2:
            raise InputError(
                f"Expected the columns p1, p2, .. pn in {file}, received {shortened(votes)}."
            )
        scale = scale or ScoreScale(len(votes))
        if scale.bins != len(votes):
            raise InputError(
                f"Expected {scale} in {file}, received {len(votes)} columns p1, p2, .."
            )
        return entries.with_counts(numbers_in(table[votes]), scale)
    if scale is None:
        raise InputError(
            f"{file} gives means, which do not say what scores there were. "
            "Pass --scale LOW:HIGH, e.g. --scale 1:5."
        )
    means = numbers_in(table[[columns["mean"]]])[:, 0]
    spreads = numbers_in(table[[columns["std"]]])[:, 0] if columns["std"] else None
    return entries.with_means(means, spreads, scale)


def _read_json(content: Any, file: Path, scale: ScoreScale | None) -> RatedRows:
    form = '[{"image_id": "...", "label": [...]}, ...]'
    if not isinstance(content, list) or not content:
        raise InputError(f"Expected a list of ratings, {form}, in {file}.")
    labels, ids, parts, categories, problems = [], [], [], [], []
    for number, entry in enumerate(content, start=1):
        if not isinstance(entry, dict) or not {"image_id", "label"} <= entry.keys():
            raise InputError(
                f"Expected {form} in {file}, received {shortened(entry)} as entry {number}."
            )
    first = content[0]["label"]
    bins = len(first) if isinstance(first, list) else 0
    has_split = any(name in entry for entry in content for name in _COLUMNS["split"])
    for number, entry in enumerate(content, start=1):
        image_id, label = _text_in(entry, ("image_id",)), entry["label"]
        part, category = (_text_in(entry, _COLUMNS[name]) for name in ("split", "category"))
        reason = _wrong_with_label(label, bins)
        named = _PART_NAMES.get((part or "").strip().lower(), "")
        if not image_id or category is None:
            reason = f"expected an image_id and a category of text, received {shortened(entry)}."
        if has_split and not named:
            reason = f"expected the split train, validation or test, received {shortened(part)}."
        if reason:
            place = f"entry {number}"
            problems.append(Problem(place, image_id or "", f"{shortened(image_id)}: {reason}"))
        else:
            labels.append(label)
            ids.append(image_id or "")
            parts.append(named)
            categories.append(category or "")
    counts = np.array(labels, np.float64).reshape(len(labels), bins)
    distributions = counts / counts.sum(axis=1, keepdims=True)
    scale = scale if scale and scale.bins == bins else ScoreScale(max(bins, 2))
    parts, categories = (said if any(said) else [] for said in (parts, categories))
    return RatedRows(ids, distributions, scale, parts, categories, problems=problems)


def _text_in(entry: dict[str, Any], names: Sequence[str]) -> str | None:
    """Returns the first of some values of an entry; "" without any, None if it is not text."""
    value = next((entry[name] for name in names if name in entry), None)
    if value is None:
        return ""
    return str(value) if type(value) in (str, int) else None


def _wrong_with_label(label: Any, bins: int) -> str | None:
    is_list = isinstance(label, list)
    if is_list and not all(type(value) in (int, float) for value in label):
        return f"expected numbers, received {shortened(label)}."
    if not is_list or len(label) != bins or bins < 2:
        return (
            f"expected a label of {max(bins, 2)} numbers as in the first entry, received "
            f"{shortened(label)}."
        )
    try:
        votes = np.array([float(value) for value in label])
    except OverflowError:
        return NO_DISTRIBUTION.format(shortened(label))
    with np.errstate(over="ignore"):
        is_fine = np.isfinite(votes.sum()) and votes.min() >= 0 and votes.sum() > 0
    return None if is_fine else NO_DISTRIBUTION.format(shortened(label))


def _column(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in table), None)
