"""Progress bars on a console chosen once per program.

The console is a setting of the process, so long computations can report progress without passing it
through. The command line shows bars on stderr; library calls show none unless `show_on` is called.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class _Chosen:
    """The console of the process, for all its threads."""

    console: Console | None = None


def show_on(console: Console | None) -> None:
    """Sets the console of progress bars; None for no bars."""
    _Chosen.console = console


class _Rate(ProgressColumn):
    """A column of the rate, items per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar within a context; yields a function to call with the number done.

    Args:
        description: label of the bar.
        total: number of items; None if unknown.
    """
    with bar(_Rate()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


def bar(*columns: ProgressColumn) -> Progress:
    """Returns a progress bar with time left and further columns; it is shown on terminals only."""
    console = _Chosen.console
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
