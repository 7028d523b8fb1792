"""Terminal output with rich, without markup or emoji in the text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

# Width of output that does not go to a terminal, at most [columns].
MAX_WIDTH = 500
# Three significant digits of a larger number would need an exponent.
LARGE = 1000.0


def terminal(width: int | None = None, quiet: bool = False) -> Console:
    """Return a console that prints brackets, as in `[ms]`, unchanged."""
    return Console(markup=False, emoji=False, width=width, quiet=quiet)


def text_column(template: str) -> TextColumn:
    """Return a column of a progress bar from a format string of its task."""
    return TextColumn(template, markup=False)


def progress_of(console: Console, *last: ProgressColumn, disable: bool = False) -> Progress:
    """Return a progress bar.

    Args:
        console: Where to show it.
        last: Columns after the count; the time left, at the end the elapsed time, if none.
        disable: Whether to hide the progress bar.
    """
    first = text_column("{task.description}"), BarColumn(), MofNCompleteColumn()
    columns = (*first, *(last or (TimeRemainingColumn(elapsed_when_finished=True),)))
    return Progress(*columns, console=console, disable=disable)


@contextmanager
def status_line(console: Console, line: str = "") -> Iterator[Callable[[str], None]]:
    """Show one line of progress within the block.

    Yields:
        A function that replaces the line.
    """
    with console.status(Text(line)) as status:
        yield lambda text: status.update(Text(text))


def show(console: Console, title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table."""
    view = Table(title=title)
    for column in rows[0] if rows else ():
        side: JustifyMethod = "left" if column == "method" else "right"
        view.add_column(column, justify=side, overflow="fold")
    for row in rows:
        view.add_row(*(_shown(value) for value in row.values()))
    show_table(console, view)


def show_table(console: Console, view: Table) -> None:
    """Print a table: wrapped to the width of a terminal, at full width elsewhere."""
    if not console.is_terminal:
        wide = console.options.update(max_width=MAX_WIDTH)
        console.width = max(console.width, console.measure(view, options=wide).maximum)
    console.print(view)


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= LARGE else f"{value:.3g}"
