"""One look at a step of training: a row of numbers, the same from the core and from NumPy.

The core takes looks beside its steps where it trains, see src/native/look.hpp. Where it does not they are taken here,
over the network as it was before the step: by the core in two halves, around a loss that it may not know, or by NumPy
where an activation is none of the core's. What is remembered of the nodes is in arrays that both fill.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import engine as engines
from edgewise import gates, objective, steps
from edgewise.arrays import FloatArray
from edgewise.diagnosis import budget
from edgewise.diagnosis.findings import HALF
from edgewise.diagnosis.signals import bounded
from edgewise.history import Samples, StepRecord
from edgewise.network import Network
from edgewise.results import BackwardPass

SEEN_ENOUGH = 256
"""samples in a row for which a gate was 0: what `diagnose` would call dead"""
LATELY = 256
"""samples over which gates and noise are averaged"""
FEW = 16
"""Of so many samples all are looked at: fewer would take nearly as long."""
OFTEN = 16
"""Where looks are fewer steps apart, they are at half of the samples, and noise is heard at each 16th alone; else at
every second one."""


class Column(IntEnum):
    """What a row begins with; then come three numbers for each of L levels, `Budget.sizes`, and two for each level from
    the first on: sums of squares of what the step changed in the weights that lead from there, and of these weights."""

    STEP = 0
    PLACE = 1
    """of the first sample, in the order of the chunk"""
    SAMPLES = 2
    LOSS = 3
    OPEN = 4
    DEAD = 5
    SATURATED = 6
    NOISE = 7
    SIGNAL = 8
    COUNT = 9


def parts(row: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(3, L) sizes by level, and (L-1,) squares of what was changed and of what there was."""
    n_levels = (len(row) - Column.COUNT + 2) // 5
    sizes, rest = np.split(row[Column.COUNT :], [3 * n_levels])
    changed, were = rest.reshape(2, n_levels - 1)
    return sizes.reshape(3, n_levels), changed, were


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of N nodes."""

    closed: FloatArray
    """(N,) share of samples lately whose gate was closed; NaN before the first look"""
    last_open: NDArray[np.int64]
    """(N,) samples seen by then"""
    step_of: NDArray[np.int64]
    """(N,) and the step"""
    opened: NDArray[np.uint8]
    """(N,) whether it has ever been open"""
    seen: FloatArray
    """(3,) samples; and lately tr Σ and |G|², NaN before they were first heard"""

    @classmethod
    def of(cls, n_nodes: int) -> "Memory":
        """Of nothing."""
        zeros = np.zeros(n_nodes, np.int64)
        return cls(
            np.full(n_nodes, np.nan), zeros, zeros.copy(), np.zeros(n_nodes, np.uint8), np.array([0, np.nan, np.nan])
        )

    def dead(self) -> NDArray[np.bool_]:
        """(N,) whose gate has been 0 for so many samples in a row."""
        found: NDArray[np.bool_] = self.seen[0] - self.last_open >= SEEN_ENOUGH
        return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What does not change of a network's nodes; (N,) each."""

    level: NDArray[np.int32]
    closed_below: FloatArray
    hidden: NDArray[np.uint8]
    squashing: NDArray[np.uint8]
    smooth: NDArray[np.uint8]
    """whose gate, having no kinks and bounded values, is 0 by rounding alone"""

    @property
    def n_levels(self) -> int:
        return int(self.level.max(initial=0)) + 1


def _known(net: Network) -> _Known:
    found: _Known | None = net.kept.get("look")
    if found is None:
        hidden = ~net.is_input & (net.depth > 0)
        hidden[net.outputs] = False
        squashing, smooth = bounded(net)
        of_nodes = (part.view(np.uint8) for part in (hidden, squashing, smooth))
        found = net.kept["look"] = _Known(net.depth, gates.closed_below(net), *of_nodes)
    return found


def in_core(
    net: Network,
    memory: Memory,
    every: int,
    samples: int | None,
    step_size: int,
    threads: int | None,
    *,
    beside: bool,
) -> engines.NativeLook | None:
    """What looks from within the core at steps of so many samples, `beside` the step or between two; None if an
    activation is none of the core's."""
    known = _known(net)
    arrays: dict[str, Any] = {name: getattr(known, name) for name in _Known.__slots__}
    arrays |= {name: getattr(memory, name) for name in Memory.__slots__}
    return engines.look(
        None,
        net,
        step_size=step_size,
        beside=beside,
        threads=threads,
        n_levels=known.n_levels,
        arrays=arrays,
        every=every,
        samples=samples or 0,
        few=FEW,
        often=OFTEN,
        lately=LATELY,
        dead_after=SEEN_ENOUGH,
        saturated_from=HALF,
    )


