"""Watching training: the gradient budget, gates and updates of some steps, in memory that stays the same.

A `Watch` is a callback of `fit`. Every so many steps it runs both passes, and the two on squares, over some of the
step's samples, and notes a `Moment`. When there are too many, every second one goes and it looks half as often.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import engine as engines
from edgewise import gates, objective
from edgewise.arrays import FloatArray
from edgewise.diagnosis import budget
from edgewise.diagnosis.budget import PARTS, together
from edgewise.diagnosis.findings import HALF, NEARLY_ALL, Finding
from edgewise.diagnosis.report import Report, diagnose
from edgewise.diagnosis.signals import bounded
from edgewise.errors import DataError
from edgewise.history import Samples, StepRecord
from edgewise.network import Network
from edgewise.optimizers import check_number

SCHEMA = 1
SEEN_ENOUGH = 256
"""samples in a row for which a gate was 0: what `diagnose` would call dead"""
LATELY = 256
"""samples over which gates and noise are averaged, and those that `Watch.report` looks at"""
FEW = 16
"""Of so many samples all are looked at: fewer would take as long."""
OFTEN = 16
"""Where looks are fewer steps apart, they are at fewer samples, and noise is heard at each 16th alone."""
SHOWN = 20
"""moments in a table at most"""


@dataclass(frozen=True, slots=True)
class Moment:
    """One step, as it was seen."""

    step: int
    epoch: int
    loss: float
    levels: FloatArray
    """(levels, 4) the budget, from the loss on: what weights, gates and interference add, and their sum, in decibels"""
    open_gates: float
    """share of the hidden units' gates that are open, over units and samples"""
    dead: int
    """hidden units whose gate has been 0 for so many samples in a row"""
    saturated: int
    """hidden units whose gate was nearly closed for half of the samples lately"""
    update_ratio: FloatArray
    """(levels - 1,) of the weights between each level and the one before it, from level 1 on: root mean square of what
    the step has changed, by that of the weights; NaN where there are none"""
    noise_scale: float
    """tr Σ/|G|², the simple noise scale of McCandlish et al. (2018), of G the gradient and Σ its covariance over
    samples, both averaged lately: about the number of samples from which on more of them tell little more; infinite if
    G cannot be told from its noise"""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is no finite number, as a word."""
        found = {part.name: getattr(self, part.name) for part in fields(self)}
        found["levels"] = [dict(zip(PARTS, map(_plain, row), strict=True)) for row in self.levels.tolist()]
        found["update_ratio"] = [_plain(ratio) for ratio in self.update_ratio.tolist()]
        return {name: _plain(part) if isinstance(part, float) else part for name, part in found.items()}

    def total(self) -> tuple[float, float, float, float]:
        """From the loss's own level to the last: weights, gates, interference, and their sum."""
        rows = [budget.Row(k, 0, w, g, i, t) for k, (w, g, i, t) in enumerate(self.levels.tolist())]
        whole = together(rows[1:])
        return whole.weights_db, whole.gates_db, whole.interference_db, whole.total_db


