"""Going through a CSV file once, to find where it can be cut and what its columns hold; by one process or by several.

A column holds numbers or truth values if all its values are of the kind of the first, and words otherwise; so what it
holds does not depend on where the file was cut. Several processes go through some blocks of it each. Where what they
find does not fit together, or there is an error, the first goes through all of it after all, and so finds what it would
have alone.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

from edgewise import csv_rows
from edgewise.csv_rows import NotClosedError
from edgewise.errors import DataError, FormatError, MissingDependencyError
from edgewise.pieces import Odd
from edgewise.processes import Processes

MISSING_WORDS = ("NA", "N/A", "NaN", "nan", "null", "?")
"""What stands for a missing value, besides an empty cell."""
PIECE_BYTES = 1 << 21
"""About what a piece takes in the file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece is in the file, and what is there."""

    first_byte: int
    n_bytes: int
    first_row: int
    n_rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in a file, or in some blocks of it, as if these were all."""

    header: str
    kinds: dict[str, str | None]
    """By the names of the columns: number, truth or word, or None where no value is known."""
    odd: dict[str, Odd] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return self.places[-1].first_row + self.places[-1].n_rows if self.places else 0

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        plain = json.loads(text)
        odd = {name: Odd(**parts) for name, parts in plain["odd"].items()}
        return cls(plain["header"], plain["kinds"], odd, [Place(**parts) for parts in plain["places"]])

    @classmethod
    def joined(cls, parts: Sequence["Found"]) -> Self | None:
        """Of blocks one after another; None if a column is not of one kind in all that know it."""
        before = list(accumulate((part.n_rows for part in parts), initial=0))
        whole = cls(parts[0].header, dict(parts[0].kinds))
        for name in whole.kinds:
            knowing = [(part, n) for part, n in zip(parts, before, strict=False) if part.kinds[name] is not None]
            if not knowing:
                continue
            first, n_before = knowing[0]
            kind = whole.kinds[name] = first.kinds[name]
            if kind != "word" and any(part.kinds[name] != kind for part, _ in knowing):
                return None
            if name in first.odd:
                found = first.odd[name]
                whole.odd[name] = Odd(found.value, found.row + n_before, found.kind)
        for part, n in zip(parts, before, strict=False):
            whole.places.extend(
                Place(place.first_byte, place.n_bytes, place.first_row + n, place.n_rows, place.checksum)
                for place in part.places
            )
        return whole


def go_through(path: Path, rank: int = 0, size: int = 1, quoted: bool = False) -> Found:
    """The file, or the blocks of the `rank`-th of so many processes, which begin within quotes or do not.

    FormatError if it cannot be read, with the row; DataError if it is empty; MissingDependencyError without polars.
    """
    place, n_rows = "the header", 0
    try:
        with opened(path) as source:
            header = csv_rows.header(source)
            columns = _Columns(header, path)
            begin = source.tell()
            blocks = csv_rows.blocks_of(source, begin, PIECE_BYTES, rank, size)
            places = []
            for first_byte, content in csv_rows.cut(source, begin, PIECE_BYTES, blocks, quoted, rank == size - 1):
                n = columns.look_at(content, n_rows)
                places.append(Place(first_byte, len(content), n_rows, n, crc32(content)))
                n_rows += n
                place = f"row {n_rows + 1}"
    except NotClosedError:
        raise error(path, f"a quote in {place} is not closed") from None
    return Found(header.decode(), columns.kinds, columns.odd, places)


def go_through_together(path: Path, processes: Processes) -> Found:
    """The same in each of several processes, which read their own blocks.

    Errors in all of them; a FormatError too where they have different files under this name.
    """
    rank, size = processes.rank, processes.size
    first_look = processes.text_of_each(json.dumps(processes.each(lambda: _looked_at_first(path, rank, size))))
    quotes, n_bytes, headers = zip(*map(json.loads, first_look), strict=True)
    _check_same(path, n_bytes, "has {} bytes")
    _check_same(path, headers, "has a header with the checksum {}")
    quoted = sum(quotes[:rank]) % 2 == 1

    def mine() -> str:
        try:
            return go_through(path, rank, size, quoted).to_text()
        except (FormatError, DataError):
            return ""  # the row's number is not known here

    parts = processes.text_of_each(processes.each(mine))
    whole = Found.joined([Found.from_text(part) for part in parts]) if all(parts) else None
    if whole is None:
        alone = processes.each(lambda: go_through(path).to_text() if processes.is_first else "")
        whole = Found.from_text(processes.text_of_each(alone)[0])
    return whole


def _looked_at_first(path: Path, rank: int, size: int) -> tuple[int, int, int]:
    """How many quotes there are in a process's blocks; how many bytes in the file; and the checksum of its header."""
    with opened(path) as source:
        n_bytes = source.seek(0, os.SEEK_END)
        try:
            source.seek(0)
            header = csv_rows.header(source)
            begin = source.tell()
            blocks = csv_rows.blocks_of(source, begin, PIECE_BYTES, rank, size)
            return csv_rows.quotes(source, begin, PIECE_BYTES, blocks), n_bytes, crc32(header)
        except NotClosedError:
            return 0, n_bytes, 0  # which is said where the file is gone through


