"""Output of tables and figures as CSV and PNG, and of pages in Markdown, HTML and JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nima_pretrain.evaluation.comparison import readable
from nima_pretrain.evaluation.figures import save_figure
from nima_pretrain.files import replacing, write_json, write_table
from nima_pretrain.report import Figure, Table, markdown_table, write_section


class Pages:
    """A writer of tables and figures to `results/` that collects the parts of the pages.

    Args:
        run: folder of the pages.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._parts: list[Figure | Table] = []
        self._markdown: list[str] = []

    def table(
        self,
        name: str,
        table: pd.DataFrame,
        caption: str,
        text_of: Callable[[pd.DataFrame], pd.DataFrame] = readable,
    ) -> None:
        """Adds a table: its numbers as CSV, and the text of `text_of` on the pages."""
        write_table(self._run / "results" / f"{name}.csv", table)
        shown = text_of(table)
        self._parts.append(Table(shown, caption))
        self._markdown.append(f"{caption}\n\n{markdown_table(shown)}")

    def figure(self, name: str, figure: Any, caption: str) -> None:
        """Adds a figure as PNG, and to the pages."""
        png = self._run / "results" / f"{name}.png"
        save_figure(figure, png)
        self._parts.append(Figure(png, caption))
        self._markdown.append(f"![{caption}](results/{name}.png)")

    def finish(self, title: str, results: dict[str, Any]) -> dict[str, Any]:
        """Writes the pages and `results.json`; returns the results with the paths of the pages."""
        write_json(self._run / "results.json", results)
        with replacing(self._run / "results.md") as partial:
            partial.write_text(
                "\n\n".join([f"# {title}", *self._markdown]) + "\n", encoding="utf-8"
            )
        page = write_section(self._run, "results", title, "", self._parts)
        return results | {"report": str(page)}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows of a table as JSON values, with None for NaN."""
    rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
