"""Tables: columns of numbers, truth values or words, from files, frames and bundled data.

A table comes from a name that is bundled (scikit-learn's small real data sets), from a CSV or Parquet file, or from a
frame. A path is a path, never a pattern or an address. Rows are counted from 1 below the header in every message.
"""

import math
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import csv_file, parquet
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, FormatError, MissingDependencyError
from edgewise.pieces import File, Odd, Piece, Values
from edgewise.processes import Processes

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
"""Names of the data sets that need no file."""

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES)
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, B rows."""

    name: str
    values: NDArray[Any]
    """(B,) float64, or objects that are str; anything where missing."""
    missing: NDArray[np.bool_]
    """(B,)"""
    kind: Literal["number", "truth", "word"]
    first_row: int = 0
    """How many rows of the table come before these, where they are a piece of it."""
    odd: Odd | None = None
    """What made this a column of words, where numbers or truth values come before it."""

    @property
    def numeric(self) -> bool:
        return self.kind != "word"

    @property
    def remark(self) -> str:
        """What an error about its words should end with."""
        return "" if self.odd is None else f" ({self.odd})"


@dataclass(frozen=True, slots=True)
class Table:
    """Features and the target, row beside row."""

    source: str
    features: tuple[Column, ...]
    target: Column

    @property
    def n_rows(self) -> int:
        return len(self.target.values)


# ---- reading ----


def load_table(data: str, target: str | None = None) -> Table:
    """The table called `data`: a bundled name or the path of a CSV or Parquet file.

    target names the column to predict; bundled data sets have one called "target". DataError lists the columns if
    there is none of that name; FormatError if the file cannot be read.
    """
    columns = all_columns(data)
    if data in BUNDLED and target is None:
        target = "target"
    names = [column.name for column in columns]
    if target is None:
        raise DataError(f"which column of {data} is the target? Name it with --target; columns: {listed(names)}")
    check_shape(data, names, target, len(columns[0].values))
    features = tuple(column for column in columns if column.name != target)
    return Table(data, features, columns[names.index(target)])


def all_columns(data: str, names: Collection[str] | None = None, optional: Collection[str] = ()) -> tuple[Column, ...]:
    """All columns of bundled data or of a file, or those of these names; errors as in `load_table`.

    optional : names of more, which need not be there.
    """
    if data in BUNDLED:
        found = _bundled(data)
        check_present(data, [column.name for column in found], names or ())
        return tuple(column for column in found if names is None or column.name in (*names, *optional))
    if Path(data).suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{data!r} is neither bundled data ({', '.join(BUNDLED)}) nor a file whose name ends in "
            f"{', '.join(SUFFIXES)}"
        )
    return read_columns(data, names, optional)


def check_present(source: str | PathLike[str], found: Sequence[str], wanted: Collection[str]) -> None:
    """DataError if a column is not among those found."""
    for name in wanted:
        if name not in found:
            raise DataError(f"{source} has no column {name!r}; columns: {listed(found)}")


def check_shape(source: str | PathLike[str], names: Sequence[str], target: str, n_rows: int) -> None:
    """DataError if a table has not the target, or nothing beside it, or too few rows."""
    check_present(source, names, [target])
    if len(names) < 2:
        raise DataError(f"{source} has only the column {target!r}: there is nothing to predict it from")
    if n_rows < MIN_ROWS:
        raise DataError(f"{source} has {n_rows} rows; at least {MIN_ROWS} are needed to train and test")


def read_columns(
    path: str | Path, names: Collection[str] | None = None, optional: Collection[str] = ()
) -> tuple[Column, ...]:
    """The columns of a CSV (with a header), TSV or Parquet file, or those of these names, and of the optional ones.

    DataError if there is no row, a column is missing, or one is of an odd type.
    """
    if _is_parquet(path):
        frame = _parquet_frame(path)
        found, n_rows = frame.columns, frame.height
    else:
        _check_fits(path)
        file = csv_file.CsvFile(path)
        found, n_rows = file.names, file.n_rows
    if n_rows == 0 or not found:
        raise DataError(f"{path} is empty: it has no row of data")
    check_present(path, found, names or ())
    wanted = [name for name in found if names is None or name in (*names, *optional)]
    if _is_parquet(path):
        return tuple(_column(path, frame.get_column(name)) for name in wanted)
    return _whole(file, wanted)


def open_file(path: str | PathLike[str], processes: Processes | None = None) -> File:
    """A file to be read piece by piece: CSV or TSV by its suffix, Parquet else. FormatError if it cannot be read.

    processes : those that open it together; each goes through its part of a CSV file.
    """
    if _is_text(path):
        return csv_file.CsvFile(path, processes)
    return parquet.ParquetFile(path) if processes is None else processes.each(lambda: parquet.ParquetFile(path))


def column_names(path: str | PathLike[str]) -> tuple[str, ...]:
    """Of such a file, without reading more of it than that takes."""
    return csv_file.names(path) if _is_text(path) else parquet.ParquetFile(path).names


def _is_text(path: str | PathLike[str]) -> bool:
    return Path(path).suffix.lower() in TEXT_SUFFIXES


def _is_parquet(path: str | PathLike[str]) -> bool:
    return Path(path).suffix.lower() in PARQUET_SUFFIXES


def _whole(file: File, names: Sequence[str]) -> tuple[Column, ...]:
    """These columns of a file, all rows of them."""
    for name in names:
        check_kind(file.path, name, file.kinds[name])
    with file.read(names) as reading:
        pieces = [columns_of(piece) for piece in reading]
    return tuple(
        Column(
            parts[0].name,
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.missing for part in parts]),
            parts[0].kind,
            odd=parts[0].odd,
        )
        for parts in zip(*pieces, strict=True)
    )


def check_kind(source: str | PathLike[str], name: str, kind: str) -> None:
    """DataError if a column of a file holds neither numbers nor words, by `pieces.File.kinds`."""
    if kind == "(null)":
        raise DataError(f"{source}: column {name!r} holds no value at all; remove it")
    if kind.startswith("("):
        raise DataError(f"{source}: column {name!r} holds {kind[1:-1]}; turn it into numbers or words, or remove it")


def columns(frame: Any) -> tuple[Column, ...]:
    """All columns of a polars or pandas DataFrame, or of anything polars makes one from; DataError as for a file."""
    try:
        import polars as pl
    except ImportError:
        raise MissingDependencyError("polars", "cli", "reading frames") from None
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if type(frame).__module__.partition(".")[0] == "pandas":  # polars would need pyarrow for its words
        cells = {str(name): frame[name].astype(object) for name in frame.columns}
        frame = {name: series.where(series.notna(), None).tolist() for name, series in cells.items()}
    try:
        frame = pl.DataFrame(frame)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(f"this is no table: {str(error).splitlines()[0][:200]}") from None
    if frame.height == 0 or frame.width == 0:
        raise DataError("the frame is empty: it has no row of data")
    return tuple(_column("frame", series) for series in frame.get_columns())


def table(frame: Any, target: str) -> Table:
    """The table of a DataFrame, `target` naming the column to predict; see `columns`."""
    found = columns(frame)
    names = [column.name for column in found]
    check_present("the frame", names, [target])
    if len(found) < 2:
        raise DataError(f"the frame has only the column {target!r}: there is nothing to predict it from")
    return Table("frame", tuple(c for c in found if c.name != target), found[names.index(target)])


def read_numbers(path: str | Path, names: Sequence[str] | None = None) -> FloatArray:
    """(B, C) the numbers of a file, for example the inputs of a network, B samples.

    A CSV whose first line holds only numbers has no header and is taken as it stands. With a header, columns are
    picked by `names` if all of them are there, whatever their order; otherwise they are taken as they stand.
    DataError for a word, a missing value or one that is not finite, with column and row.
    """
    if _is_parquet(path):
        columns = read_columns(path)
    else:
        frame = _text_frame(path)
        if frame.height == 0:
            raise DataError(f"{path} is empty: it has no row of data")
        first = [str(cell) for cell in frame.row(0)]
        if not all(is_number(cell) for cell in first):
            columns = read_columns(path)
        else:
            columns = tuple(_words_to_numbers(path, str(k + 1), s) for k, s in enumerate(frame.get_columns()))
    if names is not None:
        by_name = {column.name: column for column in columns}
        if len(set(names)) == len(names) and all(name in by_name for name in names):
            columns = tuple(by_name[name] for name in names)
    for column in columns:
        if not column.numeric:
            raise DataError(
                f"{path}: column {column.name!r} holds words ({column.values[0]!r}, …), not numbers{column.remark}"
            )
        refuse_missing(column, np.arange(len(column.values)))
    return np.stack([column.values.astype(np.float64) for column in columns], axis=1)


def listed(names: Sequence[str]) -> str:
    """The first of them, for a message."""
    shown = ", ".join(map(repr, names[:20]))
    return shown if len(names) <= 20 else f"{shown}, … ({len(names)} in all)"


def is_number(text: str) -> bool:
    """Whether Python takes it for one."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _words_to_numbers(path: str | Path, name: str, series: Any) -> Column:
    values = np.full(len(series), math.nan)
    for row, cell in enumerate(series.to_list()):
        if cell is None:
            continue
        if not is_number(cell):
            raise DataError(f"{path}: column {name}, row {row + 1}: {cell!r} is not a number")
        values[row] = float(cell)
    refuse_infinite(name, values)
    return Column(name, values, np.isnan(values), "number")


