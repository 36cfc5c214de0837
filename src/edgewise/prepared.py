"""The data of a training run, in memory or streamed, with everything decided but the network."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgewise import data, losses, streams
from edgewise.arrays import FloatArray
from edgewise.data import Task
from edgewise.errors import DataError
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.processes import Processes
from edgewise.settings import Settings
from edgewise.streams import HeldOut, TableStream

VALIDATION_SHARE = 0.1
"""Of the training part, to choose the epoch whose weights are kept."""

Samples = tuple[FloatArray, NDArray[Any]]


class Prepared(Protocol):
    """What training and measuring ask of the data."""

    @property
    def preprocessing(self) -> data.Preprocessing: ...

    @property
    def loss(self) -> Loss: ...

    @property
    def rows(self) -> dict[str, int]:
        """Of the parts training, validation and held_out."""
        ...

    @property
    def most_frequent(self) -> int | None:
        """The class that most training rows are of; None for numbers."""
        ...

    def training(self, network: Network) -> tuple[Any, ...]:
        """(x, y) or (stream,), as `fit` takes them for this network."""
        ...

    def validation(self, network: Network) -> Samples | HeldOut:
        """As `fit` takes it."""
        ...

    def held_out(self, network: Network) -> Iterable[tuple[int, FloatArray, NDArray[Any]]]:
        """A piece at a time, in an order that is always the same: how many samples come before it, x and y."""
        ...

    @property
    def apart(self) -> Processes | None:
        """Those that each have a share of what is held out; None where this one has all of it."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A table, and which of its rows are in which part."""

    table: data.Table
    preprocessing: data.Preprocessing
    loss: Loss
    parts: dict[str, NDArray[Any]]

    @property
    def rows(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.parts.items()}

    @property
    def most_frequent(self) -> int | None:
        if self.preprocessing.classes is None:
            return None
        return int(np.bincount(self.preprocessing.labels(self.table.target, self.parts["training"])).argmax())

    def training(self, network: Network) -> Samples:
        return self._part("training", network)

    def validation(self, network: Network) -> Samples:
        return self._part("validation", network)

    def held_out(self, network: Network) -> Iterable[tuple[int, FloatArray, NDArray[Any]]]:
        return [(0, *self._part("held_out", network))]

    @property
    def apart(self) -> None:
        return None

    def arrays(self, name: str, dtype: DTypeLike) -> Samples:
        """(x, labels) of a part's rows: class indices, or numbers."""
        rows = self.parts[name]
        x = self.preprocessing.inputs(self.table.features, rows).astype(dtype)
        return x, self.preprocessing.labels(self.table.target, rows)

    def _part(self, name: str, network: Network) -> Samples:
        """(x, y) of these rows, as the network and the loss take them."""
        x, labels = self.arrays(name, network.dtype)
        return x, encoded(labels, self.preprocessing, self.loss, network)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file that is read piece by piece."""

    stream: TableStream
    loss: Loss
    apart: Processes | None

    @property
    def preprocessing(self) -> data.Preprocessing:
        return self.stream.preprocessing

    @property
    def rows(self) -> dict[str, int]:
        parts = self.stream.n_rows
        return {"training": parts["training"], "validation": parts["validation"], "held_out": parts["test"]}

    @property
    def most_frequent(self) -> int | None:
        counts = self.stream.class_counts
        return None if counts is None else int(np.argmax(list(counts.values())))

    def training(self, network: Network) -> tuple[TableStream]:
        return (self._encoded(network),)

    def validation(self, network: Network) -> Samples | HeldOut:
        stream, apart = self._encoded(network), self.apart
        if apart is None:
            return stream.validation
        part = HeldOut(stream, "validation")
        apart.each(lambda: part.share(apart.rank, apart.size))
        return part

    def held_out(self, network: Network) -> Iterable[tuple[int, FloatArray, NDArray[Any]]]:
        rank, size = (0, 1) if self.apart is None else (self.apart.rank, self.apart.size)
        return self._encoded(network).in_order("test", rank, size)

    def _encoded(self, network: Network) -> TableStream:
        return self.stream.encoded(self.loss, network.n_outputs)


def encoded(labels: NDArray[Any], preprocessing: data.Preprocessing, loss: Loss, network: Network) -> NDArray[Any]:
    """What the loss wants as y of this network, from class indices or numbers."""
    n_classes = None if preprocessing.classes is None else len(preprocessing.classes)
    return data.encode_target(loss, n_classes, labels, network.n_outputs)


def is_streamed(settings: Settings) -> bool:
    """Whether the data are read piece by piece, as is asked for or they are too large to be held."""
    return settings.stream or streams.too_large(settings.data)


def prepare(settings: Settings, processes: Processes | None = None) -> Prepared:
    """processes : those that prepare and then train together, each with its share of what is streamed."""
    if settings.loss is not None:
        losses.get(settings.loss)  # which says so if there is none, before the data are read
    if settings.seed < 0:
        raise DataError(f"the seed is {settings.seed}; it must be a whole number ≥ 0")
    if is_streamed(settings):
        return _prepare_stream(settings, processes)
    if settings.lanes is not None:
        raise DataError(f"{settings.data} is read at once, without lanes; leave out --lanes, or add --stream")
    table = data.load_table(settings.data, settings.target)
    task = data.decide_task(table.target, settings.task)
    loss = loss_of(settings, task, table.target.name)
    labels = data.class_labels(table.target) if task == "classification" else None
    learn, held_out = data.split(table.n_rows, settings.test_share, settings.seed, labels)
    within, aside = data.split(len(learn), VALIDATION_SHARE, settings.seed, None if labels is None else labels[learn])
    parts = {"training": learn[within], "validation": learn[aside], "held_out": held_out}
    preprocessing = data.Preprocessing.learn(table, parts["training"], task, impute=settings.impute)
    return InMemory(table, preprocessing, loss, parts)


def _prepare_stream(settings: Settings, processes: Processes | None) -> Streamed:
    streams.check_can_stream(settings.data)
    if settings.target is None:
        names = data.column_names(settings.data)
        raise DataError(
            f"which column of {settings.data} is the target? Name it with --target; columns: {data.listed(names)}"
        )
    if not 0 < settings.test_share < 1:
        raise DataError(f"a share of {settings.test_share} leaves one part empty; it must lie between 0 and 1")
    stream = TableStream(
        settings.data,
        settings.target,
        task=settings.task,
        impute=settings.impute,
        validation_share=VALIDATION_SHARE * (1 - settings.test_share),
        test_share=settings.test_share,
        seed=settings.seed,
        dtype=settings.dtype,
        lanes=settings.lanes,
        processes=processes,
    )
    if not all(stream.n_rows.values()):
        raise DataError(f"{settings.data} has too few rows ({stream.file.n_rows}) to be streamed; leave out --stream")
    task: Task = "regression" if stream.preprocessing.classes is None else "classification"
    return Streamed(stream, loss_of(settings, task, settings.target), processes)


def loss_of(settings: Settings, task: Task, target: str) -> Loss:
    """The loss asked for, or that of the task; DataError if it does not fit the target."""
    loss = losses.get(settings.loss or ("cross_entropy" if task == "classification" else "squared_error"))
    if settings.label_smoothing:
        if loss.name != "cross_entropy":
            raise DataError(f"--label-smoothing is for cross_entropy; the loss is {loss.name}")
        loss = losses.cross_entropy(settings.label_smoothing)
    if task == "regression" and loss.kind == "classification":
        raise DataError(
            f"the loss {loss.name} is for classes, but the target {target!r} is taken for numbers; "
            "choose another --loss, or --task classification"
        )
    return loss
