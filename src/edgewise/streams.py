"""Tables that do not fit in memory: a CSV or Parquet file as a stream of samples ready for a network.

The file is gone through once to learn the preprocessing, once for validation, and once an epoch. Which part a row
belongs to follows from the seed and the row's number alone. Samples are mixed in the buffers of lanes, to which the
groups of the file are dealt anew in each epoch: see `edgewise.lanes`. What is in memory is bounded by the buffers,
however large the file or a row group of it is. Several processes share the reading: each reads what its lanes need, and
of what is read in the order of the file, the ranges that are its own.
"""

import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import csv_scan, data, losses, parquet, pieces
from edgewise.arrays import FloatArray
from edgewise.data import Preprocessing, Task
from edgewise.errors import DataError
from edgewise.lanes import Give, Group, Lanes, Take
from edgewise.learnt import Learnt, TargetSummary
from edgewise.pieces import Rows
from edgewise.processes import Processes

Samples = tuple[FloatArray, NDArray[Any]]
Part = Literal["training", "validation", "test"]
PARTS: tuple[Part, ...] = ("training", "validation", "test")

BUFFER_BYTES = 1 << 28
"""About what is held at once of the samples, as the network gets them."""
VALIDATION_BYTES = 1 << 26
"""At most so much is held for validation; rows beyond it are trained on."""
STREAM_BYTES = 1 << 29
"""A file with more than this, as numbers of 8 bytes, is too large to be read at once where nothing is said."""
RANGES = 60
"""Parts of a file that are gone through each by one process, where there are several; their sums are then added up in
the order of the file. A number that many numbers of processes divide."""
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
        values = sum(beginning.count(end) for end in (csv_scan.separator(path).encode(), b"\n"))
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
    lanes : how many there are (see `edgewise.lanes`), at most one for each group of rows of the file. Several processes
        read no more than their share of it if their number divides this one, which decides the order of an epoch. None
        for 48, 24, 12, 6, 4, 2 or 1, as there are groups for and room in the buffers; more than that cost some time.
    processes : those that make such a stream of the same file together, from `edgewise.processes.join`. Each goes
        through its share of the file to learn; what is learnt has the same bits as in one process.

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
        lanes: int | None = None,
        processes: Processes | None = None,
    ) -> None:
        if not (validation_share >= 0 and test_share >= 0 and validation_share + test_share < 1):
            raise DataError(
                f"shares of {validation_share} for validation and {test_share} for the test leave nothing to train on; "
                "they must be at least 0 and together below 1"
            )
        if seed < 0 or buffer_bytes < 1:
            raise DataError(f"the seed {seed} must be at least 0, and buffer_bytes {buffer_bytes} at least 1")
        self.file = data.open_file(path, processes)
        data.check_shape(path, self.file.names, target, self.file.n_rows)
        for name, kind in self.file.kinds.items():
            data.check_kind(path, name, kind)
        self.target, self.seed, self.buffer_bytes, self.dtype = target, seed, buffer_bytes, np.dtype(dtype)
        self.features = tuple(name for name in self.file.names if name != target)
        largest, n_groups = max(self.file.group_rows), sum(n > 0 for n in self.file.group_rows)
        if lanes is not None and not 1 <= lanes <= n_groups:
            raise DataError(
                f"{lanes} lanes are asked for; {self.file.path} has {n_groups} groups of rows, and so 1 to {n_groups} "
                "lanes are possible"
            )
        self._test_share, self._validation_end = test_share, test_share + validation_share
        self._training_from = self._validation_end
        self._encoding: tuple[losses.Loss, int] | None = None
        self.preprocessing: Preprocessing
        self.class_counts: dict[str, int] | None
        """Of each class, how many rows it was learnt from; None for numbers."""
        self.preprocessing, self.class_counts = self._learn(task, impute, processes)
        row_bytes = self.file.n_rows * len(self.preprocessing.input_names) * self.dtype.itemsize
        self._validation_end = test_share + min(validation_share, VALIDATION_BYTES / row_bytes)
        self._training_from = self._validation_end
        sample_bytes = len(self.preprocessing.input_names) * self.dtype.itemsize
        self.lanes = Lanes.of(
            3 * buffer_bytes // 4 // sample_bytes, largest, n_groups, buffer_bytes // (2 * self.file.open_bytes), lanes
        )
        """What the order of an epoch is made of: a quarter of the buffers' bytes is for what they give."""
        self._range_rows: dict[Part, list[int]] = {}
        self._groups: list[Group] = []
        self._count()
        self.n_rows: dict[Part, int] = {part: sum(rows) for part, rows in self._range_rows.items()}
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
            f"{self.n_samples} rows to train on, buffer {self.buffer_bytes}, {self.lanes.n} lanes)"
        )

    def encoded(self, loss: str | losses.Loss, n_outputs: int) -> "TableStream":
        """The same stream with y as this loss wants it for so many outputs; it is class indices or numbers else."""
        other = copy(self)
        other.__dict__.pop("validation", None)
        other._encoding = losses.get(loss), n_outputs
        return other

    def chunks(self, epoch: int) -> Iterator[Samples]:
        """x (n, n_inputs) and y of all training samples, each once, in an order that the seed and epoch decide."""
        return ((x, y) for x, y, _ in _Epoch(self, epoch, 0, 1))

    def share(self, rank: int, size: int) -> "Share":
        """Every `size`-th training sample, from the `rank`-th on; no more of the file is read than their lanes need.

        Warns the first process where it reads more than its share.
        """
        if self.lanes.n % size and rank == 0:
            warnings.warn(
                f"{size} processes share {self.lanes.n} lanes: each reads {len(self.lanes.of_process(rank, size))} of "
                f"them. To read less, let the lanes be a multiple of the processes: {size} lanes, say (--lanes {size})",
                RuntimeWarning,
                stacklevel=2,
            )
        return Share(self, rank, size)

    @cached_property
    def validation(self) -> Samples:
        """x and y of the validation part, read when first asked for and held."""
        pieces = [(x, y) for _, x, y in self.in_order("validation")]
        if not pieces:
            raise DataError(
                f"none of the {self.file.n_rows} rows of {self.file.path} are for validation; use a larger share"
            )
        return np.concatenate([x for x, _ in pieces]), np.concatenate([y for _, y in pieces])

    @property
    def test(self) -> "HeldOut":
        """The test part, a stream in the order of the file."""
        return HeldOut(self, "test")

    def in_order(self, part: Part, rank: int = 0, size: int = 1) -> Iterator[tuple[int, FloatArray, NDArray[Any]]]:
        """The samples of a part in the order of the file: how many come before, x and y. Of several processes each has
        some ranges of it."""
        before = [0, *accumulate(self._range_rows[part])]
        with self.file.read(self.file.names, self._rows_of(rank, size)) as reading:
            here, number = -1, 0
            for first_row, x, y in self._samples(reading, part):
                if self._range(first_row) != here:
                    here = self._range(first_row)
                    number = before[here]
                yield number, x, y
                number += len(x)

    # ---- parts ----

    def part(self, first_row: int, n: int) -> dict[Part, NDArray[np.bool_]]:
        """Which of n rows, from the one after `first_row` others, belong to which part; each (n,)."""
        drawn = _uniform(self.seed, first_row, n)
        return {
            "test": drawn < self._test_share,
            "validation": (drawn >= self._test_share) & (drawn < self._validation_end),
            "training": drawn >= self._training_from,
        }

    def _count(self) -> None:
        """Of each part the rows in each range, and of each group the samples in each stretch that a lane can take."""
        first_rows = [0, *accumulate(self.file.group_rows)]
        ends = [(*range(self.lanes.at_once, n, self.lanes.at_once), n) if n else () for n in self.file.group_rows]
        all_ends = np.array([first + end for first, of in zip(first_rows[:-1], ends, strict=True) for end in of])
        ranges = np.array([self._range(end - 1) for end in all_ends])
        counts: dict[Part, NDArray[np.int64]] = {part: np.zeros(len(all_ends), np.int64) for part in PARTS}
        for first_row in range(0, self.file.n_rows, _ROWS_COUNTED):
            n = min(_ROWS_COUNTED, self.file.n_rows - first_row)
            touched = np.arange(
                np.searchsorted(all_ends, first_row, "right"), np.searchsorted(all_ends, first_row + n - 1, "right") + 1
            )
            last = np.minimum(all_ends[touched] - first_row, n)
            for name, rows in self.part(first_row, n).items():
                counted = np.append(0, np.cumsum(rows))
                counts[name][touched] += np.diff(counted[last], prepend=0)
        self._range_rows = {
            part: np.bincount(ranges, found, RANGES).astype(int).tolist() for part, found in counts.items()
        }
        samples = iter(counts["training"].tolist())
        self._groups = [
            Group(n, of, tuple(next(samples) for _ in of)) for n, of in zip(self.file.group_rows, ends, strict=True)
        ]

    @cached_property
    def _range_of_group(self) -> list[int]:
        """Of each group the range in which it is: about as many rows are in each range, if there are many groups."""
        first_rows = np.cumsum(self.file.group_rows) - self.file.group_rows
        found: list[int] = np.unique(first_rows * RANGES // self.file.n_rows, return_inverse=True)[1].tolist()
        return found

    def _range(self, row: int) -> int:
        """That of the group of a row."""
        return self._range_of_group[int(np.searchsorted(self._group_ends, row, "right"))]

    @cached_property
    def _group_ends(self) -> NDArray[np.int64]:
        return np.cumsum(self.file.group_rows)

    def _rows_of(self, rank: int, size: int) -> list[Rows]:
        """Of the `rank`-th of so many processes, in the order of the file."""
        return [rows for rows in self.file.every_row() if self._range_of_group[rows.group] % size == rank]

    # ---- learning ----

    def _learn(
        self, task: Task | None, impute: bool, processes: Processes | None
    ) -> tuple[Preprocessing, dict[str, int] | None]:
        """From the ranges of the file, each by itself and then together: so the bits are the same for any number of
        processes."""
        if processes is None:
            learnt = self._learn_ranges(task, impute, 0, 1)
        else:
            mine = processes.each(lambda: self._learn_ranges(task, impute, processes.rank, processes.size))
            said = processes.text_of_each(json.dumps({number: found.to_plain() for number, found in mine.items()}))
            learnt = {
                int(number): Learnt.from_plain(plain) for text in said for number, plain in json.loads(text).items()
            }
        together = self._nothing_learnt(impute)
        for _, found in sorted(learnt.items()):
            together.merge(found)
        target = together.target
        if target.few and not target.moments.count + target.learnt.total():
            raise DataError(f"{self.file.path} has too few rows ({self.file.n_rows}) to learn from; hold fewer out")
        features = tuple(summary.feature() for summary in together.features)
        if target.task(task) == "classification":
            classes = target.classes()
            return Preprocessing(features, data.ClassTarget(self.target, tuple(classes))), classes
        mean, scale = target.moments.mean_and_scale()
        if target.least == target.most:
            raise DataError(f"the target {self.target!r} is {target.least} in every row: nothing to learn")
        return Preprocessing(features, data.NumberTarget(self.target, mean, scale)), None

    def _nothing_learnt(self, impute: bool) -> "Learnt":
        return Learnt(
            [data.FeatureSummary(name, impute) for name in self.features],
            TargetSummary(self.target, self.file.kinds[self.target]),
        )

    def _learn_ranges(self, task: Task | None, impute: bool, rank: int, size: int) -> dict[int, "Learnt"]:
        """By their numbers, what there is to be learnt from those that are this process's."""
        found: dict[int, Learnt] = {}
        with self.file.read(self.file.names, self._rows_of(rank, size)) as reading:
            for piece in reading:
                here = self._range(piece.first_row)
                if here not in found:
                    found[here] = self._nothing_learnt(impute)
                columns = {column.name: column for column in data.columns_of(piece)}
                training = self.part(piece.first_row, len(columns[self.target].values))["training"]
                data.check_task(columns[self.target], task)
                found[here].target.add(columns[self.target], training)
                for summary in found[here].features:
                    summary.add(columns[summary.name], np.flatnonzero(training))
        return found

    # ---- reading ----

    def _samples(self, reading: pieces.Reading, part: Part) -> Iterator[tuple[int, FloatArray, NDArray[Any]]]:
        """Those of a part, each time with the first row of the file that they may be from."""
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
                yield piece.first_row, x, self._as_wanted(self.preprocessing.labels(target, rows))

    def _as_wanted(self, y: NDArray[Any]) -> NDArray[Any]:
        if self._encoding is None:
            return y
        loss, n_outputs = self._encoding
        classes = self.preprocessing.classes
        return data.encode_target(loss, None if classes is None else len(classes), y, n_outputs)

    def _place(self, group: int, n: int) -> int:
        """In which row of the group the sample is before which there are n."""
        ends, counts = self._groups[group].ends, accumulate(self._groups[group].samples)
        stretch = next(k for k, count in enumerate(counts) if count > n)
        first = ends[stretch - 1] if stretch else 0
        before = sum(self._groups[group].samples[:stretch])
        in_file = int(self._group_ends[group]) - self.file.group_rows[group] + first
        return first + int(np.flatnonzero(self.part(in_file, ends[stretch] - first)["training"])[n - before])


ParquetStream = TableStream  # its name when it read nothing else


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several processes takes of the training part: see `TableStream.share`."""

    of: TableStream
    rank: int
    size: int

    @property
    def n_samples(self) -> int:
        """Of all processes."""
        return self.of.n_samples

    def chunks(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """x and y of as many samples as each of the other processes has in its chunk of the same number. Where the last
        cannot be shared evenly, weights come with it, and a sample that weighs nothing to those that lack one."""
        return (
            (x, y) if weight is None else (x, y, weight)
            for x, y, weight in _Epoch(self.of, epoch, self.rank, self.size)
        )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A part of a stream that is not trained on."""

    of: TableStream
    part: Part
    _shares: dict[tuple[int, int], list[Samples]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_samples(self) -> int:
        return self.of.n_rows[self.part]

    def chunks(self, epoch: int) -> Iterator[Samples]:
        """x and y in the order of the file, the same in every epoch."""
        return ((x, y) for _, x, y in self.of.in_order(self.part))

    def share(self, rank: int, size: int) -> "HeldOutShare | list[Samples]":
        """What one of several processes has of it: about as much as the others, and none of what they have. That of the
        validation part is read when first asked for and held."""
        if self.part != "validation":
            return HeldOutShare(self, rank, size)
        if (rank, size) not in self._shares:
            self._shares[rank, size] = list(HeldOutShare(self, rank, size).chunks(0))
        return self._shares[rank, size]


@dataclass(frozen=True, slots=True)
class HeldOutShare:
    """One process's share of such a part, a stream in the order of the file."""

    of: HeldOut
    rank: int
    size: int

    def chunks(self, epoch: int) -> Iterator[Samples]:
        return ((x, y) for _, x, y in self.of.of.in_order(self.of.part, self.rank, self.size))


class _Epoch:
    """The training samples of an epoch, a chunk at a time, or one process's share of each chunk."""

    def __init__(self, stream: TableStream, epoch: int, rank: int, size: int) -> None:
        self._stream, self._rank, self._size = stream, rank, size
        lanes = stream.lanes
        self._lanes = lanes.of_process(rank, size)
        order = np.random.default_rng((stream.seed, epoch)).permutation(len(stream._groups)).tolist()
        self._events = [
            event
            for event in lanes.events(stream._groups, order, stream._place)
            if isinstance(event, Give) or event.lane in self._lanes
        ]
        self._rng = [np.random.default_rng((stream.seed, epoch, lane + 1)) for lane in self._lanes]
        n = stream.n_samples
        self._room = min(lanes.room, -(-n // lanes.n))
        self._x = np.empty((len(self._lanes) * self._room, len(stream.preprocessing.input_names)), stream.dtype)
        self._y: NDArray[Any] = np.empty(0)
        self._filled = [0] * len(self._lanes)
        self._passed = 0
        """How many samples of these lanes have been given, to this process or to others that read them too."""

    def __iter__(self) -> Iterator[tuple[FloatArray, NDArray[Any], FloatArray | None]]:
        """While one chunk is used, the next is made."""
        takes = [event for event in self._events if isinstance(event, Take)]
        names = self._stream.file.names
        reading = self._stream.file.read(names, [Rows(take.group, take.first, take.last, take.lane) for take in takes])
        pool = ThreadPoolExecutor(1)
        try:
            chunks = self._chunks(reading)
            future = pool.submit(next, chunks, None)
            while (chunk := future.result()) is not None:
                future = pool.submit(next, chunks, None)
                yield chunk
        finally:
            reading.stop()
            pool.shutdown()
            reading.close()

    def _chunks(self, reading: pieces.Reading) -> Iterator[tuple[FloatArray, NDArray[Any], FloatArray | None]]:
        samples = self._stream._samples(reading, "training")
        n, size = self._stream.n_samples, self._size
        given = done = 0
        kept: Samples | None = None
        """A sample to which some of the other processes have none yet."""
        for event in self._events:
            if isinstance(event, Take):
                self._take(samples, event)
                continue
            given = min(n, given + event.n * self._stream.lanes.n)
            x, y = self._drawn(event.n)
            if kept is not None:
                x, y = np.concatenate([kept[0], x]), np.concatenate([kept[1], y])
            wanted = (-(-n // size) if given == n else given // size) - done
            done += wanted
            kept = (x[wanted:], y[wanted:]) if len(x) > wanted else None
            weight = np.ones(wanted) if given == n and n % size else None
            if len(x) < wanted:  # at the end alone, and then one is lacking
                assert weight is not None
                weight[-1] = 0
                x, y = np.concatenate([x, self._x[:1]]), np.concatenate([y, self._y[:1]])
            if wanted:
                yield x[:wanted], y[:wanted], weight
        for _ in samples:  # there are none, but rows of other parts may be left
            raise self._stream.file.changed()

    def _take(self, samples: Iterator[tuple[int, FloatArray, NDArray[Any]]], take: Take) -> None:
        """The rows of an event into the buffer of its lane."""
        lane, left = self._lanes.index(take.lane), take.n
        while left:
            _, x, y = next(samples, (0, self._x[:0], self._y[:0]))
            if not 0 < len(x) <= left:
                raise self._stream.file.changed()
            if not len(self._y):
                self._y = np.empty((len(self._x), *y.shape[1:]), y.dtype)
            first = lane * self._room + self._filled[lane]
            self._x[first : first + len(x)], self._y[first : first + len(x)] = x, y
            self._filled[lane] += len(x)
            left -= len(x)

    def _drawn(self, n: int) -> Samples:
        """n samples of each lane, or as many as it has, at random, and the lanes in turn; of these the process's."""
        places = np.full((n, len(self._lanes)), -1)
        for k, (filled, rng) in enumerate(zip(self._filled, self._rng, strict=True)):
            chosen = rng.choice(filled, min(n, filled), replace=False)
            places[: len(chosen), k] = k * self._room + chosen
        rows = places[places >= 0]
        # the k-th of these is the process's if it has the place rank + size · … among the samples of all lanes
        every = self._size // self._lanes.step
        mine = rows[(self._rank // self._lanes.step - self._passed) % every :: every]
        self._passed += len(rows)
        x, y = self._x[mine], self._y[mine]
        for k, filled in enumerate(self._filled):
            chosen = places[:, k][places[:, k] >= 0] - k * self._room
            self._filled[k] = _close_up(self._x, self._y, k * self._room, filled, chosen)
        return x, y


def _close_up(x: FloatArray, y: NDArray[Any], start: int, filled: int, gone: NDArray[np.int64]) -> int:
    """Of `filled` samples from `start` on, those that stay are moved to the front; how many they are."""
    stay = np.ones(filled, np.bool_)
    stay[gone] = False
    left = filled - len(gone)
    holes, last = start + np.flatnonzero(~stay[:left]), start + left + np.flatnonzero(stay[left:])
    x[holes], y[holes] = x[last], y[last]
    return left


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
