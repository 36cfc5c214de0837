"""The gradient budget: how much of a sensitivity's size is the weights' doing, the gates', and interference's.

Beside S(i,t) = Σ_j S(j,t)·Φ′(s_j)·w_ij run two recursions of the same kind on squares, one with all gates open and one
with gates as they are:

    Q_w(i)²  = Σ_j w_ij²·Q_w(j)²
    Q_wg(i)² = Σ_j w_ij²·Φ′(s_j)²·Q_wg(j)²

from the squares of what S starts from. By Lemma 14 they are sums over paths too, of ∏w² and of ∏z². So for every node
and every sample

    |S(i,t)| = Q_w(i) × Q_wg(i)/Q_w(i) × |S(i,t)|/Q_wg(i)
             = weights × gates × interference,

and in decibels, 20·log₁₀, the three add. See docs/gradient-budget.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import engine as engines
from edgewise import losses, objective, samples
from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.plan import depth_to
from edgewise.results import BackwardQuantities

SCHEMA = 1
PARTS = ("weights_db", "gates_db", "interference_db", "total_db")


@dataclass(frozen=True, slots=True)
class Row:
    """What one level adds, in decibels; the three parts add up to the total."""

    level: int
    """d(i): arcs on the longest path from its nodes to the target"""
    n_nodes: int
    weights_db: float
    gates_db: float
    interference_db: float
    total_db: float
    name: str = ""
    """what else its place is known by"""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is infinite, as a word."""
        numbers = {name: value for name, value in asdict(self).items() if name != "name"}
        plain = {name: value if np.isfinite(value) else str(value) for name, value in numbers.items()}
        return plain | ({"name": self.name} if self.name else {})


def together(rows: Sequence[Row]) -> Row:
    """What several rows add up to; where one loses everything and a later one gains it back, neither counts."""
    parts = np.array([[getattr(row, part) for part in PARTS] for row in rows]).reshape(-1, len(PARTS))
    both = np.isneginf(parts).any(axis=0) & np.isposinf(parts).any(axis=0)
    weights, gates, interference, total = np.where(np.isinf(parts) & both, 0, parts).sum(axis=0).tolist()
    return Row(rows[-1].level if rows else 0, sum(row.n_nodes for row in rows), weights, gates, interference, total)


