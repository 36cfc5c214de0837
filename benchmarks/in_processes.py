"""`python -m benchmarks.in_processes`: steps of training by one process on one processor and on two, and by two
processes together; and what adding up arrays of several sizes takes them. The best of several runs of each.
"""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from time import perf_counter

import numpy as np

import edgewise as ew
from edgewise import processes

RUNS, STEPS, EPOCHS = 4, 8, 4
SIZES = (100_000, 1_000_000, 10_000_000)
THIS = ["-m", "benchmarks.in_processes"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SIDES = {
    "one process, one thread": [*THIS, "1"],
    "one process, two threads": [*THIS, "2"],
    "two processes": [*TORCHRUN, *THIS, "together"],
}


def child(mode: str) -> None:
    """One side's milliseconds as JSON, from the first process."""
    found = {}
    rng = np.random.default_rng(0)
    with processes.join() if mode == "together" else nullcontext() as together:
        for name, net, batch in (
            (
                "200,000 arcs, 512 samples",
                ew.random_dag(10_000, 200_000, n_inputs=50, n_outputs=10, seed=0, dtype="float32"),
                512,
            ),
            (
                "784-1024-1024-10, a tenth of the arcs, 1024 samples",
                ew.mlp([784, 1024, 1024, 10], density=0.1, seed=0, dtype="float32"),
                1024,
            ),
        ):
            x = rng.standard_normal((STEPS * batch, net.n_inputs), np.float32)
            y = rng.integers(0, 10, len(x))
            threads = None if together else int(mode)
            settings = {"epochs": EPOCHS, "batch_size": batch, "progress": False}
            history = ew.fit(net, x, y, optimizer=ew.SGD(1e-3), threads=threads, processes=together, **settings)
            found[name] = min(history.seconds) / STEPS * 1e3
        for size in SIZES if together else ():
            array, times = np.zeros(size, np.float32), []
            for _ in range(5):
                began = perf_counter()
                together.add_up(array)
                times.append(perf_counter() - began)
            found[f"the sum of {size:,} numbers"] = min(times) * 1e3
        if not together or together.is_first:
            print(json.dumps(found))


def main() -> None:
    best: dict[str, dict[str, float]] = {side: {} for side in SIDES}
    for _ in range(RUNS):
        for side, words in SIDES.items():
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            found = subprocess.run(
                [sys.executable, *words], env=environment, capture_output=True, text=True, check=True
            )
            for what, time in json.loads(found.stdout.splitlines()[-1]).items():
                best[side][what] = min(time, best[side].get(what, np.inf))
    for side, times in best.items():
        for what, time in times.items():
            print(f"{side:26} {what:54} {time:8.2f} ms")


if __name__ == "__main__":
    child(sys.argv[1]) if len(sys.argv) > 1 else main()
