"""A row without peers: how the time per arc and sample grows with the network."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import networks, ours, timing
from benchmarks.machine import Machine
from benchmarks.report import number
from benchmarks.results import Figure, RowResult, Target, Timed

BATCH = 64


@dataclass(frozen=True)
class Growth:
    name: str
    title: str
    limit: str
    sizes: tuple[int, ...]
    """arcs, twenty to a node"""
    target: Target
    """how often the smallest network's time per arc and sample, while values fit the last-level cache"""
    heavy: bool = False

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        sides: list[Timed] = []
        figures: list[Figure] = []
        per_arc: list[float] = []
        fits: list[bool] = []
        for n_edges in self.sizes[:2] if quick else self.sizes:
            say(f"{n_edges:,} arcs")
            problem = networks.random_dag(n_edges // 20, n_edges, BATCH, comparable=False)
            n_bytes = 4 * problem.net.n_nodes * BATCH
            side = ours.call(problem)
            side.run()
            [times] = timing.interleave([side.run], timing.QUICK if quick else timing.Pace(4.0, 3, 50))
            each = times.median / n_edges / BATCH
            note = f"{number(1e12 * each)} ps for each arc and sample; values take {number(n_bytes / 2**20)} MiB"
            ratio = Figure("time for each arc and sample", each / per_arc[0], "×") if per_arc else None
            sides.append(Timed(f"{n_edges:,} arcs", note, times.median, times.best, times.samples, ratio=ratio))
            figures.append(Figure(f"arithmetic, {n_edges:,} arcs", 6e-9 / each, "GF/s"))
            per_arc.append(each)
            fits.append(n_bytes <= machine.last_cache)
            del side, problem
            gc.collect()
        if any(fits):
            most = max(each for each, fit in zip(per_arc, fits, strict=True) if fit)
            what = "growth of the time for each arc and sample while values fit the last-level cache"
            figures.append(Figure(what, most / per_arc[0], "×", self.target, less_is_better=True))
        return RowResult(self.name, self.title, self.limit, sides, figures)