def _read_bytes(path: str | PathLike[str]) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a null character in the name
        raise FormatError(f"cannot read {str(path)!r}: {error}") from None
    if not content.strip():
        raise DataError(f"{path} is empty: it has no row of data")
    return content


def _parquet_frame(path: str | PathLike[str]) -> Any:
    """The polars DataFrame in a Parquet file."""
    try:
        return parquet.read(_read_bytes(path))
    except ImportError:
        raise MissingDependencyError("polars", "cli", "reading CSV and Parquet files") from None
    except FormatError as error:
        raise FormatError(f"cannot read {path} as Parquet: {error}") from None


def _text_frame(path: str | PathLike[str]) -> Any:
    """A polars DataFrame of the text in each cell of a CSV file, the first row too."""
    return csv_file.text(_read_bytes(path), path)


def _check_fits(path: str | PathLike[str]) -> None:
    """DataError about a CSV file that is too large to be read at once."""
    with suppress(OSError, ValueError):  # which shows when it is read
        if Path(path).stat().st_size * 2 > memory_bytes():
            raise DataError(
                f"{path} is too large to be read into memory; `edgewise train` streams it, and so does "
                "edgewise.streams.TableStream"
            )


def memory_bytes() -> float:
    """What this machine has, as far as that is known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _column(path: str | Path, series: Any) -> Column:
    """One column from a polars Series."""
    import polars as pl

    name, dtype = series.name, series.dtype
    missing = series.is_null().to_numpy().astype(bool)
    if missing.all():
        raise DataError(f"{path}: column {name!r} holds no value at all; remove it")
    if dtype == pl.Boolean or dtype.is_numeric():
        numbers = series.cast(pl.Float64).to_numpy().astype(np.float64)
        refuse_infinite(name, np.where(missing, 0.0, numbers))
        kind: Literal["number", "truth"] = "truth" if dtype == pl.Boolean else "number"
        return Column(name, numbers, missing | np.isnan(numbers), kind)
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        words = np.array(series.cast(pl.String).to_list(), dtype=object)
        return Column(name, words, missing, "word")
    raise DataError(f"{path}: column {name!r} holds {dtype}; turn it into numbers or words, or remove it")


def columns_of(piece: Piece) -> tuple[Column, ...]:
    """The columns of some rows of a file; DataError for a number that is not finite, with its row."""
    return tuple(_column_of(values, piece.first_row) for values in piece.columns)


def _column_of(values: Values, first_row: int) -> Column:
    if values.words is not None:
        words = np.array([*values.words, None], dtype=object)
        return Column(values.name, words[values.numbers], values.numbers < 0, "word", first_row, values.odd)
    numbers = values.numbers.astype(np.float64)
    refuse_infinite(values.name, numbers, first_row)
    return Column(values.name, numbers, np.isnan(numbers), "truth" if values.kind == "truth" else "number", first_row)


def refuse_infinite(name: str, values: FloatArray, first_row: int = 0) -> None:
    """DataError about the first infinite one of the values, with its row."""
    rows = np.flatnonzero(np.isinf(values))
    if len(rows):
        row = first_row + int(rows[0]) + 1
        raise DataError(f"column {name!r}, row {row}: {values[rows[0]]} is not a finite number")


def refuse_missing(column: Column, rows: NDArray[Any], advice: str = "fill it in or remove the row") -> None:
    """DataError if a value is missing in these rows of the column, with the first of them and the advice."""
    bad = rows[column.missing[rows]]
    if len(bad):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        row = column.first_row + bad[0] + 1
        raise DataError(f"column {column.name!r}, row {row}: the value is missing{more}; {advice}")


def _bundled(name: str) -> tuple[Column, ...]:
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingDependencyError("scikit-learn", "cli", f"the bundled data {name!r}") from None
    bunch = getattr(datasets, f"load_{name}")()
    numbers = np.asarray(bunch.data, np.float64)
    known = np.zeros(len(numbers), bool)
    columns = [Column(str(feature), numbers[:, k], known, "number") for k, feature in enumerate(bunch.feature_names)]
    labels = getattr(bunch, "target_names", None)
    if labels is None:
        return *columns, Column("target", np.asarray(bunch.target, np.float64), known, "number")
    words = np.array([str(labels[k]) for k in bunch.target], dtype=object)
    return *columns, Column("target", words, known, "word")
