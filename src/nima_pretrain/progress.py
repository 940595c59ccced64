"""Progress bars for whoever waits."""

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


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def counting(
    console: Console | None, description: str, total: int | None
) -> Iterator[Callable[[int], None]]:
    """Shows a bar as long as the context lasts; yields what is called with the number done.

    Args:
        console: where it is drawn, or None for nowhere.
        description: what is being done.
        total: of what is counted; None if nobody knows.
    """
    with bar(console, _Rate()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


def bar(console: Console | None, *columns: ProgressColumn) -> Progress:
    """Returns a bar with time left and further columns; it is shown on terminals alone."""
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
