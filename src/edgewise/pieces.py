"""A table in a file that is read piece by piece: what every such file is asked, whatever its format."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from numpy.typing import NDArray

from edgewise.errors import FormatError


@dataclass(frozen=True, slots=True)
class Values:
    """One column of a piece."""

    name: str
    kind: str
    """number, truth or word"""
    numbers: NDArray[Any]
    """(n,) numbers, NaN where missing; or for words the place of each in `words`, -1 where missing."""
    words: tuple[str, ...] | None
    odd: "Odd | None" = None


@dataclass(frozen=True, slots=True)
class Odd:
    """The value that made a column one of words, where those before it in the file are none."""

    value: str
    row: int
    """from 1"""
    kind: str
    """number or truth: what the values before it are"""

    def __str__(self) -> str:
        before = "numbers" if self.kind == "number" else "truth values"
        return f"its values are words because of {self.value!r:.60} in row {self.row}: those before are {before}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows that follow each other."""

    first_row: int
    """How many rows of the file come before."""
    columns: tuple[Values, ...]


class Rows(NamedTuple):
    """Some rows of a group, which are to be read."""

    group: int
    first: int
    last: int
    """From `first` to before `last`."""
    line: int = 0
    """Rows of the same group and line follow each other; of every line one group at a time is gone on with."""


class Reading(Protocol):
    """One pass over a file: an iterator of pieces, to be closed, or used in a `with`."""

    def __iter__(self) -> Iterator[Piece]: ...

    def stop(self) -> None:
        """End a pass that is not done, also while another thread waits for it."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class File(ABC):
    """A file that is read piece by piece; it must stay as it is meanwhile."""

    kinds: dict[str, str]
    """By the names of the columns: number, truth or word; or in brackets what else one holds."""
    names: tuple[str, ...]
    group_rows: tuple[int, ...]
    """How many rows there are in each group: rows that follow each other, and can be read without those before."""
    checksum: int
    """By which the file is known again, whatever its name and time."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._stamp = _stamp(self.path)

    @property
    def n_rows(self) -> int:
        return sum(self.group_rows)

    open_bytes: int
    """About what is held of a group while it can be gone on with."""

    @abstractmethod
    def read(self, columns: Sequence[str], rows: Sequence[Rows] | None = None) -> Reading:
        """One pass over these rows, all of them if None, in this order."""

    def every_row(self) -> list[Rows]:
        """In the order of the file."""
        return [Rows(group, 0, n) for group, n in enumerate(self.group_rows) if n]

    def check_unchanged(self) -> None:
        """FormatError if it is not the file it was."""
        if _stamp(self.path) != self._stamp:
            raise self.changed()

    def changed(self) -> FormatError:
        """That it is not."""
        return FormatError(f"{self.path} was changed while it was being read; start again")


def _stamp(path: Path) -> tuple[int, int, int]:
    """By which a file is known to be unchanged."""
    try:
        found = path.stat()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a null character in the name
        raise FormatError(f"cannot read {str(path)!r}: {error}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns
