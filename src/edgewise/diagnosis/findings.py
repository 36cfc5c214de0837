"""What a network's numbers say is wrong: each finding from the signals of one batch, with evidence and cause.

A finding says what was measured and no more. Words are in `edgewise.diagnosis.prose`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import gates
from edgewise.arrays import FloatArray
from edgewise.diagnosis.budget import Budget
from edgewise.network import Network

Cause = Literal["gates", "weights", "interference", "data", "structure", "unknown"]

FADED_DB = -40.0
"""A step along the gradient lowers the loss by η·Σ‖∂J/∂w‖², each level's share being its own sum of squares. A level
whose sensitivities lie 40 dB below another's has a ten-thousandth of its share: with one learning rate it stands still.
"""
MOSTLY = 0.95
"""of the samples: a unit is saturated if its gate is nearly closed on so many"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or is as it should not stay."""

    code: str
    cause: Cause
    severity: Literal["error", "warning"]
    levels: tuple[int, ...]
    """d(i) of where it is"""
    nodes: tuple[int, ...]
    evidence: Mapping[str, float]
    """the numbers it rests on"""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is infinite, as a word."""
        evidence = {name: number if np.isfinite(number) else str(number) for name, number in self.evidence.items()}
        return asdict(self) | {"evidence": evidence}


@dataclass(frozen=True, slots=True)
class Signals:
    """What findings are made of, (B, N) each: one batch's values, gates and sensitivities."""

    network: Network
    value: FloatArray
    gate: FloatArray
    budget: Budget

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """(N,) neurons on a way from the inputs to the target that are not outputs."""
        found = ~self.network.is_input & (self.budget.depth > 0)
        found[self.network.outputs] = False
        return found


def find(signals: Signals) -> tuple[Finding, ...]:
    """All findings, those of numbers that are none alone if there are any."""
    broken = tuple(_not_finite(signals))
    if broken:
        return broken
    return tuple(finding for look in _LOOKS for finding in look(signals))


def _at(signals: Signals, nodes: NDArray[np.bool_]) -> dict[str, Any]:
    """Where these nodes are, as a finding has it."""
    levels = np.unique(signals.budget.depth[nodes])
    return {"levels": tuple(levels[levels >= 0].tolist()), "nodes": tuple(np.flatnonzero(nodes).tolist())}


def _not_finite(signals: Signals) -> Iterator[Finding]:
    """The first node, in forward order, whose value is none; or else the last whose sensitivity is none."""
    order = signals.network.plan.order
    for what, array, ranked in (
        ("value", signals.value, order),
        ("sensitivity", signals.budget.sensitivity, order[::-1]),
    ):
        bad = ~np.isfinite(array)[:, ranked]
        if bad.any():
            node = np.zeros(signals.network.n_nodes, np.bool_)
            node[ranked[int(np.argmax(bad.any(axis=0)))]] = True
            samples = int((~np.isfinite(array[:, node])).sum())
            where = _at(signals, node)
            yield Finding(f"not_finite_{what}", "unknown", "error", **where, evidence={"samples": samples})
            return


def _gradient(signals: Signals) -> Iterator[Finding]:
    """From the loss's own level to the last one: does it vanish, or explode, and through what?"""
    others = signals.budget.rows[1:]
    if not others:
        return
    parts = {name: sum(getattr(row, f"{name}_db") for row in others) for name in ("weights", "gates", "interference")}
    total = sum(row.total_db for row in others)
    if np.isnan(total) or FADED_DB < total < -FADED_DB:
        return
    code, sign = ("vanishing_gradient", 1) if total < 0 else ("exploding_gradient", -1)
    cause: Any = min(parts, key=lambda name: sign * parts[name])
    worst = min(others, key=lambda row: sign * getattr(row, f"{cause}_db"))
    evidence = {f"{name}_db": float(part) for name, part in parts.items()} | {"total_db": float(total)}
    levels = tuple(
        row.level for row in others if sign * getattr(row, f"{cause}_db") <= sign * getattr(worst, f"{cause}_db") / 2
    )
    yield Finding(code, cause, "error", levels, (), evidence)


