"""A row that sets Edgewise beside its peers: the same work, the same inputs, the same results, in turns."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

from benchmarks import timing
from benchmarks.machine import Machine
from benchmarks.networks import Problem
from benchmarks.results import Figure, RowResult, Target, Timed
from benchmarks.side import Side, error


@dataclass(frozen=True)
class Peer:
    """Another library's side; `make` is module.function in `benchmarks.peers`, imported when its turn comes."""

    name: str
    make: str
    must: float | None = None
    aim: float | None = None
    slow: bool = False
    """whether building it takes a minute or so: --quick leaves it out"""

    def side(self, problem: Problem) -> Side:
        module, function = self.make.split(".")
        made: Side = getattr(import_module(f"benchmarks.peers.{module}"), function)(problem)
        return made

    @property
    def target(self) -> Target | None:
        return None if self.must is None else Target(self.must, self.aim)


@dataclass(frozen=True)
class Work:
    """The arithmetic, and the least memory traffic, that one call or step needs however it is done."""

    flops: float
    traffic: float
    """bytes: each weight read in both directions and its gradient written, each value and each sensitivity written
    and read once"""
    rows: float
    """bytes of the rows of values and sensitivities that arcs ask for, mostly from caches"""


def both_ways(problem: Problem) -> Work:
    """Forward, backward, and the gradients of all weights."""
    edges, nodes, batch = problem.net.n_edges, problem.net.n_nodes, problem.batch
    return Work(6.0 * edges * batch, 12.0 * edges + 16.0 * nodes * batch, 8.0 * edges * batch)


def forward_only(problem: Problem) -> Work:
    edges, nodes, batch = problem.net.n_edges, problem.net.n_nodes, problem.batch
    return Work(2.0 * edges * batch, 4.0 * edges + 4.0 * nodes * batch, 4.0 * edges * batch)


def every_target(problem: Problem) -> Work:
    """Forward, and a backward pass for each output; no weight's gradient."""
    edges, nodes, batch, targets = problem.net.n_edges, problem.net.n_nodes, problem.batch, problem.net.n_outputs
    return Work(
        2.0 * edges * batch * (1 + targets),
        8.0 * edges + 4.0 * nodes * batch * (2 + targets),
        4.0 * edges * batch * (1 + targets),
    )


def every_sample(problem: Problem) -> Work:
    """Forward, backward, and a gradient of every weight for every sample, each of which must be written."""
    edges, nodes, batch = problem.net.n_edges, problem.net.n_nodes, problem.batch
    return Work(5.0 * edges * batch, 8.0 * edges + 16.0 * nodes * batch + 4.0 * edges * batch, 8.0 * edges * batch)


@dataclass(frozen=True)
class Comparison:
    name: str
    title: str
    limit: str
    """what limits it, for the report: the cause, no measured number"""
    problem: Callable[[], Any]
    ours: Callable[[Any], Side]
    peers: tuple[Peer, ...] = ()
    work: Callable[[Any], Work] = both_ways
    rate: Target | None = None
    """GF/s"""
    share: Target | None = None
    """% of the machine's sgemm"""
    tolerance: float = 1e-4
    heavy: bool = False
    """--quick leaves it out"""

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        pace = timing.QUICK if quick else timing.FULL
        say("building the network")
        problem = self.problem()
        work = self.work(problem)
        entries: list[Timed] = []
        sides: list[Side] = []
        places: list[int] = []
        wanted: Any = None
        makers = [("Edgewise", self.ours), *((p.name, p.side) for p in self.peers if not (quick and p.slow))]
        for name, make in makers:
            say(name)
            began = perf_counter()
            try:
                side = make(problem)
                numbers = side.check()
                prepared = perf_counter() - began
                wanted = numbers if wanted is None else wanted
                off = error(numbers, wanted)
                side.run()
            except Exception as caught:  # a peer that is missing or fails is told of, and the others go on
                entries.append(Timed(name, failure=_one_line(caught)))
                if wanted is None:
                    return RowResult(self.name, self.title, self.limit, entries)
                continue
            places.append(len(entries))
            sides.append(side)
            entries.append(
                Timed(
                    name,
                    side.note,
                    prepared=prepared,
                    error=off if sides[1:] else None,
                    agrees=off <= self.tolerance,
                )
            )
        say("timing")
        times = timing.interleave([side.run for side in sides], pace)
        targets = {peer.name: peer.target for peer in self.peers}
        ours, best = times[0].median / sides[0].steps, times[0].best / sides[0].steps
        for place, side, found in zip(places, sides, times, strict=True):
            entry = entries[place]
            seconds = found.median / side.steps
            entries[place] = Timed(
                entry.name,
                entry.note,
                seconds,
                found.best / side.steps,
                found.samples,
                entry.prepared,
                entry.error,
                entry.agrees,
                ratio=Figure(f"against {entry.name}", seconds / ours, "×", targets[entry.name]) if place else None,
                ratio_of_bests=found.best / side.steps / best if place else None,
            )
        del sides, problem
        gc.collect()
        return RowResult(self.name, self.title, self.limit, entries, self._figures(work, ours, machine))

    def _figures(self, work: Work, seconds: float, machine: Machine) -> list[Figure]:
        rate = work.flops / seconds
        return [
            Figure("arithmetic", rate / 1e9, "GF/s", self.rate),
            Figure("of sgemm", 100 * rate / machine.sgemm, "%", self.share),
            Figure("of memory bandwidth", 100 * work.traffic / seconds / machine.bandwidth, "%"),
            Figure("rows asked for by arcs", work.rows / seconds / 1e9, "GB/s"),
        ]


def _one_line(caught: BaseException) -> str:
    if isinstance(caught, ModuleNotFoundError):
        return f"not installed: {caught.name}"
    text = (str(caught).strip() or "no message").splitlines()[0]
    return f"{type(caught).__name__}: {text[:200]}"
