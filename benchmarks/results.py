"""What a run finds, as plain records."""

from dataclasses import dataclass, field

from benchmarks.machine import Machine


@dataclass(frozen=True)
class Target:
    """What a figure is held to: `must` is the least that will do, `aim` what should be in reach."""

    must: float
    aim: float | None = None

    def verdict(self, value: float, less_is_better: bool = False) -> str:
        sign = -1 if less_is_better else 1
        if self.aim is not None and sign * value >= sign * self.aim:
            return "aim"
        if sign * value >= sign * self.must:
            return "must" if self.aim is not None else "met"
        return "below"


@dataclass(frozen=True)
class Figure:
    """A number that is held to a target, or just told."""

    what: str
    value: float
    unit: str
    target: Target | None = None
    less_is_better: bool = False

    @property
    def verdict(self) -> str:
        return "" if self.target is None else self.target.verdict(self.value, self.less_is_better)


@dataclass(frozen=True)
class Timed:
    """One side's times, in seconds for one call or step; or why there are none."""

    name: str
    note: str = ""
    median: float | None = None
    best: float | None = None
    samples: int = 0
    prepared: float | None = None
    """seconds from nothing to the first result: building and compiling"""
    error: float | None = None
    """largest difference from Edgewise's numbers, relative to the largest of them"""
    agrees: bool = True
    failure: str = ""
    ratio: Figure | None = None
    """this side's median time over Edgewise's"""
    ratio_of_bests: float | None = None


@dataclass(frozen=True)
class RowResult:
    name: str
    title: str
    limit: str
    sides: list[Timed] = field(default_factory=list)
    """Edgewise first"""
    figures: list[Figure] = field(default_factory=list)
    others: float = 0.0
    """the share of all processors' time that other programs used meanwhile"""

    @property
    def disturbed(self) -> bool:
        return self.others > 0.05

    @property
    def sound(self) -> bool:
        """Edgewise ran, and nobody disagreed with it."""
        return all(side.agrees for side in self.sides) and not (self.sides and self.sides[0].failure)


@dataclass(frozen=True)
class Report:
    machine: Machine
    date: str
    command: str
    quick: bool
    rows: list[RowResult]