def wanted(n_samples: int, every: int, samples: int | None) -> int:
    """How many samples of a step's are looked at."""
    if samples is None:
        samples = max(FEW, n_samples // 4) // (2 if every < OFTEN else 1)
    return min(samples, n_samples)


def take(
    record: StepRecord, memory: Memory, every: int, n: int, core: engines.NativeLook | None
) -> tuple[FloatArray, Samples]:
    """A row of one step, as the core makes it within training, and the first n samples, which were looked at."""
    net, step = record.before, record.step
    known = _known(net)
    x, y, weight = record.samples(n)
    row = np.zeros(Column.COUNT + 5 * known.n_levels - 2)
    start, _ = objective.read(net, len(x), None, y, record.loss_function, weight, None)
    assert isinstance(start, objective.LossTarget)
    if core is None:
        _passes(net, known, memory, x, start, step, row)
    else:
        output = core.forward(net, x)
        core.backward(np.ascontiguousarray(start.seed(np.ascontiguousarray(output.T)).sensitivity[0].T), step, row)
    if step // every % (OFTEN if every < OFTEN else 2) == 0:
        _hear(record, memory, n)
    if core is None:
        _changed(net, known, record.network, row)
    else:
        core.changed(net.weight, record.network.weight, row)
    row[Column.SAMPLES], row[Column.LOSS] = n, record.loss
    row[Column.NOISE], row[Column.SIGNAL] = memory.seen[1:]
    return row, (x, y, weight)


def _passes(
    net: Network, known: _Known, memory: Memory, x: FloatArray, start: objective.LossTarget, step: int, row: FloatArray
) -> None:
    """What both passes find, and those on squares."""
    passes = engines.both(None, net, x, None).backward(start)
    sizes, _, _ = parts(row)
    sizes[:] = budget.of_passes(net, passes, start).sizes
    row[Column.STEP] = step
    row[Column.OPEN : Column.SATURATED + 1] = _follow(net, known, passes.gate(), memory, step)


def _changed(net: Network, known: _Known, now: Network, row: FloatArray) -> None:
    """What the step has changed in the weights."""
    _, changed, were = parts(row)
    leads = np.flatnonzero((known.level[net.head] >= 0) & (known.level[net.tail] >= 1))
    level = known.level[net.tail[leads]] - 1
    after = now.weight[leads].astype(np.float64)
    with np.errstate(over="ignore"):
        for squares, of_weights in ((changed, after - net.weight[leads]), (were, net.weight[leads].astype(np.float64))):
            squares[:] = np.bincount(level, np.square(of_weights), known.n_levels - 1)


def _follow(net: Network, known: _Known, gate: FloatArray, memory: Memory, step: int) -> tuple[float, int, int]:
    """Who was open when, and how often lately: the share of open gates, and how many units are dead and saturated."""
    memory.seen[0] += len(gate)
    now = (gate != 0).any(axis=0) | known.smooth.astype(bool)
    memory.opened[now] = 1
    memory.last_open[now] = int(memory.seen[0])
    memory.step_of[now] = step
    share = gates.closed(net, gate).mean(axis=0)
    new = np.isnan(memory.closed)
    memory.closed[new] = share[new]
    memory.closed[:] += min(1.0, len(gate) / LATELY) * (share - memory.closed)
    hidden, dead = known.hidden.astype(bool), memory.dead()
    saturated = hidden & ~dead & known.squashing.astype(bool) & (memory.closed >= HALF)
    is_open = float(1 - memory.closed[hidden].mean()) if hidden.any() else float("nan")
    return is_open, int((hidden & dead).sum()), int(saturated.sum())


def _hear(record: StepRecord, memory: Memory, n: int) -> None:
    """The mean over n samples has |G|² + tr Σ/n for its expected square: so of two means, one of few samples and one of
    many, unbiased (McCandlish et al. 2018, appendix A)."""
    few = min(n, record.batch_size, record.n_samples // 2)
    if not few:
        return
    net = record.before
    many = record.squared_gradient
    squares = (_squared(net, record.backward_of(few)), _squared(net, record.backward) if many is None else many)
    of_few, of_many = (_effective(record, of) for of in (few, record.n_samples))
    with np.errstate(all="ignore"):
        noise = (squares[0] - squares[1]) / (1 / of_few - 1 / of_many)
        signal = (of_many * squares[1] - of_few * squares[0]) / (of_many - of_few)
    for k, number in enumerate((noise, signal), 1):
        before = memory.seen[k]
        memory.seen[k] = number if np.isnan(before) else before + min(1.0, of_few / LATELY) * (number - before)


def _squared(net: Network, bwd: BackwardPass) -> float:
    gradient = steps.flat(net, bwd.weight_gradient, bwd.bias_gradient).astype(np.float64)
    return float(np.dot(gradient, gradient))


def _effective(record: StepRecord, n: int) -> np.float64:
    """As how many samples of like weight the first n count."""
    weight = record.samples(n)[2]
    if weight is None:
        return np.float64(n)
    return np.square(weight.sum(dtype=np.float64)) / np.square(weight, dtype=np.float64).sum()
