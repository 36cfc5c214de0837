"""Watching training: the gradient budget, gates and updates of some steps, in memory that stays the same.

A `Watch` is a callback of `fit`. Every so many steps it looks at some of the step's samples, see
`edgewise.diagnosis.look`, and notes a `Moment`. When there are too many, every second one goes and it looks half as
often.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from edgewise.arrays import FloatArray
from edgewise.diagnosis import budget, look
from edgewise.diagnosis.budget import PARTS, together
from edgewise.diagnosis.findings import units_died
from edgewise.diagnosis.look import LATELY, Column, Memory
from edgewise.diagnosis.report import Report, diagnose
from edgewise.engine import NativeLook
from edgewise.errors import DataError
from edgewise.history import Samples, StepRecord
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.optimizers import check_number
from edgewise.plan import Plan

SCHEMA = 1
SHOWN = 20
"""moments in a table at most"""
NUMBERS_AT_ONCE = 1 << 20
"""What the core may note before it comes back."""


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

    @classmethod
    def of(cls, row: FloatArray, epoch: int) -> "Moment":
        """From a look's row."""
        sizes, changed, were = look.parts(row)
        noise, signal = row[Column.NOISE], row[Column.SIGNAL]
        with np.errstate(all="ignore"):
            return cls(
                int(row[Column.STEP]),
                epoch,
                float(row[Column.LOSS]),
                budget.gains_of(sizes),
                float(row[Column.OPEN]),
                int(row[Column.DEAD]),
                int(row[Column.SATURATED]),
                np.sqrt(changed / were),
                float(noise / signal if signal > 0 else noise * np.inf),
            )

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
    samples : of a minibatch at most so many are looked at; None is a quarter of it, at least 16, and half of that if
        every < 16, which keeps a look at less than a step's own cost.
    keep : moments at most. When there are more, every second one is forgotten and `every` is doubled.

    Where the core takes the steps it takes the looks as well. With a loss or an optimizer of one's own it is asked for
    each look; with an activation of one's own NumPy takes them, which takes longer.
    """

    def __init__(self, every: int = 50, *, samples: int | None = None, keep: int = 256) -> None:
        check_number("every", every, 1, whole=True)
        check_number("keep", keep, 2, whole=True)
        if samples is not None:
            check_number("samples", samples, 2, whole=True)
        self.every, self.samples, self.keep = int(every), samples, int(keep)
        self._rows: list[tuple[int, FloatArray]] = []
        self._moments: list[Moment] = []
        self._memory = Memory.of(0)
        self._last: tuple[Network, Loss] | None = None
        self._last_look: tuple[Plan, int, NativeLook | None] | None = None
        self._recent: list[Samples] = []

    @property
    def moments(self) -> list[Moment]:
        """What was seen, the earliest first."""
        self._moments += [Moment.of(row, epoch) for epoch, row in self._rows[len(self._moments) :]]
        return self._moments

    # ---- looking ----

    def __call__(self, record: StepRecord) -> None:
        """Look at one step."""
        _ = record.network.depth  # which the networks of later steps then have
        n = look.wanted(record.n_samples, self.every, self.samples)
        core = self._between(record.before, n)
        row, samples = look.take(record, self._remembered(record.before), self.every, n, core)
        self._note(row, record.epoch, record.network, record.loss_function)
        self._remember(samples)

    def _between(self, network: Network, n: int) -> NativeLook | None:
        """What looks at n samples between steps; the last one if it can."""
        if self._last_look is None or self._last_look[0] is not network.plan or self._last_look[1] < n:
            self._last_look = network.plan, n, self._by_core(network, n, n, None, beside=False)
        return self._last_look[2]

    def look(self, network: Network, step_size: int, threads: int | None) -> NativeLook | None:
        """What looks for it within the core; see `edgewise.run.Looker`."""
        return self._by_core(network, self.samples, step_size, threads, beside=True)

    def _by_core(
        self, network: Network, samples: int | None, step_size: int, threads: int | None, *, beside: bool
    ) -> NativeLook | None:
        memory = self._remembered(network)
        return look.in_core(network, memory, self.every, samples, step_size, threads, beside=beside)

    def room(self, width: int) -> int:
        """How many looks, each so many numbers wide, the core may take before it hands them over."""
        return min(self.keep + 1 - len(self._rows), max(1, NUMBERS_AT_ONCE // width))

    def looked(
        self, rows: FloatArray, epoch: int, network: Network, loss: Loss, samples: Callable[..., Samples]
    ) -> None:
        """What the core has seen."""
        for row in rows:
            self._note(row.copy(), epoch, network, loss)
        last = np.cumsum(rows[::-1, Column.SAMPLES]) - rows[::-1, Column.SAMPLES] < LATELY
        for row in rows[::-1][last][::-1]:
            self._remember(samples(int(row[Column.PLACE]), int(row[Column.SAMPLES])))

    def _note(self, row: FloatArray, epoch: int, network: Network, loss: Loss) -> None:
        self._rows.append((epoch, row))
        self._last = network, loss
        if len(self._rows) > self.keep:
            self._rows, self._moments = self._rows[::2], self._moments[::2]
            self.every *= 2

    def _remembered(self, network: Network) -> Memory:
        if len(self._memory.closed) != network.n_nodes:
            self._memory, self._last_look = Memory.of(network.n_nodes), None
        return self._memory

    def _remember(self, samples: Samples) -> None:
        """The samples seen last, as many as a report needs."""
        self._recent.append(samples)
        while sum(len(x) for x, _, _ in self._recent[1:]) >= LATELY:
            del self._recent[0]

    # ---- telling ----

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
        network, loss = self._last
        found = diagnose(network, x, y, loss=loss, sample_weight=weight)
        died = self._memory.dead() & self._memory.opened.astype(bool) & found.signals.hidden
        if not died.any():
            return found
        return replace(found, findings=(units_died(found.signals, died, self._memory.step_of), *found.findings))

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is no finite number, as a word. `schema` says in which form."""
        return {"schema": SCHEMA, "every": self.every, "moments": [moment.to_dict() for moment in self.moments]}

    def __str__(self) -> str:
        names = ("weights", "gates", "interf.", "total dB", "open", "dead", "saturated", "update", "noise")
        lines = [f"{'step':>8}{'loss':>10}" + "".join(f"{name:>10}" for name in names)]
        for moment in _spread(self.moments):
            parts = "".join(f"{round(decibels, 1) + 0.0:>+10.1f}" for decibels in moment.total())
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
