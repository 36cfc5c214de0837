"""Times of several sides, taken in turns so that whatever else the machine does meets all of them."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

SAMPLE = 0.04
"""seconds that one sample takes at least: fast work is repeated and its time divided"""
PAUSE = 0.005
"""seconds before each sample, in which the threads of the side before it come to rest; after much longer ones, and in
shorter samples, the threads of BLAS are asleep, and their users pay for waking them"""


@dataclass(frozen=True)
class Pace:
    """How long to measure."""

    seconds: float
    """for all sides of a row together"""
    least: int
    """rounds, however long they take"""
    most: int


FULL = Pace(8.0, 5, 100)
QUICK = Pace(0.5, 2, 10)


@dataclass(frozen=True)
class Times:
    """Seconds for one call or step."""

    taken: tuple[float, ...]
    """round by round"""

    @property
    def best(self) -> float:
        return min(self.taken)

    @property
    def median(self) -> float:
        return median(self.taken)

    @property
    def samples(self) -> int:
        return len(self.taken)

    def over(self, other: "Times") -> float:
        """How many times as long as the other, measured in the same rounds: the median of the rounds' ratios, to which
        it does not matter that some rounds are slower than others."""
        return median(mine / its for mine, its in zip(self.taken, other.taken, strict=True))


def interleave(runs: Sequence[Callable[[], object]], pace: Pace) -> list[Times]:
    """A sample of each in turn, forth and back, until the time is up."""
    repeats = [_repeats(run) for run in runs]
    found: list[list[float]] = [[] for _ in runs]
    collecting = gc.isenabled()
    gc.disable()
    try:
        began, rounds = time.perf_counter(), 0
        while rounds < pace.least or (rounds < pace.most and time.perf_counter() - began < pace.seconds):
            order = range(len(runs)) if rounds % 2 == 0 else reversed(range(len(runs)))
            for k in order:
                found[k].append(_sample(runs[k], repeats[k]))
            gc.collect()
            rounds += 1
    finally:
        if collecting:
            gc.enable()
    return [Times(tuple(times)) for times in found]


def _sample(run: Callable[[], object], repeats: int) -> float:
    time.sleep(PAUSE)
    for _ in range(-(-repeats // 5) if repeats > 1 else 0):  # caches and threads are this side's own again
        run()
    began = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - began) / repeats


def _repeats(run: Callable[[], object]) -> int:
    """How many runs a sample needs; `run` has been run before."""
    n = 1
    while True:
        began = time.perf_counter()
        for _ in range(n):
            run()
        taken = time.perf_counter() - began
        if taken >= SAMPLE / 2:
            return max(1, round(n * SAMPLE / taken))
        n *= 4
