"""`report.html`: a self-contained page with sections that stages add.

Every section is also stored in a file beside the page, so that it can be replaced.
"""

import base64
import math
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd

from nima_pretrain.files import replacing

_SECTIONS = "report"

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("nima_pretrain", "templates"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Figure:
    """A picture in a report.

    Args:
        png: the file; its content is embedded in the page.
        caption: description of the figure.
    """

    kind = "figure"

    def __init__(self, png: Path, caption: str) -> None:
        self.source = "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode()
        self.caption = caption


class Table:
    """A table in a report.

    Args:
        table: its columns and rows; floats are formatted by `number`.
        caption: description of the table.
    """

    kind = "table"

    def __init__(self, table: pd.DataFrame, caption: str) -> None:
        self.columns = list(table.columns)
        self.rows = [[_shown(value) for value in row] for row in table.itertuples(index=False)]
        self.caption = caption


def render(template: str, **values: object) -> str:
    """Returns one of the package's templates, filled in; values are escaped in HTML."""
    return _ENVIRONMENT.get_template(template).render(**values)


def write_section(
    folder: Path, name: str, title: str, text: str, parts: Sequence[Figure | Table]
) -> Path:
    """Writes a section to a folder's `report.html`, and returns the page's path.

    Args:
        folder: folder of the run.
        name: name of the section's file; a section of the same name is replaced.
        title: heading.
        text: introduction.
        parts: ordered figures and tables.

    Raises:
        InputError: a file cannot be written.
    """
    section = render("section.html", name=name, title=title, text=text, parts=parts)
    with replacing(folder / _SECTIONS / f"{name}.html") as partial:
        partial.write_text(section, encoding="utf-8")
    files = sorted((folder / _SECTIONS).glob("*.html"))
    sections = [file.read_text(encoding="utf-8") for file in files if file.name[0] != "."]
    page = folder / "report.html"
    with replacing(page) as partial:
        whole = render("report.html", title=folder.resolve().name, sections=sections)
        partial.write_text(whole, encoding="utf-8")
    return page


def number(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Returns a number as text: three decimals, or four or two significant digits; "-" for none.

    Args:
        value: the number; None and NaN give "-".
        interval: its bounds, appended in brackets, or None.
    """
    if value is None or math.isnan(value):
        return "-"
    if 0 < abs(value) < 0.001:
        text = f"{value:.2g}"
    else:
        text = f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    if interval is None:
        return text
    return f"{text} [{number(interval[0])}, {number(interval[1])}]"


def markdown_table(table: pd.DataFrame) -> str:
    """Returns a table in Markdown; floats are formatted by `number`."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    lines += [[_shown(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
