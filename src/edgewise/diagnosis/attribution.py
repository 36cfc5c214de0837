"""Who carries the gradient: the share of every node, edge and path in the energy of all paths from the inputs.

By Lemma 14 a sensitivity is a sum over paths of ∏z, and Q_wg² of `diagnosis.budget` the sum of ∏z². A path's energy is
this square. What goes through a node is everything that leads to it times everything that leads on from it,

    energy(i) = P(i)²·Q_wg(i)²,   P(j)² = Σ_i z(i,j)²·P(i)²,   P = 1 at the inputs,

and through an edge P(i)²·z(i,j)²·Q_wg(j)². Every path crosses a cut of the graph once, so the shares of a cut sum to 1.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from edgewise import engine as engines
from edgewise import losses, objective, samples
from edgewise.arrays import FloatArray, IntArray
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.paths import Path

SCHEMA = 1
NUMBERS_AT_ONCE = 1 << 23
"""Edge derivatives held at a time, one for each sample and edge."""
STEPS = 20_000
"""Partial paths that a search for the strongest looks at before it gives up."""


@dataclass(frozen=True, slots=True)
class PathShare:
    """One path from an input to the target, and its share in the energy of all."""

    path: Path
    share: float


@dataclass(frozen=True)
class Attribution:
    """Shares in the path energy of all samples together; 0 everywhere if no path passes anything."""

    network: Network
    energy: float
    """Σ over samples and paths of ∏z², each from an input to the target"""
    node_share: FloatArray
    """(N,)"""
    edge_share: FloatArray
    """(E,)"""
    paths: tuple[PathShare, ...]
    """The strongest, largest share first. Fewer than asked for if there are fewer, or if no more could be proven to be
    the next within a bounded search."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `schema` says in which form."""
        return {
            "schema": SCHEMA,
            "energy": self.energy,
            "node_share": self.node_share.tolist(),
            "edge_share": self.edge_share.tolist(),
            "paths": [{"edges": list(p.path.edges), "nodes": list(p.path.nodes), "share": p.share} for p in self.paths],
        }

    def __str__(self) -> str:
        names = self.network.names
        return "\n".join(f"{p.share:7.2%}  {' -> '.join(names[j] for j in p.path.nodes)}" for p in self.paths)


def attribute(
    net: Network,
    x: samples.Samples,
    target: int | str | None = None,
    *,
    y: ArrayLike | None = None,
    loss: str | losses.Loss | None = None,
    sample_weight: ArrayLike | None = None,
    of: Literal["gradient", "output"] = "gradient",
    k: int = 10,
    engine: str | None = None,
    threads: int | None = None,
) -> Attribution:
    """The shares of nodes and edges in the path energy, and the k strongest paths from any input to the target.

    x, target, y, loss, sample_weight, engine, threads : as for `Network.backprop`, one target or a loss. One sample,
        the samples of a class, or a whole data set: energies are summed over those that are given.
    of : "gradient" begins every path with 1, as ∂y(t)/∂x does; "output" with the input's value, as the terms
        x·∂y(t)/∂x do, by which the inputs make up the output.
    k : how many paths; 0 for none.

    Raises DataError for several targets, a derivative that is not finite, or data that do not fit.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
        raise DataError(f"k must be a whole number ≥ 0, not {k!r}")
    if of not in ("gradient", "output"):
        raise DataError(f"of must be 'gradient' or 'output', not {of!r}")
    exact = net.astype("float64", copy=False)
    array, _ = samples.read(exact, x)
    start, one_target = objective.read(exact, len(array), target, y, loss, sample_weight, None)
    if not one_target:
        raise DataError("an attribution is to one target, or to a loss; give one after the other")
    if k and len(array) * net.n_edges > 16 * NUMBERS_AT_ONCE:
        raise DataError(
            f"{len(array)} samples of {net.n_edges} edges are too many to look for paths; give fewer, or k=0"
        )
    begin = np.square(array) if of == "output" else np.ones_like(array)
    energy, node, edge = 0.0, np.zeros(net.n_nodes), np.zeros(net.n_edges)
    squares: list[FloatArray] = []
    for rows, of_rows in _in_parts(exact, array, start):
        found = _energies(exact, array[rows], of_rows, begin[rows], engine, threads)
        node += found.node
        edge += found.edge
        energy += found.total
        if k:
            squares.append(found.z)
    if not (np.isfinite(energy) and np.isfinite(node).all() and np.isfinite(edge).all()):
        raise DataError("a derivative is not finite, or its square: no share can be told; see edgewise.diagnose")
    paths: tuple[PathShare, ...] = ()
    if energy > 0:
        node, edge = node / energy, edge / energy
        if k:
            ends = _ends(exact, array, start, engine, threads)
            paths = tuple(_strongest(exact, np.concatenate(squares, axis=1), begin.T, ends, energy, int(k)))
    return Attribution(net, energy, node, edge, paths)


def node_shares(net: Network, x: FloatArray, start: objective.Objective) -> FloatArray:
    """(N,) the share of each node in the gradient's path energy, of a network in float64; NaN if it is not finite."""
    energy, node = 0.0, np.zeros(net.n_nodes)
    for rows, of_rows in _in_parts(net, x, start):
        found = _energies(net, x[rows], of_rows, np.ones_like(x[rows]), None, None)
        node += found.node
        energy += found.total
    with np.errstate(all="ignore"):
        return node / energy if energy else np.zeros(net.n_nodes)