class Watch:
    """A callback of `fit`: what the network looks like every so many steps.

    every : steps from one look to the next, from the first step on.
    samples : of a minibatch at most so many are looked at; None is an eighth of it, or a quarter if every ≥ 16, and at
        least 16, which keeps a look at about a step's own cost.
    keep : moments at most. When there are more, every second one is forgotten and `every` is doubled.
    """

    def __init__(self, every: int = 50, *, samples: int | None = None, keep: int = 256) -> None:
        check_number("every", every, 1, whole=True)
        check_number("keep", keep, 2, whole=True)
        if samples is not None:
            check_number("samples", samples, 2, whole=True)
        self.every, self.samples, self.keep = int(every), samples, int(keep)
        self.moments: list[Moment] = []
        self._last: StepRecord | None = None
        self._seen = 0
        self._opened: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._last_open: NDArray[np.int64] = np.zeros(0, np.int64)
        self._step_of: NDArray[np.int64] = np.zeros(0, np.int64)
        self._closed: FloatArray = np.zeros(0)
        self._noise, self._signal = 0.0, 0.0
        self._recent: list[Samples] = []

    def __call__(self, record: StepRecord) -> None:
        """Look at one step."""
        net = record.before
        _ = record.network.depth  # which the networks of later steps then have
        x, y, weight = record.samples(self._wanted(record))
        n = len(x)
        start, _ = objective.read(net, n, None, y, record.loss_function, weight, None)
        assert isinstance(start, objective.LossTarget)
        passes = engines.both(None, net, x, None).backward(start)
        found = budget.of_passes(net, passes, start)
        hidden = ~net.is_input & (found.depth > 0)
        hidden[net.outputs] = False
        squashing, rounded = bounded(net)
        self._follow(net, passes.gate(), rounded, record.step, n)
        if self.every >= OFTEN or len(self.moments) % OFTEN == 0:
            self._hear(*_noise(net, x, start), n)
        closed, dead = self._closed, self._dead()
        self.moments.append(
            Moment(
                record.step,
                record.epoch,
                record.loss,
                found.gains,
                float(1 - closed[hidden].mean()) if hidden.any() else float("nan"),
                int((hidden & dead).sum()),
                int((hidden & ~dead & squashing & (closed >= HALF)).sum()),
                _update_ratios(net, record.network),
                self._noise / self._signal if self._signal > 0 else self._noise * float("inf"),
            )
        )
        self._last = record
        self._remember((x, y, weight))
        if len(self.moments) > self.keep:
            self.moments = self.moments[::2]
            self.every *= 2

    def _wanted(self, record: StepRecord) -> int:
        if self.samples is not None:
            return self.samples
        return max(FEW, record.n_samples // (8 if self.every < OFTEN else 4))

    def _hear(self, noise: float, signal: float, n: int) -> None:
        share = min(1.0, n / LATELY) if self._seen > n else 1.0
        self._noise += share * (noise - self._noise)
        self._signal += share * (signal - self._signal)

    def _remember(self, samples: Samples) -> None:
        """The samples seen last, as many as a report needs."""
        self._recent.append(samples)
        while sum(len(x) for x, _, _ in self._recent[1:]) >= LATELY:
            del self._recent[0]

    def _follow(self, net: Network, gate: FloatArray, rounded: NDArray[np.bool_], step: int, n: int) -> None:
        """Who was open when, and how often lately."""
        if len(self._opened) != net.n_nodes:
            self._opened = np.zeros(net.n_nodes, np.bool_)
            self._last_open = np.full(net.n_nodes, self._seen)
            self._step_of = np.full(net.n_nodes, step)
            self._closed = gates.closed(net, gate).mean(axis=0)
        self._seen += n
        now = (gate != 0).any(axis=0) | rounded
        self._opened |= now
        self._last_open[now] = self._seen
        self._step_of[now] = step
        lately = min(1.0, n / LATELY)
        self._closed += lately * (gates.closed(net, gate).mean(axis=0) - self._closed)

    def _dead(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._seen - self._last_open >= SEEN_ENOUGH
        return found

    def report(self) -> Report:
        """What `diagnose` says of the network as it is now, over the samples seen last; units that have died while they
        were watched come as a finding of their own. DataError before the first step."""
        if self._last is None:
            raise DataError("nothing has been watched yet: give this Watch to fit, as one of its callbacks")
        x, y, weight = (
            None if parts[0] is None else np.concatenate(parts)[-LATELY:] for parts in zip(*self._recent, strict=True)
        )
        assert x is not None
        assert y is not None
        found = diagnose(self._last.network, x, y, loss=self._last.loss_function, sample_weight=weight)
        died = self._dead() & self._opened & found.signals.hidden
        if not died.any():
            return found
        return replace(found, findings=(self._died(died, found), *found.findings))

    def _died(self, died: NDArray[np.bool_], found: Report) -> Finding:
        level = found.signals.level
        shares = {k: float(died[level == k].mean()) for k in np.unique(level[died]).tolist()}
        worst = max(shares.values())
        severity: Any = "error" if worst >= NEARLY_ALL else "warning" if worst >= HALF else "note"
        steps = self._step_of[died]
        evidence = {"units": int(died.sum()), "share": worst, "first": int(steps.min()), "last": int(steps.max())}
        levels = tuple(k for k, share in shares.items() if share >= (HALF if worst >= HALF else 0))
        return Finding("units_died", "gates", severity, levels, tuple(np.flatnonzero(died).tolist()), evidence)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is no finite number, as a word. `schema` says in which form."""
        return {"schema": SCHEMA, "every": self.every, "moments": [moment.to_dict() for moment in self.moments]}

    def __str__(self) -> str:
        names = ("weights", "gates", "interf.", "total dB", "open", "dead", "saturated", "update", "noise")
        lines = [f"{'step':>8}{'loss':>10}" + "".join(f"{name:>10}" for name in names)]
        for moment in _spread(self.moments):
            parts = "".join(f"{decibels + 0.0:>+10.1f}" for decibels in moment.total())
            ratios = moment.update_ratio[np.isfinite(moment.update_ratio)]
            update = float(np.median(ratios)) if len(ratios) else math.nan
            units = f"{moment.open_gates:>10.0%}{moment.dead:>10}{moment.saturated:>10}"
            lines.append(
                f"{moment.step:>8}{moment.loss:>10.3g}{parts}{units}{update:>10.1e}{moment.noise_scale:>10.3g}"
            )
        return "\n".join(lines)


def _spread(moments: Sequence[Moment]) -> list[Moment]:
    """At most so many of them, evenly spread, the first and the last among them."""
    chosen = np.linspace(0, len(moments) - 1, min(len(moments), SHOWN)).round().astype(int)
    return [moments[k] for k in np.unique(chosen).tolist()]


def _plain(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def _update_ratios(before: Network, after: Network) -> FloatArray:
    """(levels - 1,) of the weights from each level, the first being those that lead to the loss's own."""
    order, start = _by_level(before)
    weight, changed = before.weight, after.weight - before.weight
    if order is not None:
        weight, changed = weight[order], changed[order]
    squares = [np.add.reduceat(np.square(part[: start[-1]]), start[:-1]) for part in (changed, weight)]
    with np.errstate(all="ignore"):
        ratios: FloatArray = np.sqrt(squares[0] / squares[1])
    return ratios


def _by_level(net: Network) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """The edges on paths to the outputs by the level of their tail, None if that is their order; where each begins."""
    found = net.kept.get("edges by level")
    if found is None:
        level = np.where(net.depth[net.head] >= 0, net.depth[net.tail], 0)
        order = np.argsort(level, kind="stable")
        start = np.searchsorted(level[order], np.arange(1, int(net.depth.max(initial=0)) + 2))
        in_order = len(order) == 0 or bool((np.diff(order) == 1).all())
        found = net.kept["edges by level"] = (None if in_order else order, start)
    return found


def _noise(net: Network, x: FloatArray, start: objective.LossTarget) -> tuple[float, float]:
    """tr Σ and |G|², unbiased, from the gradients of both halves of some samples."""
    half = len(x) // 2
    if not half:
        return math.nan, math.nan
    gradients = []
    for rows in (slice(half), slice(half, 2 * half)):
        passes = engines.both(None, net, x[rows], None).backward(start.of_rows(rows))
        divisor = passes.weight_sum()
        of_weights, of_biases = passes.weight_gradient(divisor)[0], passes.bias_gradient(divisor)[0]
        gradients.append((net.weight_ties.once(of_weights), net.bias_ties.once(of_biases)))
    with np.errstate(all="ignore"):
        signal = sum(float(np.dot(one, other)) for one, other in zip(*gradients, strict=True))
        sizes = sum(float(np.dot(part, part)) for of_half in gradients for part in of_half)
        return half * (sizes - 2 * signal) / 2, signal
