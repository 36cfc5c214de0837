"""A table for several processes: one reads it, all map what that has made of it, and each reads its own rows of that.

The first process reads the table, learns the preprocessing and writes the parts as arrays into a folder that all can
read. The others never see the table, and of the arrays a process takes from the disk what its steps need. A table too
large for that is streamed instead, of which each process reads its own rows.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import data
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, EdgewiseError, FormatError
from edgewise.formats import atomic
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.prepared import InMemory, Prepared, Samples, encoded, is_streamed, loss_of, prepare
from edgewise.processes import ELSEWHERE, Processes
from edgewise.settings import Settings

FOLDER, SUMMARY = "shared", "prepared.json"


@dataclass(frozen=True, slots=True)
class Mapped:
    """Data that the first of several processes has prepared."""

    folder: Path
    preprocessing: data.Preprocessing
    loss: Loss
    rows: dict[str, int]
    most_frequent: int | None

    def training(self, network: Network) -> Samples:
        return self._part("training", network)

    def validation(self, network: Network) -> Samples:
        return self._part("validation", network)

    def held_out(self, network: Network) -> list[tuple[int, FloatArray, NDArray[Any]]]:
        x, y = self._part("held_out", network)
        return [(0, np.array(x), y)]

    @property
    def apart(self) -> None:
        return None

    def _part(self, name: str, network: Network) -> Samples:
        x = np.load(_path(self.folder, name, "x"), mmap_mode="r")
        labels = np.load(_path(self.folder, name, "labels"))
        return x, encoded(labels, self.preprocessing, self.loss, network)


@contextmanager
def prepared_together(settings: Settings, folder: Path, processes: Processes) -> Iterator[Prepared]:
    """Called by all processes alike; the first prepares, or all do where the data are streamed. Where that fails in
    one, the others say so and do not wait. In the end, when all are done with the arrays, they are removed."""
    shared, streamed = folder / FOLDER, False
    with _of_all(processes, "the first process could not prepare the data; its own message says why"):
        if processes.is_first:
            streamed = is_streamed(settings)
            if not streamed:
                _write(settings, shared)
    if processes.any(streamed):
        with _of_all(processes, ELSEWHERE):
            stream = prepare(replace(settings, stream=True), processes)
        yield stream
        return
    try:
        yield _read(settings, shared)
        processes.any(False)  # when this is known, all have come so far
    finally:
        if processes.is_first:
            shutil.rmtree(shared, ignore_errors=True)


@contextmanager
def _of_all(processes: Processes, message: str) -> Iterator[None]:
    """An EdgewiseError in one process is a DataError with this message in the others."""
    error = None
    try:
        yield
    except EdgewiseError as problem:
        error = problem
    failed = processes.any(error is not None)
    if error is not None:
        raise error
    if failed:
        raise DataError(message)


def _write(settings: Settings, folder: Path) -> None:
    prepared = prepare(settings)
    assert isinstance(prepared, InMemory)
    atomic.make_folder(folder)
    for name in prepared.parts:
        for what, array in zip(("x", "labels"), prepared.arrays(name, settings.dtype), strict=True):
            with atomic.replacing(_path(folder, name, what)) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
    learnt = {"preprocessing": prepared.preprocessing.to_dict(), "rows": prepared.rows}
    atomic.write_text(folder / SUMMARY, json.dumps(learnt | {"most_frequent": prepared.most_frequent}))


def _read(settings: Settings, folder: Path) -> Mapped:
    try:
        learnt = json.loads((folder / SUMMARY).read_bytes())
        preprocessing = data.Preprocessing.from_dict(learnt["preprocessing"])
    except (OSError, ValueError, KeyError) as error:
        raise FormatError(
            f"cannot read {folder / SUMMARY}, which the first process has written: {error}; --out must be a "
            "folder that all processes can read"
        ) from None
    task: data.Task = "regression" if preprocessing.classes is None else "classification"
    loss = loss_of(settings, task, preprocessing.target.name)
    return Mapped(folder, preprocessing, loss, learnt["rows"], learnt["most_frequent"])


def _path(folder: Path, part: str, what: str) -> Path:
    return folder / f"{part}-{what}.npy"
