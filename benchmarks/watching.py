"""What watching costs: training beside the same training with an edgewise.Watch, in one run.

python -m benchmarks.watching --write docs/watching.md
"""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import edgewise as ew
from benchmarks import networks, tables, timing

COMMAND = "python -m benchmarks.watching --write docs/watching.md"
PACE = timing.Pace(40.0, 10, 400)
LOOKS = (50, 1)


def unlike(net: ew.Network) -> ew.Network:
    """With every fourth hidden head a product, a maximum, a minimum or a median."""
    hidden = np.flatnonzero(~net.is_input & (net.depth > 0))[::4]
    names = list(net.aggregations)
    for k, j in enumerate(hidden):
        names[j] = ("product", "max", "min", "median")[k % 4]
    return net.replace(aggregation=names)


OWN_LOSS = dataclasses.replace(ew.losses.get("squared_error"), name="own", compiled=None)


def problems() -> dict[str, tuple[ew.Network, int, int]]:
    """Networks in float32, the size of a minibatch, and how many steps make a run."""
    return {
        "64-64-32-10, 32 samples a step": (ew.mlp([64, 64, 32, 10], seed=0, dtype="float32"), 32, 5000),
        "the same, with a loss of one's own": (ew.mlp([64, 64, 32, 10], seed=0, dtype="float32"), 32, 1000),
        "784-256-128-10, 128 samples": (ew.mlp([784, 256, 128, 10], seed=0, dtype="float32"), 128, 200),
        "784-1024-1024-10 with a twentieth of the arcs, 128 samples": (
            networks.sparse(784, 1024, 1024, 10, sparsity=0.95, batch=128).net,
            128,
            200,
        ),
        "64-64-32-10, a quarter of its heads products, maxima, minima and medians, 64 samples": (
            unlike(ew.mlp([64, 64, 32, 10], seed=0, dtype="float32")),
            64,
            100,
        ),
        "random graph, 1,000 nodes, 20,000 arcs, 64 samples": (networks.random_dag(1000, 20_000, 64).net, 64, 2000),
    }


def run(
    net: ew.Network, x: np.ndarray, y: np.ndarray, batch: int, every: int | None, loss: Any
) -> Callable[[], object]:
    def fit() -> object:
        watch = [] if every is None else [ew.Watch(every, keep=10_000)]
        return ew.fit(
            net,
            x,
            y,
            loss=loss,
            optimizer=ew.Adam(1e-9),
            epochs=1,
            batch_size=batch,
            callbacks=watch,
            progress=False,
        )

    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the table into this Markdown file")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    lines = [
        "Best times of a step, of a run of 100 to 5,000; and how many times as long as the run without a watch beside "
        f"it, the median of many such pairs: `{COMMAND}`.",
        "",
        "| | alone | " + " | ".join(f"watched every {'step' if k == 1 else f'{k}th step'}" for k in LOOKS) + " |",
        "|---|---:|" + "---:|" * len(LOOKS),
    ]
    for name, (net, batch, steps) in problems().items():
        x = rng.normal(size=(steps * batch, net.n_inputs)).astype(np.float32)
        y = rng.normal(size=(len(x), net.n_outputs)).astype(np.float32)
        loss = OWN_LOSS if "own" in name else "squared_error"
        sides = [run(net, x, y, batch, every, loss) for every in (None, *LOOKS)]
        for side in sides:
            side()
        alone, *watched = timing.interleave(sides, PACE)
        cells = [f"{alone.best / steps * 1e3:.3f} ms"]
        cells += [f"{each.best / steps * 1e3:.3f} ms, {each.over(alone):.2f}×" for each in watched]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if args.write:
        tables.put(args.write, "\n".join(lines))


if __name__ == "__main__":
    main()
