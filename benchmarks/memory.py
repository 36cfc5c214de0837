"""A process of its own that builds a network and trains it, and prints the memory this took as JSON, in GiB."""

import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import edgewise as ew


def main(n_edges: int, batch: int) -> None:
    began = perf_counter()
    net = ew.random_dag(n_edges // 20, n_edges, n_inputs=50, n_outputs=10, dtype="float32")
    built = perf_counter() - began
    rng = np.random.default_rng(0)
    steps = 3
    x = rng.standard_normal((steps * batch, net.n_inputs), np.float32)
    y = rng.standard_normal((steps * batch, net.n_outputs), np.float32)
    before, most_building = status("VmRSS"), status("VmHWM")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM counts from here
    began = perf_counter()
    ew.fit(net, x, y, loss="squared_error", optimizer=ew.Adam(1e-3), epochs=1, batch_size=batch, progress=False)
    step = (perf_counter() - began) / steps
    training = status("VmHWM")
    found = {
        "all": max(most_building, training),
        "training": training,
        "before": before,
        "built": built,
        "step": step,
    }
    print(json.dumps(found))


def status(name: str) -> float:
    """A line of what the operating system says about this process, in GiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 2**20
    raise OSError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
