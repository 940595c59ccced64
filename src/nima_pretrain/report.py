"""`report.html`: one page that needs no other file, made of sections that stages add.

Every section is kept beside the page, so that one that is made again takes its own place.
"""

import base64
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
        png: the file; its content goes into the page.
        caption: what it shows, and how to read it.
    """

    kind = "figure"

    def __init__(self, png: Path, caption: str) -> None:
        self.source = "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode()
        self.caption = caption


class Table:
    """A table in a report.

    Args:
        table: its columns and rows; floats are shown with three digits.
        caption: what it says.
    """

    kind = "table"

    def __init__(self, table: pd.DataFrame, caption: str) -> None:
        self.columns = list(table.columns)
        self.rows = [[_shown(value) for value in row] for row in table.itertuples(index=False)]
        self.caption = caption


def render(template: str, **values: object) -> str:
    """Returns one of the package's templates, filled in; HTML gets values escaped as text."""
    return _ENVIRONMENT.get_template(template).render(**values)


def write_section(
    folder: Path, name: str, title: str, text: str, parts: Sequence[Figure | Table]
) -> Path:
    """Puts a section into a folder's `report.html`, and returns the page's path.

    Args:
        folder: of the run.
        name: of the section's file; a section of the same name is replaced.
        title: its heading.
        text: what a reader should know first.
        parts: figures and tables, in their order.
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


def markdown_table(table: pd.DataFrame) -> str:
    """Returns a table in Markdown, floats with three digits."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    lines += [[_shown(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
