"""Tables of data made ready for a network: reading, splitting, and what preprocessing learns from the training part.

A table comes from a name that is bundled (scikit-learn's small real data sets) or from a CSV or Parquet file. Files
are read from bytes in memory: a path is a path, never a pattern or an address. Rows are counted from 1 below the
header in every message.

Nothing is learnt from rows outside the training part: means, scales, categories and fill-ins come from there alone.
"""

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import csv_file, parquet
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, FormatError, MissingDependencyError
from edgewise.losses import Loss
from edgewise.pieces import File, Odd, Piece, Values

Task = Literal["classification", "regression"]

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
"""Names of the data sets that need no file."""

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES)
MAX_CATEGORIES = 1000
"""More different words than this in one column are taken for an identifier, not for categories."""
MAX_GUESSED_CLASSES = 20
"""A target of whole numbers with at most this many different ones is taken for classes."""
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


def open_file(path: str | PathLike[str]) -> File:
    """A file to be read piece by piece: CSV or TSV by its suffix, Parquet else. FormatError if it cannot be read."""
    return csv_file.CsvFile(path) if _is_text(path) else parquet.ParquetFile(path)


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
        if not all(_is_number(cell) for cell in first):
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


def _is_number(text: str) -> bool:
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
        if not _is_number(cell):
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


# ---- task and parts ----


def decide_task(target: Column, requested: Task | None = None) -> Task:
    """Classification if the target holds words, truth values or few whole numbers; `requested` overrules that."""
    check_task(target, requested)
    if requested is not None:
        return requested
    known = target.values[~target.missing]
    if target.kind != "number":
        return "classification"
    return "classification" if look_like_classes(np.unique(known), len(known)) else "regression"


def check_task(target: Column, requested: Task | None) -> None:
    """DataError if the target holds words, and numbers are to be learnt."""
    if requested == "regression" and not target.numeric:
        word = next(iter(target.values[~target.missing]), "")
        raise DataError(
            f"the target {target.name!r} holds words ({word!r}, …): regression needs numbers{target.remark}"
        )


