"""Progress bars for whoever waits, on the console that the program has chosen, if any.

Progress is ambient: what takes long counts what it does, and nobody hands a console through. The
command line shows bars on stderr; a library call shows none unless `show_on` says where.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_console: ContextVar[Console | None] = ContextVar("console", default=None)


def show_on(console: Console | None) -> None:
    """Chooses where progress bars of this process are drawn from now on; None for nowhere."""
    _console.set(console)


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a bar while the context lasts; yields a function to call with the number done.

    Args:
        description: of the work.
        total: number of items; None if nobody knows.
    """
    with bar(_Rate()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


def bar(*columns: ProgressColumn) -> Progress:
    """Returns a bar with time left and further columns; it is shown on terminals alone."""
    console = _console.get()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=console is None or not console.is_terminal,
        transient=True,
    )
