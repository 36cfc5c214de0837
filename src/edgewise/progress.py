"""A live line on a terminal: how far training is, how fast, and how it goes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from edgewise.history import EpochRecord


class Display(Protocol):
    """Who shows it."""

    def moved(self, epochs: float) -> None:
        """So many epochs are done, the one under way in part."""
        ...

    def epoch(self, record: EpochRecord) -> None: ...


class _Nobody:
    def moved(self, epochs: float) -> None: ...
    def epoch(self, record: EpochRecord) -> None: ...


class _Bar:
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def moved(self, epochs: float) -> None:
        self._bar.update(self._task, completed=epochs)

    def epoch(self, record: EpochRecord) -> None:
        history = record.history
        shown = f"loss {history.loss[-1]:.4f} ({history.metric[-1]:.3f})"
        if history.validation_loss:
            shown += f", held-out {history.validation_loss[-1]:.4f} ({history.validation_metric[-1]:.3f})"
        shown += f", {record.open_gates:.0%} gates open, {_short(record.samples_per_second)}/s"
        self._bar.update(self._task, completed=record.epoch + 1, description=shown, epoch=record.epoch + 1)


def _short(number: float) -> str:
    """Three digits of it."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


@contextmanager
def display(wanted: bool, epochs: int) -> Iterator[Display]:
    """A bar, if it is wanted, rich is installed and stderr is a terminal."""
    columns: Any = None
    if wanted and sys.stderr.isatty():
        try:
            from rich import progress as columns
            from rich.console import Console
        except ImportError:
            columns = None
    if columns is None:
        yield _Nobody()
        return
    with columns.Progress(
        columns.TextColumn("epoch {task.fields[epoch]}/{task.total:.0f}"),
        columns.BarColumn(bar_width=6),
        columns.TextColumn("{task.description}"),
        columns.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        yield _Bar(bar, bar.add_task("", total=epochs, epoch=0))