def look_like_classes(distinct: FloatArray, n_rows: int) -> bool:
    """Whether so many rows, with these different numbers in them, are taken for classes."""
    few = len(distinct) <= min(MAX_GUESSED_CLASSES, max(2, n_rows // 5))
    return few and bool((distinct == np.round(distinct)).all())


def class_words(target: Column, rows: NDArray[Any] | None = None) -> NDArray[Any]:
    """(B,) what the classes of these rows, of all if None, are called, each a str; DataError for a missing one."""
    rows = np.arange(len(target.values)) if rows is None else rows
    refuse_missing(target, rows, "a row without target must be removed")
    values = target.values[rows]
    if target.kind == "word":
        return values
    if target.kind == "truth":
        return np.where(values != 0, "true", "false").astype(object)
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([class_word(value) for value in distinct.tolist()], dtype=object)[place]


def class_word(value: float) -> str:
    """What a class that is a number is called."""
    return str(int(value)) if value == round(value) else repr(value)


def class_order(target: Column) -> Callable[[str], Any]:
    """The key by which class words are sorted."""
    return float if target.kind == "number" else str


def class_labels(target: Column) -> NDArray[Any]:
    """(B,) the class of each row as a str; DataError for a missing one or too many or too few classes."""
    labels = class_words(target)
    check_classes(target.name, set(labels.tolist()), len(labels))
    return labels


def check_classes(target: str, classes: Collection[str], n_rows: int) -> None:
    """DataError if these are too many or too few to be the classes of so many rows."""
    if len(classes) == 1:
        word = next(iter(classes))
        raise DataError(f"the target {target!r} has one class only, {word!r}: there is nothing to tell apart")
    if len(classes) > n_rows // 2:
        raise DataError(
            f"the target {target!r} has {len(classes)} different values in {n_rows} rows: too many for classes; "
            "if it is a quantity, use --task regression"
        )


def split(
    n_rows: int, share: float, seed: int, labels: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row numbers of two parts, the second holding `share` of the rows; drawn from `seed`, each in ascending order.

    With labels, every class is divided in that share (largest remainders first), and keeps a row in the first part.
    """
    if not 0 < share < 1:
        raise DataError(f"a share of {share} leaves one part empty; it must lie between 0 and 1")
    generator = np.random.default_rng(seed)
    wanted = min(max(1, round(share * n_rows)), n_rows - 1)
    if labels is None:
        chosen = generator.permutation(n_rows)[:wanted]
    else:
        _, index, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
        exact = counts * share
        taken = np.minimum(np.floor(exact).astype(int), counts - 1)
        for k in np.argsort(taken - exact, kind="stable"):
            if taken.sum() < wanted and taken[k] < counts[k] - 1:
                taken[k] += 1
        chosen = np.concatenate([generator.permutation(np.flatnonzero(index == k))[:n] for k, n in enumerate(taken)])
    if len(chosen) == 0:
        raise DataError(f"too few rows ({n_rows}) to set a share of {share} aside with every class left to learn from")
    second = np.zeros(n_rows, bool)
    second[chosen] = True
    return np.flatnonzero(~second), np.flatnonzero(second)


# ---- preprocessing ----


@dataclass(frozen=True, slots=True)
class NumericFeature:
    """(v - mean) / scale; the scale of a constant column is 1."""

    name: str
    mean: float
    scale: float
    fill: float | None
    """Stands in for a missing value; None: a missing value is an error."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class CategoricalFeature:
    """One 0/1 input per category; a category not seen in training is all zeros."""

    name: str
    categories: tuple[str, ...]
    fill: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}={category}" for category in self.categories)


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """Classes, known by their place in this order."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberTarget:
    """The network learns (v - mean) / scale."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How rows of a table become numbers for a network, as learnt from the training part."""

    features: tuple[NumericFeature | CategoricalFeature, ...]
    target: ClassTarget | NumberTarget

    @property
    def input_names(self) -> tuple[str, ...]:
        """What each input of the network stands for."""
        return tuple(name for feature in self.features for name in feature.names)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of their indices; None for a target of numbers."""
        return self.target.classes if isinstance(self.target, ClassTarget) else None

    @classmethod
    def learn(cls, table: Table, rows: NDArray[Any], task: Task, *, impute: bool = False) -> "Preprocessing":
        """Learn from these rows of the table. DataError naming column and row for a missing value, unless `impute`."""
        features = tuple(_learn_feature(column, rows, impute) for column in table.features)
        target = table.target
        if task == "classification":
            seen = set(class_labels(target)[rows].tolist())
            return cls(features, ClassTarget(target.name, tuple(sorted(seen, key=class_order(target)))))
        refuse_missing(target, np.arange(table.n_rows), "a row without target must be removed")
        moments = Moments()
        moments.add(target.values[rows])
        mean, scale = moments.mean_and_scale()
        if np.ptp(target.values[rows] / max(1.0, float(np.abs(target.values[rows]).max()))) == 0:
            raise DataError(f"the target {target.name!r} is {target.values[rows[0]]} in every row: nothing to learn")
        return cls(features, NumberTarget(target.name, mean, scale))

    def inputs(self, columns: Sequence[Column], rows: NDArray[Any] | None = None) -> FloatArray:
        """(B, n_inputs) float64 from columns that include all features, found by name."""
        by_name = {column.name: column for column in columns}
        parts = []
        for feature in self.features:
            if feature.name not in by_name:
                raise DataError(f"there is no column {feature.name!r}; columns: {listed(list(by_name))}")
            column = by_name[feature.name]
            parts.append(_apply(feature, column, np.arange(len(column.values)) if rows is None else rows))
        return np.concatenate(parts, axis=1)

    def labels(self, target: Column, rows: NDArray[Any]) -> NDArray[Any]:
        """(B,) class indices, or standardised numbers."""
        if isinstance(self.target, NumberTarget):
            numbers: NDArray[Any] = _standardised(
                target.values[rows].astype(np.float64), self.target.mean, self.target.scale
            )
            return numbers
        labels = class_words(target, rows)
        found = places(labels, self.target.classes)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            raise DataError(
                f"column {target.name!r}, row {target.first_row + rows[unknown[0]] + 1}: the class "
                f"{labels[unknown[0]]!r} is not one of those learnt: {listed(self.target.classes)}"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` is its inverse."""
        features: list[dict[str, Any]] = []
        for feature in self.features:
            if isinstance(feature, NumericFeature):
                scaling = {"mean": feature.mean, "scale": feature.scale}
                features.append({"name": feature.name, "kind": "number", **scaling, "fill": feature.fill})
            else:
                words = {"categories": list(feature.categories), "fill": feature.fill}
                features.append({"name": feature.name, "kind": "category", **words})
        target: dict[str, Any] = {"name": self.target.name}
        if isinstance(self.target, ClassTarget):
            target |= {"kind": "class", "classes": list(self.target.classes)}
        else:
            target |= {"kind": "number", "mean": self.target.mean, "scale": self.target.scale}
        return {"format": "edgewise-preprocessing", "version": 1, "features": features, "target": target}

    @classmethod
    def from_dict(cls, content: Any) -> "Preprocessing":
        """The inverse of `to_dict`; FormatError if `content` is something else."""
        try:
            if content["format"] != "edgewise-preprocessing" or content["version"] != 1:
                raise ValueError("it is not edgewise-preprocessing, version 1")
            features = tuple(_feature_from_dict(feature) for feature in content["features"])
            target = content["target"]
            if target["kind"] == "class":
                known = ClassTarget(_word(target["name"]), tuple(map(_word, target["classes"])))
                return cls(features, known)
            return cls(features, NumberTarget(_word(target["name"]), _finite(target["mean"]), _scale(target["scale"])))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"this is no preprocessing file: {reason}") from None


def encode_target(loss: Loss, classes: int | None, labels: NDArray[Any], n_outputs: int) -> NDArray[Any]:
    """What `loss` wants as y, from class indices (`classes` many) or, with classes None, from numbers (B,).

    Class indices stay; for a loss on 0/1 or -1/+1 two classes fit one output, others have an output each.
    """
    if classes is None:
        return labels[:, None]
    if loss.labels == "index":
        return labels
    low = -1.0 if loss.labels == "sign" else 0.0
    if classes == 2 and n_outputs == 1:
        return np.where(labels == 1, 1.0, low)[:, None]
    y = np.full((len(labels), classes), low)
    y[np.arange(len(labels)), labels] = 1
    return y


def outputs_needed(loss: Loss, classes: int | None) -> tuple[int, ...]:
    """Numbers of outputs a network may have for this loss; the first is what a new network gets."""
    if classes is None:
        return (1,)
    if classes == 2 and loss.labels in ("binary", "sign"):
        return (1, 2)
    return (classes,)


def predicted_classes(output: FloatArray) -> NDArray[Any]:
    """(B,) the class each row of outputs stands for: the largest, or for one output whether it is above 0."""
    if output.shape[1] == 1:
        return (output[:, 0] > 0).astype(np.int64)
    return output.argmax(axis=1)


def refuse_missing(column: Column, rows: NDArray[Any], advice: str = "fill it in or remove the row") -> None:
    """DataError if a value is missing in these rows of the column, with the first of them and the advice."""
    bad = rows[column.missing[rows]]
    if len(bad):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        row = column.first_row + bad[0] + 1
        raise DataError(f"column {column.name!r}, row {row}: the value is missing{more}; {advice}")


def _standardised(values: FloatArray, mean: float, scale: float) -> FloatArray:
    """(v - mean) / scale, also where the difference alone would overflow."""
    with np.errstate(all="ignore"):
        found: FloatArray = (values - mean) / scale
        if np.isfinite(found).all():
            return found
        return np.where(np.isfinite(found), found, (values / 2 - mean / 2) / (scale / 2))


@dataclass(slots=True)
class Moments:
    """Mean and deviation of numbers that come in pieces, each merged with those before (Chan, Golub & LeVeque 1979).

    In units of the largest magnitude, so that squares of large numbers do not overflow.
    """

    count: int = 0
    largest: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared distances from the mean."""

    def add(self, values: FloatArray) -> None:
        """Some more of them, (n,)."""
        if not len(values):
            return
        values = values.astype(np.float64)
        largest = float(np.abs(values).max())
        unit = values / largest if largest > 0 else values
        mean, squares, count = float(unit.mean()), float(np.square(unit - unit.mean()).sum()), len(values)
        if not self.count:
            self.count, self.largest, self.mean, self.squares = count, largest, mean, squares
            return
        both, total = max(self.largest, largest), self.count + count
        mine, theirs = (self.largest / both, largest / both) if both > 0 else (1.0, 1.0)
        distance = mean * theirs - self.mean * mine
        self.mean = self.mean * mine + distance * (count / total)
        self.squares = self.squares * mine**2 + squares * theirs**2 + distance**2 * self.count * (count / total)
        self.count, self.largest = total, both

    def mean_and_scale(self) -> tuple[float, float]:
        """The mean and the deviation, for which 1 stands if all are the same."""
        deviation = math.sqrt(self.squares / self.count)
        # a deviation within rounding of the mean, or one that underflows, is a constant column
        constant = deviation <= 1e-12 or deviation * self.largest == 0
        return self.mean * self.largest, 1.0 if constant else deviation * self.largest


@dataclass(slots=True)
class FeatureSummary:
    """All that is learnt of one column, from rows that may come in pieces."""

    name: str
    impute: bool
    rows: int = 0
    """Those with a value."""
    moments: Moments = field(default_factory=Moments)
    words: Counter[str] | None = None
    remark: str = ""

    def add(self, column: Column, rows: NDArray[Any]) -> None:
        """These rows of (a piece of) the column; DataError for a missing value in any row, unless `impute`."""
        if not self.impute:
            every = np.arange(len(column.values))
            refuse_missing(column, every, "fill it in, remove the row, or ask for --impute")
        known = column.values[rows[~column.missing[rows]]]
        self.rows += len(known)
        if column.numeric:
            self.moments.add(known)
            return
        self.words = Counter() if self.words is None else self.words
        self.words.update(known.tolist())
        self.remark = column.remark
        if len(self.words) > MAX_CATEGORIES:
            self._refuse_identifier(self.words)

    def feature(self) -> NumericFeature | CategoricalFeature:
        """What was learnt."""
        if not self.rows:
            raise DataError(f"column {self.name!r} has no value in the rows to learn from; remove it")
        if self.words is None:
            mean, scale = self.moments.mean_and_scale()
            return NumericFeature(self.name, mean, scale, mean if self.impute else None)
        if len(self.words) == self.rows > MIN_ROWS:
            self._refuse_identifier(self.words)
        categories = tuple(sorted(self.words))
        fill = max(categories, key=self.words.__getitem__) if self.impute else None
        return CategoricalFeature(self.name, categories, fill)

    def _refuse_identifier(self, words: Counter[str]) -> None:
        raise DataError(
            f"column {self.name!r} has {len(words)} different words in {self.rows} rows: it looks like an "
            f"identifier, from which nothing can be learnt; remove it{self.remark}"
        )


def _learn_feature(column: Column, rows: NDArray[Any], impute: bool) -> NumericFeature | CategoricalFeature:
    summary = FeatureSummary(column.name, impute)
    summary.add(column, rows)
    return summary.feature()


def places(words: NDArray[Any], known: Sequence[str]) -> NDArray[np.int64]:
    """(B,) where each word stands among those known; -1 for one that does not."""
    place = {word: k for k, word in enumerate(known)}
    return np.array([place.get(word, -1) for word in words.tolist()], dtype=np.int64)


def _apply(feature: NumericFeature | CategoricalFeature, column: Column, rows: NDArray[Any]) -> FloatArray:
    if feature.fill is None:
        refuse_missing(column, rows, "fill it in, remove the row, or train with --impute")
    values, missing = column.values[rows], column.missing[rows]
    if isinstance(feature, NumericFeature):
        if not column.numeric:
            if column.odd is not None:
                raise DataError(f"column {feature.name!r} holds words where numbers were learnt from{column.remark}")
            k = next((k for k, word in enumerate(values.tolist()) if word is not None and not _is_number(word)), 0)
            raise DataError(
                f"column {feature.name!r} holds words where numbers were learnt from: {values[k]!r} in row "
                f"{column.first_row + rows[k] + 1}"
            )
        numbers = np.where(missing, 0.0 if feature.fill is None else feature.fill, values.astype(np.float64))
        standardised = _standardised(numbers, feature.mean, feature.scale)
        # float32 is what networks are trained in
        bad = np.flatnonzero(~(np.abs(standardised) < np.finfo(np.float32).max))
        if len(bad):
            raise DataError(
                f"column {feature.name!r}, row {column.first_row + rows[bad[0]] + 1}: {numbers[bad[0]]:g} is too far "
                f"from the mean {feature.mean:g} of the training part to be standardised"
            )
        return standardised[:, None]
    if column.numeric:
        raise DataError(f"column {feature.name!r} holds numbers where words were learnt from")
    words = values.copy()
    words[missing] = feature.fill
    found = places(words, feature.categories)
    seen = np.flatnonzero(found >= 0)
    inputs = np.zeros((len(words), len(feature.categories)))
    inputs[seen, found[seen]] = 1
    return inputs


# ---- plain data back into features ----


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} should be a string")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= np.finfo(np.float64).max:
        raise ValueError(f"{value!r} should be a finite number")
    return float(value)


def _scale(value: Any) -> float:
    if _finite(value) <= 0:
        raise ValueError(f"the scale {value!r} should be positive")
    return float(value)


def _feature_from_dict(content: Any) -> NumericFeature | CategoricalFeature:
    name, fill = _word(content["name"]), content["fill"]
    if content["kind"] == "number":
        number = None if fill is None else _finite(fill)
        return NumericFeature(name, _finite(content["mean"]), _scale(content["scale"]), number)
    if content["kind"] != "category":
        raise ValueError(f"the kind {content['kind']!r} of {name!r} is neither number nor category")
    return CategoricalFeature(name, tuple(map(_word, content["categories"])), None if fill is None else _word(fill))