@dataclass(frozen=True)
class Budget:
    """What becomes of the gradient on its way from the target, or the loss, to every node.

    A level's gain is the root mean square over its nodes and all samples, of each of the three sizes; a row is what
    that gains over the level before, and the first row is measured from 1, which is S(t,t).
    """

    depth: NDArray[np.int32]
    """(N,) d(i), -1 for nodes from which no path leads to the target"""
    sensitivity: FloatArray
    """(B, N) S(i,t)"""
    weights: FloatArray
    """(B, N) Q_w"""
    gated: FloatArray
    """(B, N) Q_wg"""

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Level by level, the loss's or target's own first; they add up to `total`."""
        width = np.bincount(self.depth[self.depth >= 0]).tolist()
        return tuple(Row(level, width[level], w, g, i, t) for level, (w, g, i, t) in enumerate(self.gains.tolist()))

    @cached_property
    def gains(self) -> FloatArray:
        """(levels, 4) the numbers of `rows`: what each level adds in weights, gates, interference and total."""
        return gains_of(self.sizes)

    @cached_property
    def sizes(self) -> FloatArray:
        """(3, levels) root mean square of Q_w, Q_wg and S over each level's nodes and all samples."""
        there = np.flatnonzero(self.depth >= 0)
        order = there[np.argsort(self.depth[there], kind="stable")]
        start = np.searchsorted(self.depth[order], np.arange(int(self.depth.max(initial=-1)) + 1))
        count = np.append(start[1:], len(order)) - start
        size = np.stack([_root_mean_square(array) for array in self._arrays])[:, order].astype(np.float64)
        with np.errstate(all="ignore"):
            largest = np.maximum.reduceat(size, start, axis=1)
            scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
            squares = np.add.reduceat(np.square(size / np.repeat(scale, count, axis=1)), start, axis=1)
            found: FloatArray = np.sqrt(squares / count) * scale
        return found

    @property
    def total(self) -> Row:
        """From 1 to the last level."""
        weights, gates, interference, total = _reached(self.sizes)[-1].tolist()
        return Row(self.sizes.shape[1] - 1, int((self.depth >= 0).sum()), weights, gates, interference, total)

    @property
    def _arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.weights, self.gated, self.sensitivity

    def of_nodes(self) -> dict[str, FloatArray]:
        """(N,) `weights_db`, `gates_db`, `interference_db` and `total_db` of each node, root mean square over samples;
        NaN where no path leads to the target."""
        parts = np.stack(_parts(*(_root_mean_square(array) for array in self._arrays)))
        parts[:, self.depth < 0] = np.nan
        return dict(zip(PARTS, parts, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Rows and total as plain data, the same on every machine; `schema` says which."""
        return {"schema": SCHEMA, "rows": [row.to_dict() for row in self.rows], "total": self.total.to_dict()}

    def __str__(self) -> str:
        lines = [f"{'level':>8}{'nodes':>8}{'weights':>10}{'gates':>10}{'interf.':>10}{'total dB':>10}"]
        for name, row in [*((str(row.level), row) for row in self.rows), ("all", self.total)]:
            numbers = (row.weights_db, row.gates_db, row.interference_db, row.total_db)
            shown = "".join(f"{round(number, 1) + 0.0:>+10.1f}" for number in numbers)
            lines.append(f"{name:>8}{row.n_nodes:>8}{shown}")
        return "\n".join(lines)


def gradient_budget(
    net: Network,
    x: ArrayLike,
    target: int | str | None = None,
    *,
    y: ArrayLike | None = None,
    loss: str | losses.Loss | None = None,
    sample_weight: ArrayLike | None = None,
    engine: str | None = None,
    threads: int | None = None,
) -> Budget:
    """Both passes, and the two on squares, over a batch; always in float64, for squares leave float32 soon.

    x, target, y, loss, sample_weight, engine, threads : as for `Network.backprop`, one target or a loss.

    With a loss the first level is ∂J/∂o. Raises DataError for several targets and for data that do not fit.
    """
    exact = net.astype("float64", copy=False)
    array, _ = samples.read(exact, x)
    start, one_target = objective.read(exact, len(array), target, y, loss, sample_weight, None)
    if not one_target:
        raise DataError("a budget is of one target, or of a loss; give one after the other")
    return of_passes(exact, engines.backward(engine, exact, array, start, threads), start)


def of_passes(net: Network, passes: BackwardQuantities, start: objective.Objective) -> Budget:
    """The budget of both passes that have been run already, of one target or a loss."""
    weights, gated = (np.sqrt(passes.squared_sensitivity(open_gates=opened)[0]) for opened in (True, False))
    depth = net.depth if start.nodes is net.outputs else depth_to(net.plan, net.head, start.nodes)
    return Budget(depth, passes.sensitivity()[0], weights, gated)


def gains_of(sizes: FloatArray) -> FloatArray:
    """(levels, 4) what each level adds, in decibels, from `Budget.sizes` (3, levels)."""
    reached = _reached(sizes)
    with np.errstate(invalid="ignore"):  # nothing less nothing, which is made 0
        gain: FloatArray = np.diff(reached, axis=0, prepend=0)
    gain[1:][reached[1:] == reached[:-1]] = 0
    return gain


def _reached(sizes: FloatArray) -> FloatArray:
    """(levels, 4) from 1 to each level."""
    return np.column_stack(_parts(*sizes))


def _root_mean_square(array: FloatArray) -> FloatArray:
    """(N,) over the samples (B, N), without leaving the range of numbers on the way."""
    with np.errstate(all="ignore"):
        largest = np.maximum(array.max(axis=0), -array.min(axis=0))
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
        scaled = array / scale
        mean: FloatArray = np.sqrt(np.einsum("bn,bn->n", scaled, scaled) / len(array)) * scale
    return mean


def _parts(weights: FloatArray, gated: FloatArray, size: FloatArray) -> tuple[FloatArray, ...]:
    """In decibels: weights, gates, interference, total. What comes to nothing does so by the first that makes it so: a
    part is -inf dB there, and those after it 0."""
    with np.errstate(all="ignore"):
        w, g, s = (20 * np.log10(size) for size in (weights, gated, size))
        gates = np.where(weights == 0, 0, g - w)
        interference = np.where(gated == 0, 0, s - g)
        return w, gates, interference, np.where(size == 0, -np.inf, w + gates + interference)
