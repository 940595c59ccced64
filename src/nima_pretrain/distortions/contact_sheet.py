"""Contact sheets: labelled pictures of the views of photos."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nima_pretrain.distortions import Aspect, Distortion, DistortionBank

_TILE = 112
_GAP = 6
_CAPTION = 18
_LABEL_WIDTH = 170
_HEADER = 44
_COLOURS = {Aspect.TECHNICAL: "#2b6cb0", Aspect.STYLE: "#b7791f", Aspect.COMPOSITION: "#2f855a"}
_UNITS = {
    "exposure": "stops",
    "temperature": "kelvin",
    "rotate": "degrees",
    "shadows": "percent",
    "highlights": "percent",
    "vibrance": "percent",
}


def contact_sheet(views: np.ndarray, bank: DistortionBank) -> Image.Image:
    """Returns one labelled picture of all views: one row per distortion, one column per level.

    The middle column holds the undistorted view that a row is ranked against.

    Args:
        views: (V, S, S, 3) uint8 RGB, from `bank.render`.
        bank: the bank that rendered the views.
    """
    num_below = max(len(distortion.below) for distortion in bank)
    num_above = max(len(distortion.above) for distortion in bank)
    columns = num_below + 1 + num_above
    row_height = _TILE + _CAPTION + _GAP
    width = _LABEL_WIDTH + columns * (_TILE + _GAP) + _GAP
    height = _HEADER + len(bank) * row_height + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, num_below, num_above)
    for row, distortion in enumerate(bank):
        top = _HEADER + row * row_height
        _draw_label(draw, distortion, top)
        for column, index, caption in _cells(distortion, bank, num_below):
            left = _LABEL_WIDTH + column * (_TILE + _GAP)
            tile = Image.fromarray(views[index]).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, top))
            draw.text((left + _TILE / 2, top + _TILE + 2), caption, "#333", _font(13), anchor="ma")
    return sheet


def view_rows(photos: np.ndarray, names: Sequence[str]) -> Image.Image:
    """Returns a picture of some photos' views: one row per photo, one column per view.

    Args:
        photos: (B, V, S, S, 3) uint8 RGB.
        names: the V names of the views.
    """
    num_rows, num_columns = photos.shape[:2]
    width = num_columns * (_TILE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _HEADER + num_rows * (_TILE + _GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        left = _GAP + column * (_TILE + _GAP)
        caption = name.replace("_", " ")
        draw.text((left + _TILE / 2, _HEADER / 2), caption, "#333", _font(13), anchor="mm")
        for row, views in enumerate(photos):
            tile = Image.fromarray(views[column]).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, _HEADER + row * (_TILE + _GAP)))
    return sheet


def _cells(
    distortion: Distortion, bank: DistortionBank, num_below: int
) -> list[tuple[int, int, str]]:
    """Returns column, view index and caption of every tile in a row."""
    names = bank.view_names
    reference = distortion.reference.name
    cells = [(num_below, names.index(reference), reference.replace("_", " "))]
    values = distortion.below + distortion.above
    columns = [
        *range(num_below - len(distortion.below), num_below),
        *range(num_below + 1, num_below + 1 + len(distortion.above)),
    ]
    for column, value in zip(columns, values, strict=True):
        cells.append((column, names.index(f"{distortion.name}_{value:g}"), f"{value:g}"))
    return cells


def _draw_header(draw: ImageDraw.ImageDraw, num_below: int, num_above: int) -> None:
    for level in range(-num_below, num_above + 1):
        left = _LABEL_WIDTH + (level + num_below) * (_TILE + _GAP)
        caption = f"level {level:+d}" if level else "undistorted"
        draw.text((left + _TILE / 2, _HEADER / 2), caption, "#333", _font(15), anchor="mm")


def _draw_label(draw: ImageDraw.ImageDraw, distortion: Distortion, top: int) -> None:
    colour = _COLOURS[distortion.aspect]
    draw.rectangle((0, top, 6, top + _TILE), fill=colour)
    draw.text((14, top + _TILE / 2 - 20), distortion.name, "black", _font(16), anchor="lm")
    draw.text((14, top + _TILE / 2), distortion.aspect.value, colour, _font(13), anchor="lm")
    unit = _UNITS.get(distortion.name, "")
    draw.text((14, top + _TILE / 2 + 18), unit, "#666", _font(13), anchor="lm")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
