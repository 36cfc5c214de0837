"""Tables for the terminal, drawn with rich. Words from files are shown as they stand: no markup is read from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from edgewise.errors import MissingDependencyError

if TYPE_CHECKING:
    from rich.console import Console

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table to be shown: numbers are set to the right and rounded to six digits, None is a dash."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    total: int | None = None
    """How many rows there are in all, when `rows` is only the first of them."""


def console(file: TextIO) -> "Console":
    """A rich console on `file` that reads no markup; MissingDependencyError without rich."""
    try:
        from rich.console import Console
    except ImportError:
        raise MissingDependencyError("rich", "cli", "showing tables") from None
    # what is piped into a file is not cut to the width of some terminal
    width = None if file.isatty() else 10_000
    return Console(file=file, markup=False, highlight=False, emoji=False, width=width)


def show(to: "Console", table: TextTable) -> None:
    """Print the table, and a note if rows were left out."""
    from rich import box
    from rich.table import Table

    drawn = Table(title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for k, column in enumerate(table.columns):
        numbers = all(not isinstance(row[k], str) for row in table.rows)
        drawn.add_column(printable(column), justify="right" if numbers else "left", no_wrap=numbers)
    for row in table.rows:
        drawn.add_row(*map(_cell, row))
    to.print(drawn)
    if table.total is not None and table.total > len(table.rows):
        to.print(f"… {len(table.rows)} of {table.total:,} rows shown; --json gives all of them\n")


def printable(text: str) -> str:
    """`text` with control characters written out, so that a name in a file cannot steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.6g}" if math.isfinite(value) else str(value)
