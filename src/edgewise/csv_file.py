"""CSV files, read piece by piece: no more of one is in memory than a piece, whatever its size.

A file is gone through once to find where it can be cut and what its columns hold. It can be cut after every line break
with an even number of quotes before it, for that one is in no quoted field (RFC 4180). Then each piece is read by
itself, in any order, and a checksum tells whether it is still what it was.

A column holds numbers or truth values if all its values are of the kind of the first, and words otherwise; so what it
holds does not depend on where the file was cut.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

from edgewise.errors import DataError, FormatError, MissingDependencyError
from edgewise.pieces import File, Odd, Piece, Rows, Values

MISSING_WORDS = ("NA", "N/A", "NaN", "nan", "null", "?")
"""What stands for a missing value, besides an empty cell."""
PIECE_BYTES = 1 << 21
"""About what a piece takes in the file."""
ROW_BYTES = 1 << 26
"""A row with more than this is taken for a quote that is not closed."""


class CsvFile(File):
    """A CSV file with a header, or by its suffix a TSV file; gone through once when this is made.

    FormatError if it cannot be read, with the row; DataError if it is empty; MissingDependencyError without polars.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._separator = separator(self.path)
        self._odd: dict[str, Odd] = {}
        self._places: list[_Place] = []
        rows: list[int] = []
        place, first_row = "the header", 0
        try:
            with _opened(self.path) as source:
                self._header = _header(source)
                self.names = _names(self._header, self.path)
                self._found: dict[str, str | None] = dict.fromkeys(self.names)
                for first_byte, content in _cut(source):
                    rows.append(self._look_at(content, first_row))
                    self._places.append(_Place(first_byte, len(content), first_row, crc32(content)))
                    first_row += rows[-1]
                    place = f"row {first_row + 1}"
        except _NotClosedError:
            raise _error(self.path, f"a quote in {place} is not closed") from None
        self._conclude(rows)
        self.check_unchanged()

    def found(self) -> str:
        """What going through the file has found, as text."""
        places = [[place.first_byte, place.n_bytes, place.first_row, place.checksum] for place in self._places]
        odd = {name: [odd.value, odd.row, odd.kind] for name, odd in self._odd.items()}
        return json.dumps([self._header.decode(), self.names, self._found, odd, places, self.group_rows])

    @classmethod
    def as_found(cls, path: str | os.PathLike[str], found: str) -> "CsvFile":
        """The file of which another process has found this, without going through it. FormatError if it is none."""
        file = cls.__new__(cls)
        File.__init__(file, path)
        header, names, file._found, odd, places, rows = json.loads(found)
        file._header, file.names, file._separator = header.encode(), tuple(names), separator(file.path)
        file._odd = {name: Odd(*parts) for name, parts in odd.items()}
        file._places = [_Place(*place) for place in places]
        file._conclude(rows)
        with _opened(file.path) as source:
            end = source.seek(0, os.SEEK_END)
        if file._places and end != file._places[-1].first_byte + file._places[-1].n_bytes:
            raise FormatError(f"{path} is not the file that another process has found under this name")
        return file

    def _conclude(self, rows: Sequence[int]) -> None:
        self.group_rows, self.open_bytes = tuple(rows), 4 * PIECE_BYTES
        checksums = [place.checksum for place in self._places]
        self.checksum = crc32(repr(checksums).encode(), crc32(self._header))
        self.kinds = {name: kind or "(null)" for name, kind in self._found.items()}

    def read(self, columns: Sequence[str], rows: Sequence[Rows] | None = None) -> "CsvReading":
        return CsvReading(self, columns, self.every_row() if rows is None else rows)

    def pieces(self, columns: Sequence[str], rows: Sequence[Rows]) -> Iterator[Piece]:
        """One after another; FormatError if one is not what it was."""
        self.check_unchanged()
        held: dict[int, tuple[int, Any]] = {}
        with _opened(self.path) as source:
            for group, first, last, line in rows:
                known, frame = held.pop(line, (-1, None))
                if known != group:
                    frame = self._group(source, group, columns)
                some = frame if last - first == frame.height else frame.slice(first, last - first)
                yield Piece(
                    self._places[group].first_row + first,
                    tuple(self._values(some.get_column(name)) for name in columns),
                )
                if last < frame.height:
                    held[line] = group, frame
        self.check_unchanged()

    def _group(self, source: IO[bytes], group: int, columns: Sequence[str]) -> Any:
        place = self._places[group]
        source.seek(place.first_byte)
        content = source.read(place.n_bytes)
        if crc32(content) != place.checksum:
            raise self.changed()
        try:
            return self._frame(content, columns)
        except _RefusedError as error:
            raise _error(self.path, error.reason) from None

    # ---- what the columns hold ----

    def _look_at(self, content: bytes, first_row: int) -> int:
        """How many rows there are; what the columns hold is then known with regard to them too."""
        try:
            frame = self._frame(content)
        except _RefusedError:
            try:
                cells = self._frame(content, kinds=dict.fromkeys(self.names, "word"))
                for name in self.names:
                    self._widen(name, cells.get_column(name), first_row)
                frame = self._frame(content)
            except _RefusedError as error:
                fault = _fault(content, self._separator, len(self.names), first_row)
                raise _error(self.path, fault or f"{error.reason} (after row {first_row})") from None
        for name, kind in self._found.items():
            if kind is None and frame.get_column(name).null_count() < frame.height:
                self._found[name] = "number"
        return int(frame.height)

    def _widen(self, name: str, cells: Any, first_row: int) -> None:
        """What a column holds now that it holds these cells as well."""
        known = cells.is_not_null() & (cells != "")
        kind = self._found[name]
        if kind == "word" or not known.any():
            return
        if kind is None:
            first = cells.gather([known.arg_max()])
            kind = next((kind for kind, fits in _FITS.items() if fits(first).all()), "word")
        if kind != "word":
            others = (known & ~_FITS[kind](cells)).arg_true()
            if len(others):
                self._odd[name] = Odd(cells[others[0]], first_row + others[0] + 1, kind)
                kind = "word"
        self._found[name] = kind

    # ---- reading ----

    def _frame(
        self, content: bytes, columns: Sequence[str] | None = None, kinds: dict[str, str | None] | None = None
    ) -> Any:
        """These rows as a polars DataFrame; _RefusedError if they do not hold what they should."""
        import polars as pl

        types = {"word": pl.String, "truth": pl.Boolean, "number": pl.Float64, None: pl.Float64}
        schema = {name: types[kind] for name, kind in (kinds or self._found).items()}
        return _parsed(
            self._header + content,
            separator=self._separator,
            schema=schema,
            columns=None if columns is None else list(columns),
            null_values=list(MISSING_WORDS),
        )

    def _values(self, series: Any) -> Values:
        import polars as pl

        kind = self._found[series.name] or "number"
        if kind == "word":
            words = series.drop_nulls().unique(maintain_order=True)
            places = series.cast(pl.Enum(words)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
            return Values(series.name, kind, places, tuple(words.to_list()), self._odd.get(series.name))
        numbers = series.cast(pl.Float64) if kind == "truth" else series
        return Values(series.name, kind, numbers.to_numpy(), None)  # which makes what is missing NaN


class CsvReading:
    """One pass over a file, see `pieces.Reading`."""

    def __init__(self, file: CsvFile, columns: Sequence[str], rows: Sequence[Rows]) -> None:
        self._file, self._columns, self._rows = file, columns, rows
        self._stopped = False

    def __iter__(self) -> Iterator[Piece]:
        for piece in self._file.pieces(self._columns, self._rows):
            if self._stopped:
                raise FormatError(f"reading {self._file.path} was stopped")
            yield piece

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece is in the file, and what is there."""

    first_byte: int
    n_bytes: int
    first_row: int
    checksum: int


class _NotClosedError(Exception):
    """A quoted field goes on to the end of the file, or too far."""


class _RefusedError(Exception):
    """polars does not take these rows."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def separator(path: str | os.PathLike[str]) -> str:
    """Between the values of a row."""
    return "\t" if Path(path).suffix.lower() == ".tsv" else ","


def names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Of the columns of a CSV file, of which nothing else is read; errors as for `CsvFile`."""
    with _opened(Path(path)) as source:
        try:
            return _names(_header(source), Path(path))
        except _NotClosedError:
            raise _error(Path(path), "a quote in the header is not closed") from None


def text(content: bytes, path: str | os.PathLike[str]) -> Any:
    """A polars DataFrame of the words in a CSV file without a header; FormatError if it cannot be had."""
    try:
        return _parsed(
            content,
            separator=separator(path),
            has_header=False,
            infer_schema_length=0,
            null_values=list(MISSING_WORDS),
        )
    except _RefusedError as error:
        raise _error(Path(path), error.reason) from None


def _names(header: bytes, path: Path) -> tuple[str, ...]:
    if not header:
        raise DataError(f"{path} is empty: it has no row of data")
    try:
        header.decode()
        return tuple(_parsed(header, separator=separator(path), infer_schema_length=0).columns)
    except UnicodeDecodeError as error:
        raise _error(path, f"the header is no UTF-8: {error.reason}") from None
    except _RefusedError as error:
        raise _error(path, _fault(header, separator(path), None) or error.reason) from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as source:
            yield source
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _error(path: Path, reason: str) -> FormatError:
    return FormatError(f"cannot read {path} as CSV: {reason}")


def _parsed(content: bytes, **how: Any) -> Any:
    """The polars DataFrame in some bytes."""
    try:
        import polars as pl
    except ImportError:
        raise MissingDependencyError("polars", "cli", "reading CSV and Parquet files") from None
    try:
        return pl.read_csv(io.BytesIO(content), **how)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # polars' panics are not even Exceptions
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise _RefusedError((str(error).strip().splitlines() or [type(error).__name__])[0][:200]) from None
        raise


def _is_number(cells: Any) -> Any:
    """Of polars words, which ones polars takes for numbers in a CSV file: those with blanks before them too."""
    import polars as pl

    return cells.str.strip_chars_start(" \t").cast(pl.Float64, strict=False).is_not_null()


def _is_truth(cells: Any) -> Any:
    return cells.str.to_lowercase().is_in(["true", "false"])


_FITS: dict[str, Callable[[Any], Any]] = {"number": _is_number, "truth": _is_truth}


# ---- where rows end ----


def _header(source: IO[bytes]) -> bytes:
    """The first row, with a line break at its end; blank lines before it are left out. Empty if there is none."""
    header = b""
    while line := source.readline(ROW_BYTES):
        header = header + line if header.strip(b"\r\n") else line
        if len(header) > ROW_BYTES:
            break
        if header.count(b'"') % 2 == 0 and header.strip(b"\r\n"):
            return header if header.endswith(b"\n") else header + b"\n"
    if header.strip(b"\r\n"):
        raise _NotClosedError
    return b""


def _cut(source: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The rest of a file in pieces of whole rows, each with its place."""
    first_byte, left = source.tell(), b""
    while more := source.read(PIECE_BYTES):
        left += more
        end = _last_end(left)
        if end:
            yield first_byte, left[:end]
            first_byte, left = first_byte + end, left[end:]
        elif len(left) > ROW_BYTES:
            raise _NotClosedError
    if left.count(b'"') % 2:
        raise _NotClosedError
    if left:
        yield first_byte, left


def _last_end(content: bytes) -> int:
    """Where the last whole row ends of those that begin with `content`; 0 if there is none."""
    end = content.rfind(b"\n") + 1
    odd = content.count(b'"', 0, end) % 2
    while end and odd:
        before = content.rfind(b"\n", 0, end - 1) + 1
        odd ^= content.count(b'"', before, end) % 2
        end = before
    return end


def _rows(content: bytes) -> Iterator[bytes]:
    row = b""
    for line in content.splitlines(keepends=True):
        row += line
        if line.endswith(b"\n") and row.count(b'"') % 2 == 0:
            yield row
            row = b""
    if row:
        yield row


# ---- what is wrong ----


def _fault(content: bytes, separator: str, n_values: int | None, first_row: int = 0) -> str | None:
    """What is wrong with the first row that cannot be read, or None if nothing shows.

    n_values : how many a row has at most; None for the header.
    """
    between = separator.encode()
    for row, line in enumerate(_rows(content), first_row + 1):
        place = "the header" if n_values is None else f"row {row}"
        try:
            line.decode()
        except UnicodeDecodeError as error:
            bad = line[error.start : error.end]
            return f"{place} is no UTF-8: it has the bytes {bad!r} after {line[: error.start].decode()[-20:]!r}"
        outside = line.rstrip(b"\r\n").split(b'"')[::2]
        after, before = outside[1:], outside[:-1]
        if any(text and not text.startswith(between) for text in after) or any(
            text and not text.endswith(between) for text in before
        ):
            return f"{place} has a quote within a value; such a value needs quotes around it, and its own doubled"
        found = sum(text.count(between) for text in outside) + 1
        if n_values is not None and found > n_values:
            return f"{place} has {found} values, and the header {n_values}"
    return None
