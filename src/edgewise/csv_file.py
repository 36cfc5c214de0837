"""CSV files, read piece by piece: no more of one is in memory than a piece, whatever its size.

A file is gone through once to find where it can be cut and what its columns hold (`csv_scan`). Then each piece is read
by itself, in any order, and a checksum tells whether it is still what it was.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

from edgewise import csv_rows, csv_scan
from edgewise.csv_scan import MISSING_WORDS, RefusedError
from edgewise.errors import FormatError
from edgewise.pieces import File, Piece, Rows, Values
from edgewise.processes import Processes


class CsvFile(File):
    """A CSV file with a header, or by its suffix a TSV file; gone through once when this is made.

    processes : those that open it together, and go through a part of it each.

    FormatError if it cannot be read, with the row; DataError if it is empty; MissingDependencyError without polars.
    """

    def __init__(self, path: str | os.PathLike[str], processes: Processes | None = None) -> None:
        if processes is None:
            super().__init__(path)
            found = csv_scan.go_through(self.path)
            self.check_unchanged()
        else:
            processes.each(lambda: File.__init__(self, path))
            found = csv_scan.go_through_together(self.path, processes)
            processes.each(self.check_unchanged)
        self._header, self._found, self._odd, self._places = found.header.encode(), found.kinds, found.odd, found.places
        self.names = tuple(self._found)
        self.group_rows, self.open_bytes = tuple(place.n_rows for place in self._places), 4 * csv_scan.PIECE_BYTES
        checksums = [place.checksum for place in self._places]
        self.checksum = crc32(repr(checksums).encode(), crc32(self._header))
        self.kinds = {name: kind or "(null)" for name, kind in self._found.items()}

    def read(self, columns: Sequence[str], rows: Sequence[Rows] | None = None) -> "CsvReading":
        return CsvReading(self, columns, self.every_row() if rows is None else rows)

    def pieces(self, columns: Sequence[str], rows: Sequence[Rows]) -> Iterator[Piece]:
        """One after another; FormatError if one is not what it was."""
        self.check_unchanged()
        held: dict[int, tuple[int, Any]] = {}
        with csv_scan.opened(self.path) as source:
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
            return csv_scan.frame(content, self._header, self.path, self._found, columns)
        except RefusedError as refused:
            raise csv_scan.error(self.path, refused.reason) from None

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


def names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Of the columns of a CSV file, of which nothing else is read; errors as for `CsvFile`."""
    with csv_scan.opened(Path(path)) as source:
        try:
            return csv_scan.names(csv_rows.header(source), Path(path))
        except csv_rows.NotClosedError:
            raise csv_scan.error(Path(path), "a quote in the header is not closed") from None


def text(content: bytes, path: str | os.PathLike[str]) -> Any:
    """A polars DataFrame of the words in a CSV file without a header; FormatError if it cannot be had."""
    try:
        return csv_scan.parsed(
            content,
            separator=csv_scan.separator(path),
            has_header=False,
            infer_schema_length=0,
            null_values=list(MISSING_WORDS),
        )
    except RefusedError as refused:
        raise csv_scan.error(Path(path), refused.reason) from None