@dataclass(frozen=True, slots=True)
class _Energies:
    """Summed over samples."""

    total: float
    node: FloatArray
    edge: FloatArray
    z: FloatArray
    """(E, B) z², not summed"""


def _energies(
    net: Network,
    x: FloatArray,
    start: objective.Objective,
    begin: FloatArray,
    engine: str | None,
    threads: int | None,
) -> _Energies:
    """begin : (B, n_inputs) P² at the inputs."""
    passes = engines.backward(engine, net, x, start, threads)
    with np.errstate(all="ignore"):
        z = np.square(passes.edge_derivative().T)
        onward = passes.squared_sensitivity(open_gates=False)[0].T
        led = np.zeros((net.n_nodes, len(x)))
        led[net.inputs] = begin.T
        for arcs in _by_level(net):
            heads, first = np.unique(net.head[arcs], return_index=True)
            in_order = np.argsort(first)  # in-arcs of a head stand together, heads in the plan's order
            led[heads[in_order]] = np.add.reduceat(z[arcs] * led[net.tail[arcs]], first[in_order], axis=0)
        edge = np.einsum("eb,eb,eb->e", led[net.tail], z, onward[net.head])
        total = float((led[net.inputs] * onward[net.inputs]).sum())
        return _Energies(total, (led * onward).sum(axis=1), edge, z)


def _by_level(net: Network) -> Iterator[IntArray]:
    """The in-arcs of each level's nodes, by head."""
    plan = net.plan
    for first, last in pairwise(plan.in_start[plan.level_start].tolist()):
        if first < last:
            yield plan.in_edge[first:last]


def _in_parts(net: Network, x: FloatArray, start: objective.Objective) -> Iterator[tuple[slice, objective.Objective]]:
    """So many samples at a time that their edge derivatives fit."""
    size = max(1, NUMBERS_AT_ONCE // max(net.n_edges, 1))
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield rows, start.of_rows(rows)


def _ends(
    net: Network, x: FloatArray, start: objective.Objective, engine: str | None, threads: int | None
) -> FloatArray:
    """(N, B) the square of what each node begins backpropagation with: where paths end, and with how much."""
    value = np.ascontiguousarray(engines.forward(engine, net, x, threads).value().T)
    ends = np.zeros(value.shape)
    ends[start.nodes] = np.square(start.seed(value[start.nodes]).sensitivity[0])
    return ends


def _strongest(
    net: Network, z: FloatArray, begin: FloatArray, ends: FloatArray, energy: float, k: int
) -> Iterator[PathShare]:
    """Best first. z (E, B), begin (n_inputs, B) and ends (N, B) are squares, those of each sample.

    A partial path is ranked by Σ over samples of its own energy times that of the best way on. The best way on differs
    from sample to sample, so this is never less than any continuation has: what comes out first is the strongest.
    """
    best = _best_way_on(net, z, ends)
    ticket = count(0, -1)  # of equals, the last one met is continued first
    source = {node: row for row, node in enumerate(net.inputs.tolist())}
    # (-bound, ticket, node or -1 where the path ends, its input, its edges as the last and those before)
    heap: list[tuple[float, int, int, int, Any]] = []

    def offer(bound: float, node: int, begun: int, trail: Any) -> None:
        if bound > 0:
            heapq.heappush(heap, (-bound, next(ticket), node, begun, trail))

    for node in source:
        offer(float((begin[source[node]] * best[node]).sum()), node, node, None)
    found = 0
    for _ in range(STEPS):
        if not heap or found == k:
            return
        bound, _, node, begun, trail = heapq.heappop(heap)
        edges = _unwound(trail)
        if node < 0:
            found += 1
            yield PathShare(Path(net, begun, edges), -bound / energy)
            continue
        own = begin[source[begun]] * z[list(edges)].prod(axis=0)
        offer(float((own * ends[node]).sum()), -1, begun, trail)
        arcs = _out_arcs(net, node)
        bounds = np.einsum("b,eb,eb->e", own, z[arcs], best[net.head[arcs]])
        for edge, head, reachable in zip(arcs.tolist(), net.head[arcs].tolist(), bounds.tolist(), strict=True):
            offer(reachable, head, begun, (edge, trail))


def _best_way_on(net: Network, z: FloatArray, ends: FloatArray) -> FloatArray:
    """(N, B) the largest energy of a path from each node to where it may end, for each sample."""
    best = ends.copy()
    for node in net.plan.order[::-1].tolist():
        arcs = _out_arcs(net, node)
        if len(arcs):
            np.maximum(best[node], (z[arcs] * best[net.head[arcs]]).max(axis=0), out=best[node])
    return best


def _out_arcs(net: Network, node: int) -> IntArray:
    plan = net.plan
    p = plan.position[node]
    return plan.out_edge[plan.out_start[p] : plan.out_start[p + 1]]


def _unwound(trail: Any) -> tuple[int, ...]:
    edges: list[int] = []
    while trail is not None:
        edge, trail = trail
        edges.append(edge)
    return tuple(edges[::-1])
