"""Rows that need a process of their own: the time to import Edgewise, and the memory that training takes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Machine
from benchmarks.results import Figure, RowResult, Target, Timed

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Import:
    name: str
    title: str
    limit: str
    target: Target
    heavy: bool = False

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        packages = ("edgewise", "numpy")
        found: dict[str, list[float]] = {package: [] for package in packages}
        for _ in range(3 if quick else 15):
            for package in packages:
                say(f"import {package}")
                found[package].append(_seconds_to_import(package))
        sides = []
        for package, times in found.items():
            times.sort()
            sides.append(Timed(f"import {package}", "", times[len(times) // 2], times[0], len(times)))
        median = sides[0].median or 0.0
        figure = Figure("import edgewise", median, "s", self.target, less_is_better=True)
        return RowResult(self.name, self.title, self.limit, sides, [figure])


def _seconds_to_import(package: str) -> float:
    code = f"import time; t = time.perf_counter(); import {package}; print(time.perf_counter() - t)"
    return float(child("-c", code))


@dataclass(frozen=True)
class Memory:
    name: str
    title: str
    limit: str
    n_edges: int
    batch: int
    target: Target
    """GiB"""
    heavy: bool = False

    def measure(self, machine: Machine, quick: bool, say: Callable[[str], None]) -> RowResult:
        n_edges = min(self.n_edges, 200_000) if quick else self.n_edges
        say(f"{n_edges:,} arcs")
        found = json.loads(child("-m", "benchmarks.memory", str(n_edges), str(self.batch)))
        figures = [
            Figure("most memory, building the network and training", found["all"], "GiB", self.target, True),
            Figure("most memory while training", found["training"], "GiB", None, True),
            Figure("memory before training", found["before"], "GiB", None, True),
            Figure("each arc, while training", found["training"] * 2**30 / n_edges, "bytes", None, True),
        ]
        note = f"a step; built in {found['built']:.3g} s"
        return RowResult(
            self.name,
            self.title,
            self.limit,
            [Timed(f"{n_edges:,} arcs", note, found["step"], found["step"], 1)],
            figures,
        )


def child(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise RuntimeError(last)
    return done.stdout
