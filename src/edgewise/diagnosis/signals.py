"""What findings rest on: the signals of one batch, with the samples reduced away.

One number, or one yes or no, for each unit and each level. So they take the room of a network, not of a batch, and may
come from a network of neurons or from anything else that has gates and weights between them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import activations, gates, losses, objective, samples
from edgewise import engine as engines
from edgewise.arrays import FloatArray
from edgewise.diagnosis import budget
from edgewise.diagnosis.attribution import node_shares
from edgewise.diagnosis.budget import Budget, Row
from edgewise.network import Network
from edgewise.plan import reached_from
from edgewise.results import BackwardQuantities

Bools = NDArray[np.bool_]
ARCS_TIMES_SAMPLES = 1 << 22
"""So many edge derivatives are looked at for a bottleneck, of fewer samples if the network is large."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first number that is none."""

    what: Literal["value", "sensitivity"]
    unit: int
    n_samples: int
    cause: Literal["data", "weights", "gates", "unknown"]
    """data: an input; weights: sums that leave the range of numbers; gates: an activation that is not defined there, or
    whose gate is infinite"""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the loss stands, beside the best that outputs can do that are the same for every sample."""

    loss: float
    chance: float
    outputs: float
    """root mean square of the outputs"""
    targets: float | None
    """root mean square of the targets where they are numbers like the outputs"""


@dataclass(frozen=True, slots=True)
class RecurrentGate:
    """One activation of a recurrent layer, over all steps."""

    name: str
    activation: str
    gain_db: float
    """S⁻ beside S⁺, root mean squares"""
    closed: float
    """the share of units, samples and steps for which it is nearly closed"""
    mean: float
    """of its values"""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A layer that reads its own state of the step before: what becomes of the gradient on its way back in time.

    The gradient is what arrives at the last step at which any does, and that alone.
    """

    name: str
    level: int
    """what the layer reads"""
    steps: int
    """of the longest sequence"""
    read: int
    """how many of them lie before the last at which a gradient arrives, and that one"""
    rows: tuple[Row, ...]
    """one for each step back; those after nothing is left are missing"""
    gates: tuple[RecurrentGate, ...]
    kind: Literal["RNN", "LSTM", "GRU"] = "RNN"

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is infinite, as a word."""
        whole = budget.together(self.rows).to_dict()
        gates = [
            {
                name: number if not isinstance(number, float) or np.isfinite(number) else str(number)
                for name, number in asdict(gate).items()
            }
            for gate in self.gates
        ]
        return {
            "name": self.name,
            "kind": self.kind,
            "steps": self.steps,
            "read": self.read,
            **{part: whole[part] for part in budget.PARTS},
            "rows": [row.to_dict() for row in self.rows],
            "gates": gates,
        }

    def reach(self, decibels: float) -> int:
        """How many steps back the gradient still has more than so many decibels below what it had."""
        kept = np.flatnonzero(np.cumsum([row.total_db for row in self.rows]) > -decibels)
        return int(kept[-1]) + 1 if len(kept) else 0


@dataclass(frozen=True, slots=True)
class Signals:
    """Of N units, in forward order wherever an order matters; n_samples of a batch have been seen."""

    names: Sequence[str]
    n_samples: int
    level: NDArray[np.int32]
    """(N,) d(i), arcs to the loss, -1 where no path leads to it"""
    is_input: Bools
    hidden: Bools
    """(N,) neurons on a way to the loss that are not outputs"""
    rows: tuple[Row, ...]
    """the gradient budget, the loss's own level first"""
    closed: FloatArray
    """(N,) the share of samples for which the gate is nearly closed, see `edgewise.gates`"""
    open: Bools
    """(N,) whether the gate is other than 0 for any sample; a gate that is 0 by rounding alone counts as other"""
    squashing: Bools
    """(N,) whether the activation's values are bounded on both sides, so that large sums of either sign close it"""
    varies: Bools
    """(N,) whether the value differs between samples"""
    size: FloatArray
    """(N,) root mean square of the values that are not 0"""
    offset: FloatArray
    """(N,) |mean| of the values beside their standard deviation; 0 where most are 0"""
    stirred: Bools
    """(N,) whether anything that varies arrives: an input, or an in-arc with a weight other than 0 from what varies"""
    fan_in: FloatArray
    """(N,) root of the sum of squares of the weights on a unit's in-arcs; NaN where it has none"""
    twin: NDArray[np.int64]
    """(N,) the first unit that has the same values and the same sensitivities for every sample, or the unit itself"""
    spread_db: float = 0.0
    """standard deviation over units of one level of what arrives there, in decibels"""
    broken: Broken | None = None
    fed: Bools | None = None
    """(N,) whether a path leads there from an input"""
    passed_over: Bools | None = None
    """(levels,) whether an arc over several levels leads past the weights between a level and the one before it"""
    frozen: Bools | None = None
    """(levels,) whether the weights between a level and the one before it take no part in training"""
    share: FloatArray | None = None
    """(N,) share in the energy of all paths from the inputs to the loss"""
    start: Start | None = None
    mismatch: str | None = None
    """in words, why the outputs' activation cannot give what the loss reads, or the targets ask for"""
    mixed: Bools | None = None
    """(levels,) whether between a level and the one before it lies what is neither weights nor gates: attention, or the
    products and sums over time of a recurrent layer"""
    learning: FloatArray | None = None
    """(levels,) norm of the gradient of the weights between a level and the one before it, NaN where it is not known"""
    recurrences: tuple[Recurrence, ...] = ()

    def width(self, level: int) -> int:
        """How many units a level has."""
        return int((self.level == level).sum())


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples with what is wanted of them, and how the passes are to be run."""

    x: FloatArray
    """(B, n_inputs) in float64"""
    y: NDArray[Any]
    loss: losses.Loss
    sample_weight: NDArray[Any] | None
    engine: str | None
    threads: int | None

    def first(self, n: int) -> "Batch":
        """The first n samples."""
        weight = None if self.sample_weight is None else self.sample_weight[:n]
        return replace(self, x=self.x[:n], y=self.y[:n], sample_weight=weight)


def read(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    loss: str | losses.Loss,
    sample_weight: ArrayLike | None,
    engine: str | None,
    threads: int | None,
) -> Batch:
    """What a caller hands in, checked. Raises DataError for data that do not fit."""
    array, _ = samples.read(net.astype("float64", copy=False), x)
    start, _ = objective.read(net, len(array), None, y, loss, sample_weight, None)
    assert isinstance(start, objective.LossTarget)
    return Batch(array, start.y, start.loss, start.sample_weight, engine, threads)


def measure(net: Network, batch: Batch) -> tuple[Signals, Budget]:
    """The signals and the whole budget of one batch, in float64."""
    exact = net.astype("float64", copy=False)
    start, _ = objective.read(exact, len(batch.x), None, batch.y, batch.loss, batch.sample_weight, None)
    assert isinstance(start, objective.LossTarget)
    passes = engines.backward(batch.engine, exact, batch.x, start, batch.threads)
    found = budget.of_passes(exact, passes, start)
    value, gate = passes.value(), passes.gate()
    with np.errstate(all="ignore"):
        return _reduced(exact, start, passes, found, value, gate), found


def _reduced(
    net: Network,
    start: objective.LossTarget,
    passes: BackwardQuantities,
    found: Budget,
    value: FloatArray,
    gate: FloatArray,
) -> Signals:
    hidden = ~net.is_input & (found.depth > 0)
    hidden[net.outputs] = False
    broken = _broken(net, passes, value, gate, found.sensitivity)
    square = np.bincount(net.head, np.square(net.weight), net.n_nodes)
    varies = (value != value[0]).any(axis=0)
    stirred = net.is_input.copy()
    stirred[net.head[(net.weight != 0) & varies[net.tail]]] = True
    squashing, rounded = bounded(net)
    fan_in = np.where(np.bincount(net.head, minlength=net.n_nodes), np.abs(net.response) * np.sqrt(square), np.nan)
    return Signals(
        names=net.names,
        n_samples=len(value),
        level=found.depth,
        is_input=net.is_input,
        hidden=hidden,
        rows=found.rows,
        closed=gates.closed(net, gate).mean(axis=0),
        open=(gate != 0).any(axis=0) | rounded,
        squashing=squashing,
        varies=varies,
        stirred=stirred,
        size=size(value),
        offset=offset(value),
        fan_in=fan_in,
        twin=first_alike(value, found.sensitivity),
        spread_db=_spread(found),
        broken=broken,
        fed=reached_from(net.plan, net.tail, net.head, net.inputs),
        passed_over=_passed_over(net, found.depth),
        share=None if broken else _shares(net, value, start),
        start=_start(start, passes, value[:, net.outputs]),
        mismatch=mismatch(net, start),
    )


def bounded(net: Network) -> tuple[Bools, Bools]:
    """(N,) whose activation is bounded on both sides; and whose gate is then 0 by rounding alone, having no kinks."""
    rows = [activations.get(name) for name in net.activation_names]
    squashing = np.array([row.bounded for row in rows])
    rounded = np.array([row.rounds_to_closed for row in rows])
    return squashing[net.activation_code], rounded[net.activation_code]


def size(value: FloatArray) -> FloatArray:
    """(N,) root mean square over those of the samples (B, N) for which a value is not 0."""
    some = np.maximum((value != 0).sum(axis=0), 1)
    rms: FloatArray = np.sqrt(np.square(value).sum(axis=0) / some)
    return rms


def offset(value: FloatArray) -> FloatArray:
    """(N,) |mean| by the standard deviation, of values (B, N); 0 where most of them are 0, or all are the same."""
    mean, deviation = np.abs(value.mean(axis=0)), value.std(axis=0)
    told = (deviation > 0) & ((value != 0).mean(axis=0) > 0.5)
    apart: FloatArray = np.where(told, mean / np.where(told, deviation, 1), 0)
    return apart


def first_alike(*arrays: FloatArray) -> NDArray[np.int64]:
    """(N,) for each column of arrays (B, N) the first that has the same bits in all of them."""
    code = np.zeros(arrays[0].shape[1], np.uint64)
    multiplier = np.random.default_rng(0)
    for array in arrays:
        bits = (np.asarray(array, np.float64) + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
        odd = multiplier.integers(0, 2**63, (len(bits), 1), np.uint64) * np.uint64(2) + np.uint64(1)
        code += (bits * odd + (bits >> np.uint64(32)) * (odd >> np.uint64(7))).sum(axis=0, dtype=np.uint64)
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return first[group.reshape(-1)]


def _broken(
    net: Network, passes: BackwardQuantities, value: FloatArray, gate: FloatArray, sensitivity: FloatArray
) -> Broken | None:
    """The first node, in forward order, whose value is none; or else the first on the way back whose sensitivity is."""
    order = net.plan.order
    for what, array, ranked in (("value", value, order), ("sensitivity", sensitivity, order[::-1])):
        bad = np.any(~np.isfinite(array), axis=0)[ranked]
        if not bad.any():
            continue
        unit = int(ranked[int(np.argmax(bad))])
        which = ~np.isfinite(array[:, unit])
        cause: Literal["data", "weights", "gates", "unknown"] = "unknown"
        if what == "value":
            summed = passes.preactivation()[which, unit]
            cause = "data" if net.is_input[unit] else "gates" if np.isfinite(summed).all() else "weights"
        else:
            heads = net.head[net.tail == unit]
            cause = "weights" if np.isfinite(gate[which][:, heads]).all() else "gates"
        return Broken("value" if what == "value" else "sensitivity", unit, int(which.sum()), cause)
    return None


def _spread(found: Budget) -> float:
    """Root mean square over levels of the deviation of the units' totals within a level."""
    total = found.of_nodes()["total_db"]
    within = [total[(found.depth == row.level) & np.isfinite(total)] for row in found.rows[1:]]
    variances = [float(of_level.var()) for of_level in within if len(of_level) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


def _passed_over(net: Network, depth: NDArray[np.int32]) -> Bools:
    """Of the weights between level l-1 and level l: whether an arc leads past them, from level l or farther."""
    n_levels = int(depth.max(initial=0)) + 1
    tail, head = depth[net.tail], depth[net.head]
    long = (head >= 0) & (tail - head > 1)
    steps = np.zeros(n_levels + 1, np.int64)
    np.add.at(steps, head[long] + 1, 1)
    np.add.at(steps, tail[long] + 1, -1)
    return np.cumsum(steps)[:n_levels] > 0


def _shares(net: Network, value: FloatArray, start: objective.LossTarget) -> FloatArray:
    n = min(len(value), 1 + ARCS_TIMES_SAMPLES // max(net.n_edges, 1))
    return node_shares(net, np.ascontiguousarray(value[:n, net.inputs]), start.of_rows(slice(n)))


def _start(start: objective.LossTarget, passes: BackwardQuantities, output: FloatArray) -> Start | None:
    per_sample = passes.loss_per_sample()
    if per_sample is None:
        return None
    weight = start.weight_sum(len(output))
    targets = float(np.sqrt(np.square(start.y).mean())) if start.loss.labels == "real" else None
    outputs = float(np.sqrt(np.square(output).mean()))
    chance = start.loss.value(_constant(start, output.shape), start.y)
    if start.sample_weight is not None:
        chance = chance * start.sample_weight
    return Start(float(per_sample.sum()) / weight, float(chance.sum()) / weight, outputs, targets)


def _constant(start: objective.LossTarget, shape: tuple[int, int]) -> FloatArray:
    """(B, K) the best outputs that are the same for every sample: means, or the logits of how often a class is met."""
    labels, weight = start.loss.labels, start.sample_weight
    if labels == "index":
        often = np.bincount(start.y, weight, shape[1]) + 1 / shape[1]
        return np.broadcast_to(np.log(often / often.sum()), shape)
    mean = np.average(start.y, axis=0, weights=weight)
    if labels == "binary":
        share = np.clip(mean, 1e-9, 1 - 1e-9)
        mean = np.log(share / (1 - share))
    return np.broadcast_to(np.sign(mean) if labels == "sign" else mean, shape)


def mismatch(net: Network, start: objective.LossTarget) -> str | None:
    """Why the outputs cannot be what the loss reads, or the targets ask for; None if they can."""
    names = sorted({net.activations[j] for j in net.outputs.tolist()})
    ranges = [activations.get(name).range for name in names]
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    shown = " and ".join(names)
    if start.loss.name in ("cross_entropy", "binary_cross_entropy"):
        return no_logits(start.loss.name, shown, low, high)
    if start.loss.labels == "real" and start.y.size:
        return out_of_reach(float(start.y.min()), float(start.y.max()), shown, low, high)
    return None


def no_logits(loss: str, activation: str, low: float, high: float) -> str | None:
    """That outputs from low to high are not what a loss reads as logits; None if they may be."""
    if not np.isfinite([low, high]).all():
        return None
    return f"{loss} reads logits, which may be any number, and {activation} gives {low:.3g} to {high:.3g}"


def out_of_reach(least: float, most: float, activation: str, low: float, high: float) -> str | None:
    """That targets from least to most are none that outputs from low to high can be; None if they are."""
    if low <= least and most <= high:
        return None
    return f"targets reach from {least:.3g} to {most:.3g}, and {activation} only from {low:.3g} to {high:.3g}"
