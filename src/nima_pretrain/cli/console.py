"""The console: log lines and progress on stderr, tables on standard output.

rich is imported where it is used, so that `--help` is fast.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def console() -> Any:
    """Returns the console on stderr, which progress bars and log lines have to share."""
    from rich.console import Console

    return Console(stderr=True)


def say(text: str) -> None:
    """Prints a line on stderr, above a progress bar, without wrapping it."""
    console().print(text, soft_wrap=True, markup=False, highlight=False)


class _ToConsole(logging.Handler):
    """A logging handler that prints on the console."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


def start_logging() -> None:
    """Shows the package's INFO lines and progress bars on the console."""
    from nima_pretrain.progress import show_on

    show_on(console())
    logger = logging.getLogger("nima_pretrain")
    logger.handlers = [_ToConsole()]
    logger.setLevel(logging.INFO)


def be_quiet() -> None:
    """Hides progress bars and INFO lines; warnings stay."""
    from nima_pretrain.progress import show_on

    show_on(None)
    logging.getLogger("nima_pretrain").setLevel(logging.WARNING)


def print_table(
    title: str, columns: list[str], rows: list[list[str]], left: Sequence[str] = ()
) -> None:
    """Prints a table; the first column and those in `left` are left-aligned, others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        is_left = not number or column in left
        table.add_column(column, justify="left" if is_left else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
