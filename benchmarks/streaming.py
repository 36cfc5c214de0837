"""A row without peers: training on a Parquet file that is larger than the memory this takes.

As a process of its own it trains one epoch on such a file, and prints what that took as JSON.
"""

import json
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

import edgewise as ew
from benchmarks.machine import Machine
from benchmarks.memory import status
from benchmarks.processes import child
from benchmarks.results import Figure, RowResult, Target, Timed
from edgewise.streams import ParquetStream

FEATURES = 64
ROWS_AT_ONCE = 1 << 17
BATCH = 256


@dataclass(frozen=True)
class Streaming:
    name: str
    title: str
    limit: str
    n_bytes: int
    """of the file, about"""
    target: Target
    """GiB"""
    heavy: bool = False

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        n_rows = (self.n_bytes >> (5 if quick else 0)) // (4 * (FEATURES + 1))
        with tempfile.TemporaryDirectory() as folder:
            free = shutil.disk_usage(folder).free
            if free < 1.2 * n_rows * 4 * (FEATURES + 1):
                raise RuntimeError(f"{folder} has {free / 2**30:.1f} GiB free, too little for the file; set TMPDIR")
            path = Path(folder, "rows.parquet")
            say("writing the file")
            _write(path, n_rows)
            say("training")
            found = json.loads(child("-m", "benchmarks.streaming", str(path)))
            n_bytes = path.stat().st_size
        figures = [
            Figure(
                "most memory of both processes together", found["parent"] + found["child"], "GiB", self.target, True
            ),
            Figure("memory of the process that reads", found["child"], "GiB", None, True),
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


def _write(path: Path, n_rows: int) -> None:
    """Random numbers, which no compression makes smaller."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    names = [*(f"x{k}" for k in range(FEATURES)), "y"]
    rng = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in names])
    with ParquetWriter(path, schema, use_dictionary=False) as writer:
        for first in range(0, n_rows, ROWS_AT_ONCE):
            x = rng.standard_normal((FEATURES, min(ROWS_AT_ONCE, n_rows - first)), np.float32)
            writer.write_table(pa.table([*x, np.tanh(x[:8]).sum(axis=0)], schema=schema))


def main(path: str) -> None:
    began = perf_counter()
    source = ParquetStream(path, "y")
    learning = perf_counter() - began
    net = ew.mlp([FEATURES, 32, 1], dtype="float32")
    began = perf_counter()
    ew.fit(net, source, loss="squared_error", epochs=1, batch_size=BATCH, progress=False)
    found = {"learning": learning, "epoch": perf_counter() - began, "rows": source.n_samples}
    del source  # its process ends, and is counted
    # an upper bound: Linux counts in what the process was started from
    of_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(json.dumps(found | {"parent": status("VmHWM"), "child": of_child}))


if __name__ == "__main__":
    main(sys.argv[1])
