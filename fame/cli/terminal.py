"""What the commands share: their common arguments, tables and progress bars in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.errors import FameError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 120  # of tables that go to a file or another program
INTERRUPTED = 130  # the shell's status for Ctrl-C

FORM_HELP = "The log: a file, folder or pattern; FORM, where it is not guessed, sequences, movielens, recbole, csv, …"
COLUMNS_HELP = "The columns of a table, where their names do not tell; without ORDER that of the file."

BundleName = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="A name under artifacts/, a directory, or a Hub id.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


class Interrupted(Exception):
    """Ctrl-C, with what is worth saying about it."""


def data_table(spec: str | None, columns: str | None) -> dict[str, Any]:
    """[FORM:]PATH and USER,ITEM,ORDER as a recipe's data table; empty where there is neither."""
    table: dict[str, Any] = {}
    if spec is not None:
        from fame.make.data import parse_spec

        form, path = parse_spec(spec)
        table |= {"form": form, "path": path.absolute()}
    if columns is not None:
        names = [name.strip() for name in columns.split(",")]
        if len(names) not in (2, 3) or not all(names):
            raise FameError(f"columns {columns!r}: expected USER,ITEM,ORDER, or USER,ITEM for the order of the file")
        table |= dict(zip(("user", "item", "order"), [*names, "file"], strict=False))
    return table


def stdout() -> Console:
    """Where results go: titles are text, so nothing is markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    return console


def grid(*header: str, right: Any = ()) -> Table:
    """An empty table whose cells are text; the columns `right` hold numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i in right else "left", overflow="ellipsis", no_wrap=i in right)
    return table


def printable(text: str) -> str:
    """The text without what would command a terminal; its lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


@contextmanager
def counting(text: str, total: int | None, file: bool = False) -> Iterator[Any]:
    """A progress bar, as a function that takes how much is done and, where known by then, of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        DownloadColumn() if file else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task(text, total=total)
    with bar:
        yield lambda done, of=total: bar.update(task, completed=done, total=of)