def _check_same(path: Path, of_each: Sequence[int], what: str) -> None:
    """FormatError if processes have found different things."""
    other = next((rank for rank, found in enumerate(of_each) if found != of_each[0]), None)
    if other is not None:
        raise FormatError(
            f"{path} {what.format(of_each[0])} where the first process runs, and {of_each[other]} where "
            f"process {other} does; give all the same file"
        )


class _Columns:
    """What the columns hold, with regard to the rows looked at so far."""

    def __init__(self, header: bytes, path: Path) -> None:
        self._header, self._path = header, path
        self.kinds: dict[str, str | None] = dict.fromkeys(names(header, path))
        self.odd: dict[str, Odd] = {}

    def look_at(self, content: bytes, first_row: int) -> int:
        """How many rows there are in these; what the columns hold is then known with regard to them too."""
        try:
            these = frame(content, self._header, self._path, self.kinds)
        except RefusedError:
            try:
                cells = frame(content, self._header, self._path, dict.fromkeys(self.kinds, "word"))
                for name in self.kinds:
                    self._widen(name, cells.get_column(name), first_row)
                these = frame(content, self._header, self._path, self.kinds)
            except RefusedError as refused:
                fault = csv_rows.fault(content, separator(self._path), len(self.kinds), first_row)
                raise error(self._path, fault or f"{refused.reason} (after row {first_row})") from None
        for name, kind in self.kinds.items():
            if kind is None and these.get_column(name).null_count() < these.height:
                self.kinds[name] = "number"
        return int(these.height)

    def _widen(self, name: str, cells: Any, first_row: int) -> None:
        """What a column holds now that it holds these cells as well."""
        known = cells.is_not_null() & (cells != "")
        kind = self.kinds[name]
        if kind == "word" or not known.any():
            return
        if kind is None:
            first = cells.gather([known.arg_max()])
            kind = next((kind for kind, fits in _FITS.items() if fits(first).all()), "word")
        if kind != "word":
            others = (known & ~_FITS[kind](cells)).arg_true()
            if len(others):
                self.odd[name] = Odd(cells[others[0]], first_row + others[0] + 1, kind)
                kind = "word"
        self.kinds[name] = kind


# ---- reading ----


class RefusedError(Exception):
    """polars does not take these rows."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def separator(path: str | os.PathLike[str]) -> str:
    """Between the values of a row."""
    return "\t" if Path(path).suffix.lower() == ".tsv" else ","


def frame(
    content: bytes, header: bytes, path: Path, kinds: dict[str, str | None], columns: Sequence[str] | None = None
) -> Any:
    """These rows as a polars DataFrame; RefusedError if they do not hold what they should."""
    import polars as pl

    types = {"word": pl.String, "truth": pl.Boolean, "number": pl.Float64, None: pl.Float64}
    return parsed(
        header + content,
        separator=separator(path),
        schema={name: types[kind] for name, kind in kinds.items()},
        columns=None if columns is None else list(columns),
        null_values=list(MISSING_WORDS),
    )


def names(header: bytes, path: Path) -> tuple[str, ...]:
    if not header:
        raise DataError(f"{path} is empty: it has no row of data")
    try:
        header.decode()
        return tuple(parsed(header, separator=separator(path), infer_schema_length=0).columns)
    except UnicodeDecodeError as refused:
        raise error(path, f"the header is no UTF-8: {refused.reason}") from None
    except RefusedError as refused:
        raise error(path, csv_rows.fault(header, separator(path), None) or refused.reason) from None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as source:
            yield source
    except OSError as refused:
        raise FormatError(f"cannot read {path}: {refused.strerror or refused}") from None


def error(path: Path, reason: str) -> FormatError:
    return FormatError(f"cannot read {path} as CSV: {reason}")


def parsed(content: bytes, **how: Any) -> Any:
    """The polars DataFrame in some bytes."""
    try:
        import polars as pl
    except ImportError:
        raise MissingDependencyError("polars", "cli", "reading CSV and Parquet files") from None
    try:
        return pl.read_csv(io.BytesIO(content), **how)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as refused:  # polars' panics are not even Exceptions
        if isinstance(refused, Exception) or type(refused).__name__ == "PanicException":
            raise RefusedError((str(refused).strip().splitlines() or [type(refused).__name__])[0][:200]) from None
        raise


def _is_number(cells: Any) -> Any:
    """Of polars words, which ones polars takes for numbers in a CSV file: those with blanks before them too."""
    import polars as pl

    return cells.str.strip_chars_start(" \t").cast(pl.Float64, strict=False).is_not_null()


def _is_truth(cells: Any) -> Any:
    return cells.str.to_lowercase().is_in(["true", "false"])


_FITS: dict[str, Callable[[Any], Any]] = {"number": _is_number, "truth": _is_truth}
