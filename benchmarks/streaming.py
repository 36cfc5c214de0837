"""A row without peers: training on a Parquet or CSV file that is larger than the memory this takes.

As a process of its own it trains one epoch on such a file, and prints what that took as JSON.
"""

import json
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import edgewise as ew
from benchmarks.machine import Machine
from benchmarks.memory import status
from benchmarks.processes import child
from benchmarks.results import Figure, RowResult, Target, Timed
from edgewise.streams import TableStream

FEATURES = 64
ROWS_AT_ONCE = 1 << 17
BATCH = 256


@dataclass(frozen=True)
class Streaming:
    name: str
    title: str
    limit: str
    suffix: str
    n_bytes: int
    """of the file, about"""
    target: Target
    """GiB, of all processes"""
    beyond: Target | None = None
    """GiB, of what is not there before"""
    heavy: bool = False

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        n_rows = int((self.n_bytes >> (5 if quick else 0)) / (BYTES[self.suffix] * (FEATURES + 1)))
        with tempfile.TemporaryDirectory() as folder:
            free = shutil.disk_usage(folder).free
            if free < 1.2 * n_rows * BYTES[self.suffix] * (FEATURES + 1):
                raise RuntimeError(f"{folder} has {free / 2**30:.1f} GiB free, too little for the file; set TMPDIR")
            path = Path(folder, f"rows{self.suffix}")
            say("writing the file")
            WRITE[self.suffix](path, _tables(n_rows))
            say("training")
            found = json.loads(child("-m", "benchmarks.streaming", str(path)))
            n_bytes = path.stat().st_size
        figures = [
            Figure(
                "most memory, of all processes together", found["parent"] + found["child"], "GiB", self.target, True
            ),
            Figure(
                "beyond what Edgewise takes before",
                found["parent"] + found["child"] - found["before"],
                "GiB",
                self.beyond,
                True,
            ),
            Figure("memory of a process that reads", found["child"], "GiB", None, True),
            Figure("size of the file", n_bytes / 2**30, "GiB"),
            Figure("rows trained on", found["rows"] / found["epoch"], "rows/s"),
            Figure("of the file, while training", n_bytes / found["epoch"] / 1e6, "MB/s"),
            Figure("of the file, while learning the preprocessing", n_bytes / found["learning"] / 1e6, "MB/s"),
        ]
        note = f"an epoch; the preprocessing learnt in {found['learning']:.3g} s before"
        return RowResult(
            self.name,
            self.title,
            self.limit,
            [Timed(f"{n_rows:,} rows", note, found["epoch"], found["epoch"], 1)],
            figures,
        )


def _tables(n_rows: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Random numbers, which no compression makes smaller."""
    rng = np.random.default_rng(0)
    for first in range(0, n_rows, ROWS_AT_ONCE):
        x = rng.standard_normal((FEATURES, min(ROWS_AT_ONCE, n_rows - first)), np.float32)
        yield {f"x{k}": column for k, column in enumerate(x)} | {"y": np.tanh(x[:8]).sum(axis=0)}


def _write_parquet(path: Path, tables: Iterator[dict[str, NDArray[np.float32]]]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.float32()) for name in (*(f"x{k}" for k in range(FEATURES)), "y")])
    with ParquetWriter(path, schema, use_dictionary=False) as writer:
        for table in tables:
            writer.write_table(pa.table(table, schema=schema))


def _write_csv(path: Path, tables: Iterator[dict[str, NDArray[np.float32]]]) -> None:
    import polars as pl

    with open(path, "wb") as file:
        for number, table in enumerate(tables):
            pl.DataFrame(table).write_csv(file, include_header=number == 0)


WRITE = {".parquet": _write_parquet, ".csv": _write_csv}
BYTES = {".parquet": 4.0, ".csv": 10.9}
"""That a number takes in the file."""


def main(path: str) -> None:
    before = status("VmHWM")
    began = perf_counter()
    source = TableStream(path, "y")
    learning = perf_counter() - began
    net = ew.mlp([FEATURES, 32, 1], dtype="float32")
    began = perf_counter()
    ew.fit(net, source, loss="squared_error", epochs=1, batch_size=BATCH, progress=False)
    found = {"learning": learning, "epoch": perf_counter() - began, "rows": source.n_samples}
    del source  # its process ends, and is counted
    # an upper bound: Linux counts in what the process was started from
    of_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(json.dumps(found | {"before": before, "parent": status("VmHWM"), "child": of_child}))


if __name__ == "__main__":
    main(sys.argv[1])
