"""What a trained network says of rows it has not seen: from a folder that training wrote and a table, to a file.

Rows go through a piece at a time; a large file is streamed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import data, formats, losses, parquet, streams
from edgewise.arrays import FloatArray
from edgewise.data import Column, Preprocessing
from edgewise.errors import DataError, FormatError, MissingDependencyError
from edgewise.formats import atomic
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.scores import Score
from edgewise.view import machine

ROWS_AT_ONCE = 1 << 14
SUFFIXES = (".csv", *data.PARQUET_SUFFIXES)
"""Of the files that predictions are written to."""


@dataclass(frozen=True, slots=True)
class Run:
    """A trained network and all that it takes to use it on rows of a table."""

    network: Network
    preprocessing: Preprocessing
    loss: Loss

    @classmethod
    def load(cls, folder: Path) -> "Run":
        """From the folder that `edgewise train` wrote. FormatError if it is none, or its files do not fit together."""
        preprocessing = Preprocessing.from_dict(machine.read(_file(folder, "preprocessing.json")))
        metrics = machine.read(_file(folder, "metrics.json"))
        try:
            settings = metrics["settings"]
            name, dtype = settings["loss"], settings["dtype"]
            if not (name in losses.NAMES and dtype in ("float32", "float64")):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise FormatError(
                f"{folder / 'metrics.json'} does not say by which loss training went, and in what dtype"
            ) from None
        network = formats.load(_file(folder, "network.json")).astype(dtype)
        loss, classes = losses.get(name), preprocessing.classes
        n_inputs = len(preprocessing.input_names)
        outputs = data.outputs_needed(loss, None if classes is None else len(classes))
        if network.n_inputs != n_inputs or network.n_outputs not in outputs:
            raise FormatError(
                f"the files in {folder} are not of one run: network.json has {network.n_inputs} inputs and "
                f"{network.n_outputs} outputs, preprocessing.json and the loss {name} need {n_inputs} and "
                f"{' or '.join(map(str, outputs))}"
            )
        return cls(network, preprocessing, loss)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What is said of some rows, B of them."""

    values: NDArray[Any]
    """(B,) classes, objects that are str; or numbers, in the units of the target"""
    probabilities: FloatArray | None
    """(B, number of classes), or None where the loss knows of none"""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Words of one column that were not there to be learnt from."""

    column: str
    rows: int
    word: str
    """The first of them."""
    first_row: int
    """Its row, from 1."""


class Predictions:
    """The predictions for a table, made as they are gone through, once; then what is known of them."""

    def __init__(self, run: Run, source: str) -> None:
        """source : bundled data, or a CSV or Parquet file; the target may be missing from it."""
        self.run = run
        self._source = source
        self.rows = 0
        classes = run.preprocessing.classes
        self._score = Score(None if classes is None else 0)
        self.unknown: dict[str, Unknown] = {}
        """By column: categories, which are all zeros to the network, and classes, which it cannot predict."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns that are written: the target's, and for the probability of each class one "target=class"."""
        target, classes = self.run.preprocessing.target.name, self.run.preprocessing.classes
        if classes is None or self.run.loss.name not in _PROBABILITIES:
            return (target,)
        return target, *(f"{target}={name}" for name in classes)

    @property
    def score_name(self) -> str:
        return "R²" if self.run.preprocessing.classes is None else "accuracy"

    @property
    def score(self) -> float | None:
        """Over the rows whose target is there; None without such rows, or for R² where they are all the same."""
        return self._score.score if self._score.has_meaning else None

    @property
    def rows_scored(self) -> int:
        return self._score.n

    def __iter__(self) -> Iterator[Predicted]:
        """DataError for what does not fit, with column and row."""
        for columns, rows in self._pieces():
            yield self._predict(columns, rows)
            self.rows += len(rows)

    def _pieces(self) -> Iterator[tuple[tuple[Column, ...], NDArray[np.int64]]]:
        """Columns, and which of their rows are next."""
        preprocessing = self.run.preprocessing
        wanted, target = [feature.name for feature in preprocessing.features], preprocessing.target.name
        if not streams.too_large(self._source):
            columns = data.all_columns(self._source, wanted, [target])
            n = len(columns[0].values)
            for first in range(0, n, ROWS_AT_ONCE):
                yield columns, np.arange(first, min(first + ROWS_AT_ONCE, n))
            return
        file = data.open_file(self._source)
        data.check_present(self._source, file.names, wanted)
        present = [name for name in file.names if name in (*wanted, target)]
        for name in present:
            data.check_kind(self._source, name, file.kinds[name])
        with file.read(present) as reading:
            for piece in reading:
                columns = data.columns_of(piece)
                yield columns, np.arange(len(columns[0].values))

    def _predict(self, columns: tuple[Column, ...], rows: NDArray[np.int64]) -> Predicted:
        run, preprocessing = self.run, self.run.preprocessing
        by_name = {column.name: column for column in columns}
        output = run.network.forward(preprocessing.inputs(columns, rows).astype(run.network.dtype)).output
        for feature in preprocessing.features:
            if isinstance(feature, data.CategoricalFeature):
                self._note_unknown(by_name[feature.name], rows, feature.categories)
        target, classes = by_name.get(preprocessing.target.name), preprocessing.classes
        known = None if target is None else ~target.missing[rows]
        if classes is None:
            if target is not None and known is not None:
                if not target.numeric:
                    raise DataError(f"the target {target.name!r} holds words, where numbers were learnt{target.remark}")
                self._score.add(output[known, 0], preprocessing.labels(target, rows[known]))
            assert isinstance(preprocessing.target, data.NumberTarget)
            return Predicted(
                output[:, 0].astype(np.float64) * preprocessing.target.scale + preprocessing.target.mean, None
            )
        found = data.predicted_classes(output)
        if target is not None and known is not None and known.any():
            words = data.class_words(target, rows[known])
            self._score.add(found[known], data.places(words, classes))
            self._note_unknown(target, rows[known], classes, words)
        probabilities = _PROBABILITIES.get(run.loss.name)
        return Predicted(
            np.array(classes, dtype=object)[found], None if probabilities is None else probabilities(output)
        )

    def _note_unknown(
        self, column: Column, rows: NDArray[np.int64], known: tuple[str, ...], words: NDArray[Any] | None = None
    ) -> None:
        if words is None:
            rows = rows[~column.missing[rows]]
            words = column.values[rows]
        strange = np.flatnonzero(data.places(words, known) < 0)
        if len(strange):
            first = Unknown(column.name, 0, words[strange[0]], column.first_row + int(rows[strange[0]]) + 1)
            before = self.unknown.get(column.name, first)
            self.unknown[column.name] = Unknown(column.name, before.rows + len(strange), before.word, before.first_row)