def _dead(signals: Signals) -> Iterator[Finding]:
    """Gates that are 0 on every sample: nothing that leads there learns."""
    dead = signals.hidden & (signals.gate == 0).all(axis=0)
    if dead.any():
        share = float(dead.sum() / signals.hidden.sum())
        evidence = {"units": int(dead.sum()), "share": share, "samples": len(signals.gate)}
        yield Finding(
            "dead_units", "gates", "error" if share > 0.5 else "warning", **_at(signals, dead), evidence=evidence
        )


def _saturated(signals: Signals) -> Iterator[Finding]:
    """Gates that are nearly closed on nearly all samples, and not 0 on all."""
    closed = gates.closed(signals.network, signals.gate)
    often = closed.mean(axis=0)
    saturated = signals.hidden & (often >= MOSTLY) & (signals.gate != 0).any(axis=0)
    if saturated.any():
        share = float(saturated.sum() / signals.hidden.sum())
        evidence = {"units": int(saturated.sum()), "share": share, "closed": float(often[saturated].mean())}
        severity: Any = "error" if share > 0.5 else "warning"
        yield Finding("saturated_units", "gates", severity, **_at(signals, saturated), evidence=evidence)


def _constant(signals: Signals) -> Iterator[Finding]:
    """Inputs and units that say the same of every sample."""
    if len(signals.value) < 2:
        return
    same = (signals.value == signals.value[0]).all(axis=0) & (signals.budget.depth >= 0)
    inputs = same & signals.network.is_input
    if inputs.any():
        evidence = {"inputs": int(inputs.sum())}
        yield Finding("constant_inputs", "data", "warning", **_at(signals, inputs), evidence=evidence)
    units = same & signals.hidden & ~(signals.gate == 0).all(axis=0)
    if units.any():
        evidence = {"units": int(units.sum())}
        yield Finding("constant_units", "weights", "warning", **_at(signals, units), evidence=evidence)


def _scales(signals: Signals) -> Iterator[Finding]:
    """Inputs whose spread differs a hundredfold: so do the gradients of their weights."""
    inputs = signals.network.inputs
    spread = signals.value[:, inputs].std(axis=0)
    spread = spread[spread > 0]
    if len(spread) > 1 and spread.max() >= 100 * spread.min():
        chosen = signals.network.is_input.copy()
        evidence = {"largest": float(spread.max()), "smallest": float(spread.min())}
        yield Finding("input_scales", "data", "warning", **_at(signals, chosen), evidence=evidence)


def _twins(signals: Signals) -> Iterator[Finding]:
    """Units with the same values and the same sensitivities on every sample: their weights will stay equal."""
    chosen = np.flatnonzero(signals.hidden & ~(signals.gate == 0).all(axis=0))
    if len(chosen) < 2:
        return
    columns = np.concatenate([signals.value[:, chosen], signals.budget.sensitivity[:, chosen]])
    _, group, size = np.unique(columns, axis=1, return_inverse=True, return_counts=True)
    several = size[group.reshape(-1)] > 1
    if several.any():
        twins = np.zeros(signals.network.n_nodes, np.bool_)
        twins[chosen[several]] = True
        evidence = {"units": int(several.sum()), "different": int((size > 1).sum())}
        yield Finding("symmetric_units", "weights", "error", **_at(signals, twins), evidence=evidence)


def _unreached(signals: Signals) -> Iterator[Finding]:
    """Neurons from which no path leads to the target, and those that none reaches from an input."""
    network, depth = signals.network, signals.budget.depth
    blind = ~network.is_input & (depth < 0)
    if blind.any():
        nodes = tuple(np.flatnonzero(blind).tolist())
        yield Finding("no_path_to_target", "structure", "warning", (), nodes, {"units": len(nodes)})
    fed = network.is_input.copy()
    for e in network.plan.out_edge.tolist():  # tails come in forward order
        fed[network.head[e]] |= fed[network.tail[e]]
    unfed = ~fed & (depth >= 0)
    if unfed.any():
        evidence = {"units": int(unfed.sum())}
        yield Finding("no_path_from_inputs", "structure", "warning", **_at(signals, unfed), evidence=evidence)


_LOOKS: tuple[Callable[[Signals], Iterator[Finding]], ...] = (
    *(_gradient, _dead, _saturated, _twins, _constant, _scales, _unreached),
)
