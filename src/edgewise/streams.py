"""Tables that do not fit in memory: a CSV or Parquet file as a stream of samples ready for a network.

The file is gone through once to learn the preprocessing, once for validation, and once an epoch. Which part a row
belongs to follows from the seed and the row's number alone. Samples are mixed in a buffer: groups of rows come in a new
order each epoch, and of the buffer, when it is full, a random half is given away. What is in memory is bounded by the
buffer, however large the file or a row group of it is.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import csv_file, data, losses, parquet, pieces
from edgewise.arrays import FloatArray
from edgewise.data import Column, Preprocessing, Task
from edgewise.errors import DataError

Samples = tuple[FloatArray, NDArray[Any]]
Part = Literal["training", "validation", "test"]

BUFFER_BYTES = 1 << 28
"""About what is held at once of the samples, as the network gets them."""
VALIDATION_BYTES = 1 << 26
"""At most so much is held for validation; rows beyond it are trained on."""
STREAM_BYTES = 1 << 29
"""A file with more than this, as numbers of 8 bytes, is too large to be read at once where nothing is said."""
_ROWS_COUNTED = 1 << 20
_INPUTS_AT_ONCE = 1 << 18
"""At most so many are made of a piece at a time."""
_BYTES_LOOKED_AT = 1 << 20


def too_large(path: str) -> bool:
    """Whether this is a file with more than STREAM_BYTES; False for all else, also for what is no file.

    How many values a CSV file has is judged by its beginning.
    """
    if Path(path).suffix.lower() not in data.SUFFIXES or not Path(path).is_file():
        return False
    packed = Path(path).stat().st_size
    if Path(path).suffix.lower() in data.TEXT_SUFFIXES:
        with open(path, "rb") as source:
            beginning = source.read(_BYTES_LOOKED_AT)
        values = sum(beginning.count(end) for end in (csv_file.separator(path).encode(), b"\n"))
        return packed * values * 8 > STREAM_BYTES * len(beginning)
    if packed < STREAM_BYTES // 64 or (packed < STREAM_BYTES and not parquet.can_stream()):
        return False
    file = parquet.ParquetFile(path)
    return file.n_rows * len(file.names) * 8 > STREAM_BYTES


def check_can_stream(path: str) -> None:
    """DataError if this is neither a CSV nor a Parquet file."""
    if Path(path).suffix.lower() not in data.SUFFIXES:
        raise DataError(f"only files whose names end in {', '.join(data.SUFFIXES)} can be streamed, and {path} is none")


class TableStream:
    """The training part of a CSV or Parquet file, for `ew.fit(net, stream, loss=…, validation=stream.validation)`.

    Making one goes through the file once, to learn the preprocessing from the training part; as
    `data.Preprocessing.learn` does, to rounding.

    Parameters
    ----------
    path : a CSV (with a header), TSV or Parquet file. It must stay as it is while the stream is used.
    target : the column to predict.
    task : "classification" or "regression"; None decides from the target, as `data.decide_task`.
    impute : fill missing values in; else one is an error.
    validation_share, test_share : shares of the rows that are held out; at least 0, together below 1.
    seed : decides which, and the order of an epoch.
    buffer_bytes : about what all samples held for training take at once.
    dtype : of the inputs; that of the network saves a copy.

    Raises DataError for what is in the file, with column and row (from 1), FormatError for one that cannot be read,
    MissingDependencyError without polars (`edgewise[cli]`), or pyarrow (`edgewise[parquet]`) for Parquet.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        target: str,
        *,
        task: Task | None = None,
        impute: bool = False,
        validation_share: float = 0.1,
        test_share: float = 0.1,
        seed: int = 0,
        buffer_bytes: int = BUFFER_BYTES,
        dtype: str = "float32",
    ) -> None:
        if not (validation_share >= 0 and test_share >= 0 and validation_share + test_share < 1):
            raise DataError(
                f"shares of {validation_share} for validation and {test_share} for the test leave nothing to train on; "
                "they must be at least 0 and together below 1"
            )
        if seed < 0 or buffer_bytes < 1:
            raise DataError(f"the seed {seed} must be at least 0, and buffer_bytes {buffer_bytes} at least 1")
        self.file = data.open_file(path)
        data.check_shape(path, self.file.names, target, self.file.n_rows)
        for name, kind in self.file.kinds.items():
            data.check_kind(path, name, kind)
        self.target, self.seed, self.buffer_bytes, self.dtype = target, seed, buffer_bytes, np.dtype(dtype)
        self.features = tuple(name for name in self.file.names if name != target)
        self._test_share, self._validation_end = test_share, test_share + validation_share
        self._training_from = self._validation_end
        self._encoding: tuple[losses.Loss, int] | None = None
        self.preprocessing: Preprocessing
        self.class_counts: dict[str, int] | None
        """Of each class, how many rows it was learnt from; None for numbers."""
        self.preprocessing, self.class_counts = self._learn(task, impute)
        row_bytes = self.file.n_rows * len(self.preprocessing.input_names) * self.dtype.itemsize
        self._validation_end = test_share + min(validation_share, VALIDATION_BYTES / row_bytes)
        self._training_from = self._validation_end
        self.n_rows: dict[Part, int] = self._count()
        """Of each part."""

    @property
    def n_samples(self) -> int:
        """Of an epoch."""
        return self.n_rows["training"]

    @property
    def fingerprint(self) -> str:
        """What decides the samples and their order, for a checkpoint to know them again."""
        return (
            f"{self.file.path.name} ({self.file.n_rows} rows, checksum {self.file.checksum:08x}; seed {self.seed}, "
            f"{self.n_samples} rows to train on, buffer {self.buffer_bytes})"
        )

    def encoded(self, loss: str | losses.Loss, n_outputs: int) -> "TableStream":
        """The same stream with y as this loss wants it for so many outputs; it is class indices or numbers else."""
        other = copy(self)
        other.__dict__.pop("validation", None)
        other._encoding = losses.get(loss), n_outputs
        return other

    def chunks(self, epoch: int) -> Iterator[Samples]:
        """x (n, n_inputs) and y of all training samples, each once, in an order that the seed and epoch decide."""
        rng = np.random.default_rng((self.seed, epoch))
        groups = rng.permutation(len(self.file.group_rows)).tolist()
        yield from self._read(groups, rng)

    @cached_property
    def validation(self) -> Samples:
        """x and y of the validation part, read when first asked for and held."""
        pieces = list(self._pieces("validation"))
        if not pieces:
            raise DataError(
                f"none of the {self.file.n_rows} rows of {self.file.path} are for validation; use a larger share"
            )
        return np.concatenate([x for x, _ in pieces]), np.concatenate([y for _, y in pieces])

    @property
    def test(self) -> "HeldOut":
        """The test part, a stream in the order of the file."""
        return HeldOut(self)

    # ---- parts ----

    def part(self, first_row: int, n: int) -> dict[Part, NDArray[np.bool_]]:
        """Which of n rows, from the one after `first_row` others, belong to which part; each (n,)."""
        drawn = _uniform(self.seed, first_row, n)
        return {
            "test": drawn < self._test_share,
            "validation": (drawn >= self._test_share) & (drawn < self._validation_end),
            "training": drawn >= self._training_from,
        }

    def _count(self) -> dict[Part, int]:
        counts: dict[Part, int] = {"training": 0, "validation": 0, "test": 0}
        for first_row in range(0, self.file.n_rows, _ROWS_COUNTED):
            for name, rows in self.part(first_row, min(_ROWS_COUNTED, self.file.n_rows - first_row)).items():
                counts[name] += int(rows.sum())
        return counts

    # ---- learning ----

    def _learn(self, task: Task | None, impute: bool) -> tuple[Preprocessing, dict[str, int] | None]:
        summaries = {name: data.FeatureSummary(name, impute) for name in self.features}
        target = _TargetSummary(self.target, self.file.kinds[self.target])
        with self.file.read(self.file.names) as reading:
            for piece in reading:
                columns = {column.name: column for column in data.columns_of(piece)}
                training = self.part(piece.first_row, len(columns[self.target].values))["training"]
                data.check_task(columns[self.target], task)
                target.add(columns[self.target], training)
                for name, summary in summaries.items():
                    summary.add(columns[name], np.flatnonzero(training))
        if not target.moments.count + target.learnt.total():
            raise DataError(f"{self.file.path} has too few rows ({self.file.n_rows}) to learn from; hold fewer out")
        features = tuple(summary.feature() for summary in summaries.values())
        if target.task(task) == "classification":
            classes = target.classes()
            return Preprocessing(features, data.ClassTarget(self.target, tuple(classes))), classes
        mean, scale = target.moments.mean_and_scale()
        if target.least == target.most:
            raise DataError(f"the target {self.target!r} is {target.least} in every row: nothing to learn")
        return Preprocessing(features, data.NumberTarget(self.target, mean, scale)), None

    # ---- reading ----

    def _pieces(self, part: Part) -> Iterator[Samples]:
        """The samples of a part in the order of the file."""
        with self.file.read(self.file.names) as reading:
            yield from self._samples(reading, part)

    def _samples(self, reading: pieces.Reading, part: Part) -> Iterator[Samples]:
        at_once = max(1, _INPUTS_AT_ONCE // len(self.preprocessing.input_names))
        for piece in reading:
            of_part = np.flatnonzero(self.part(piece.first_row, len(piece.columns[0].numbers))[part])
            if not len(of_part):
                continue
            columns = data.columns_of(piece)
            target = next(column for column in columns if column.name == self.target)
            for first in range(0, len(of_part), at_once):
                rows = of_part[first : first + at_once]
                x = self.preprocessing.inputs(columns, rows).astype(self.dtype)
                yield x, self._as_wanted(self.preprocessing.labels(target, rows))

    def _as_wanted(self, y: NDArray[Any]) -> NDArray[Any]:
        if self._encoding is None:
            return y
        loss, n_outputs = self._encoding
        classes = self.preprocessing.classes
        return data.encode_target(loss, None if classes is None else len(classes), y, n_outputs)

    def _read(self, groups: list[int], rng: np.random.Generator) -> Iterator[Samples]:
        """Mixed samples; while one chunk is used, the next is made."""
        reading = self.file.read(self.file.names, groups)
        pool = ThreadPoolExecutor(1)
        try:
            chunks = self._mixed(self._samples(reading, "training"), rng)
            future = pool.submit(next, chunks, None)
            while (chunk := future.result()) is not None:
                future = pool.submit(next, chunks, None)
                yield chunk
        finally:
            reading.stop()
            pool.shutdown()
            reading.close()

    def _mixed(self, pieces: Iterator[Samples], rng: np.random.Generator) -> Iterator[Samples]:
        """Half a buffer at a time. There are the buffer, the half that is made, and the half that is used."""
        n_inputs = len(self.preprocessing.input_names)
        half = max(1, min(self.buffer_bytes // (4 * n_inputs * self.dtype.itemsize), (self.n_samples + 1) // 2))
        x, y, filled = np.empty((2 * half, n_inputs), self.dtype), np.empty(0), 0
        for more_x, more_y in pieces:
            if not len(y):
                y = np.empty((2 * half, *more_y.shape[1:]), more_y.dtype)
            taken = 0
            while taken < len(more_x):
                if filled == 2 * half:
                    yield _drawn(x, y, filled, half, rng)
                    filled -= half
                n = min(len(more_x) - taken, 2 * half - filled)
                x[filled : filled + n], y[filled : filled + n] = more_x[taken : taken + n], more_y[taken : taken + n]
                filled, taken = filled + n, taken + n
        while filled:
            n = min(half, filled)
            yield _drawn(x, y, filled, n, rng)
            filled -= n


ParquetStream = TableStream  # its name when it read nothing else


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The test part of a stream."""

    of: TableStream

    @property
    def n_samples(self) -> int:
        return self.of.n_rows["test"]

    def chunks(self, epoch: int) -> Iterator[Samples]:
        """x and y in the order of the file, the same in every epoch."""
        return self.of._pieces("test")


def _drawn(x: FloatArray, y: NDArray[Any], filled: int, n: int, rng: np.random.Generator) -> Samples:
    """n of the first `filled` samples, at random; those that stay are moved to the front."""
    chosen = rng.permutation(filled)[:n]
    drawn = x[chosen], y[chosen]
    stay = np.ones(filled, np.bool_)
    stay[chosen] = False
    left = filled - n
    holes, last = np.flatnonzero(~stay[:left]), left + np.flatnonzero(stay[left:])
    x[holes], y[holes] = x[last], y[last]
    return drawn


def _uniform(seed: int, first_row: int, n: int) -> FloatArray:
    """(n,) numbers in [0, 1), each of its row's number and the seed: splitmix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        start = _splitmix(np.array([seed & (2**64 - 1)], np.uint64))
        rows = np.arange(first_row + 1, first_row + 1 + n, dtype=np.uint64)
        return (_splitmix(start + rows * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) * 2.0**-53


def _splitmix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(slots=True)
class _TargetSummary:
    """What is learnt of the column to predict, and what decides whether it holds classes or numbers."""

    name: str
    kind: str
    rows: int = 0
    moments: data.Moments = field(default_factory=data.Moments)
    least: float = np.inf
    most: float = -np.inf
    learnt: Counter[Any] = field(default_factory=Counter)
    """Of each value, in how many training rows it is."""
    held_out: dict[Any, int] = field(default_factory=dict)
    """Of each value in another row, the first such row."""
    few: bool = True
    """Whether there are so few different values that they are counted."""
    remark: str = ""

    def add(self, column: Column, training: NDArray[np.bool_]) -> None:
        """Some rows, and which of them are learnt from."""
        missing = np.flatnonzero(column.missing)[:1]
        data.refuse_missing(column, missing, "a row without target must be removed")
        self.rows += len(training)
        self.remark = column.remark
        known = column.values[training]
        if column.numeric and len(known):
            self.moments.add(known)
            self.least, self.most = min(self.least, float(known.min())), max(self.most, float(known.max()))
        if not self.few:
            return
        self.learnt.update(known.tolist())
        elsewhere = np.flatnonzero(~training)
        for value, row in zip(column.values[elsewhere].tolist(), elsewhere.tolist(), strict=True):
            self.held_out.setdefault(value, column.first_row + row + 1)
        self.few = len(self.learnt.keys() | self.held_out.keys()) <= data.MAX_CATEGORIES

    def task(self, requested: Task | None) -> Task:
        if requested is not None:
            return requested
        if self.kind != "number":
            return "classification"
        distinct = np.array(list(self.learnt.keys() | self.held_out.keys()))
        return "classification" if self.few and data.look_like_classes(distinct, self.rows) else "regression"

    def classes(self) -> dict[str, int]:
        """The classes in their order, and in how many training rows each is; DataError if they are none."""
        if not self.few:
            raise DataError(
                f"the target {self.name!r} has more than {data.MAX_CATEGORIES} different values: too many for classes"
                + ("; if it is a quantity, use --task regression" if self.kind == "number" else self.remark)
            )
        values = sorted(self.learnt.keys() | self.held_out.keys())
        words = {value: self._word(value) for value in values}
        data.check_classes(self.name, list(words.values()), self.rows)
        for value, row in self.held_out.items():
            if value not in self.learnt:
                raise DataError(
                    f"column {self.name!r}, row {row}: the class {words[value]!r} is in no row of the training part, "
                    "only in rows held out; remove those rows, or try another seed"
                )
        return {words[value]: self.learnt[value] for value in values}

    def _word(self, value: Any) -> str:
        if self.kind == "word":
            return str(value)
        return ("true" if value else "false") if self.kind == "truth" else data.class_word(value)