def _softmax(output: FloatArray) -> FloatArray:
    return np.exp(losses.log_softmax(output.astype(np.float64)))


def _logistic(output: FloatArray) -> FloatArray:
    """Of one output the probabilities of both classes; else of each class by itself."""
    of_each: FloatArray = np.exp(-np.logaddexp(0, -output.astype(np.float64)))
    return of_each if output.shape[1] > 1 else np.concatenate([1 - of_each, of_each], axis=1)


_PROBABILITIES = {"cross_entropy": _softmax, "binary_cross_entropy": _logistic}


# ---- reading ----


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise FormatError(f"{folder} is no folder that `edgewise train` wrote: there is no {name} in it")
    return path


# ---- writing ----


def write(predictions: Predictions, path: Path) -> None:
    """All of them as CSV or Parquet, by the suffix; the file is whole or not at all. FormatError if it cannot be."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(f"predictions are written to {', '.join(SUFFIXES)}, not to {str(path)!r}")
    with atomic.replacing(path) as temporary:
        if suffix == ".csv":
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                file.writelines(csv_pieces(predictions))
        else:
            _write_parquet(map(_frame(predictions), predictions), temporary)


def csv_pieces(predictions: Predictions) -> Iterator[str]:
    """All of them as CSV, the first piece with a header."""
    frame = _frame(predictions)
    for number, piece in enumerate(predictions):
        yield frame(piece).write_csv(include_header=number == 0)


def _frame(predictions: Predictions) -> Any:
    """A function that makes a polars DataFrame of some of them."""
    import polars as pl

    def frame(piece: Predicted) -> Any:
        columns = [piece.values.tolist() if piece.values.dtype == object else piece.values]
        if piece.probabilities is not None:
            columns += list(piece.probabilities.T)
        return pl.DataFrame(dict(zip(predictions.names, columns, strict=True)))

    return frame


def _write_parquet(frames: Iterable[Any], path: Path) -> None:
    frames = iter(frames)
    first = next(frames)
    second = next(frames, None)
    if second is None:
        first.write_parquet(path)
        return
    if not parquet.can_stream():
        raise MissingDependencyError("pyarrow", "parquet", "writing a Parquet file piece by piece")
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(path, first.to_arrow().schema) as writer:
        for frame in chain([first, second], frames):
            writer.write_table(frame.to_arrow())
