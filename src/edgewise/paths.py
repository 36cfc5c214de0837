"""Paths: S(i,t) is the sum over all paths from i to t of the product of their edge derivatives (Bauer 1974)."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.names import Node
from edgewise.network import Network
from edgewise.plan import depth_to
from edgewise.results import BackwardPass


class Path(tuple[int, ...]):
    """A path from i to t: the tuple of its edge indices, empty when i is t."""

    nodes: tuple[int, ...]
    """The nodes on the way, i first and t last."""
    product: float | None
    """∏ z over its edges, where a backward pass was given."""

    def __new__(cls, network: Network, start: int, edges: tuple[int, ...], product: float | None = None) -> "Path":
        self = super().__new__(cls, edges)
        self.nodes = (start, *network.head[list(edges)].tolist()) if edges else (start,)
        self.product = product
        return self

    @property
    def edges(self) -> tuple[int, ...]:
        """The edge indices, as a plain tuple."""
        return tuple(self)

    def __repr__(self) -> str:
        product = "" if self.product is None else f", product={self.product:.6g}"
        return f"Path({' -> '.join(map(str, self.nodes))}{product})"


def _reaches(net: Network, t: int) -> NDArray[np.bool_]:
    """(N,) whether t can be reached from each node."""
    return depth_to(net.plan, net.head, np.array([t], np.int32)) >= 0


def _out_edges(net: Network, node: int) -> list[int]:
    plan = net.plan
    p = plan.position[node]
    return plan.out_edge[plan.out_start[p] : plan.out_start[p + 1]].tolist()


def count_paths(net: Network, i: Node, t: Node) -> int:
    """How many directed paths lead from i to t, exactly; parallel edges make paths of their own, i = t makes one."""
    start, end = net.node(i), net.node(t)
    on_the_way = _reaches(net, end)
    if not on_the_way[start]:
        return 0
    position = net.plan.position
    first, last = position[start], position[end]
    between = net.plan.order[first : last + 1]
    ways = {end: 1}
    heads = net.head.tolist()
    for node in between[::-1].tolist():
        if node != end and on_the_way[node]:
            ways[node] = sum(ways[heads[e]] for e in _out_edges(net, node) if on_the_way[heads[e]])
    return ways[start]


def iter_paths(net: Network, i: Node, t: Node) -> Iterator[Path]:
    """Every path from i to t, one after another, depth first in edge order; there may be very many."""
    start, end = net.node(i), net.node(t)
    on_the_way = _reaches(net, end)
    return _walk(net, start, end, on_the_way)


def _walk(net: Network, start: int, end: int, on_the_way: NDArray[np.bool_]) -> Iterator[Path]:
    if not on_the_way[start]:
        return
    if start == end:
        yield Path(net, start, ())
        return
    taken: list[int] = []
    ahead = [iter(_out_edges(net, start))]
    while ahead:
        edge = next(ahead[-1], None)
        if edge is None:
            ahead.pop()
            if taken:
                taken.pop()
            continue
        node = int(net.head[edge])
        if node == end:
            yield Path(net, start, (*taken, edge))
        elif on_the_way[node]:
            taken.append(edge)
            ahead.append(iter(_out_edges(net, node)))


@dataclass(frozen=True, slots=True)
class _Trail:
    """A partial path as its last edge and what came before: partial paths share their beginnings."""

    edge: int
    before: "_Trail | None"


def top_paths(net: Network, bwd: BackwardPass, i: Node, t: Node, k: int, sample: int = 0) -> list[Path]:
    """The k paths from i to t with the largest |∏z|, largest first; all of them if there are fewer.

    bwd : a pass over `net`, which supplies the edge derivatives of one sample; of a batch, `sample` says which.

    Best first: a partial path is ranked by what it has given up, in log|∏z|, against the best path from i; one sweep
    against the arcs finds what each arc gives up. That is exactly 0 along a best way on, so a partial path never
    falls behind by rounding, and of equals the longest is continued: no more than the paths returned, and the arcs
    that leave them, are looked at. Equal products come in a fixed order; products of 0 come last.

    Raises DataError for k < 1, a sample that is not there, or a derivative that is not finite.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise DataError(f"k must be a whole number ≥ 1, not {k!r}")
    start, end = net.node(i), net.node(t)
    z = _derivatives_of(net, bwd, sample)
    with np.errstate(divide="ignore"):
        gain = np.log(np.abs(z)).tolist()
    best = _best_gain(net, gain, start, end)
    on_the_way = _reaches(net, end)
    heads = net.head.tolist()
    found: list[Path] = []
    ticket = count(0, -1)  # falling: of equals, the last one met is continued first
    heap: list[tuple[float, int, int, _Trail | None]] = []
    if on_the_way[start]:
        heap.append((0.0, next(ticket), start, None))
    while heap and len(found) < k:
        given_up, _, node, trail = heapq.heappop(heap)
        if node == end:
            edges = _unwound(trail)
            found.append(Path(net, start, edges, _product(z[list(edges)].tolist())))
            continue
        for edge in reversed(_out_edges(net, node)):
            head = heads[edge]
            if on_the_way[head]:
                reachable = gain[edge] + best[head]
                loss = 0.0 if reachable == best[node] else best[node] - reachable  # also where both are -inf
                heapq.heappush(heap, (given_up + loss, next(ticket), head, _Trail(edge, trail)))
    return found


def _product(factors: list[float]) -> float:
    """The product, which neither overflows nor underflows on the way."""
    mantissa, exponent = 1.0, 0
    for factor in factors:
        mantissa, shift = math.frexp(mantissa * factor)
        exponent += shift
    try:
        return math.ldexp(mantissa, exponent)
    except OverflowError:
        return math.copysign(math.inf, mantissa)


def _unwound(trail: _Trail | None) -> tuple[int, ...]:
    edges: list[int] = []
    while trail is not None:
        edges.append(trail.edge)
        trail = trail.before
    return tuple(edges[::-1])


def _derivatives_of(net: Network, bwd: BackwardPass, sample: int) -> FloatArray:
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer):
        raise DataError(f"a sample is given by its index, not by {sample!r}")
    z = np.asarray(bwd.edge_derivative, np.float64)
    if z.shape[-1] != net.n_edges:
        raise DataError(f"the backward pass is over {z.shape[-1]} edges, the network has {net.n_edges}")
    if z.ndim == 2:
        if not 0 <= sample < len(z):
            raise DataError(f"there is no sample {sample}; the pass is over {len(z)}")
        z = z[sample]
    elif sample != 0:
        raise DataError(f"there is no sample {sample}; the pass is over one")
    bad = np.flatnonzero(~np.isfinite(z))
    if len(bad):
        e = int(bad[0])
        arc = f"{net.label(net.tail[e])} -> {net.label(net.head[e])}"
        raise DataError(f"the derivative of edge {e}, {arc}, is {z[e]}; paths cannot be ranked")
    return z


def _best_gain(net: Network, gain: list[float], start: int, end: int) -> list[float]:
    """log of the largest |∏z| from each node to `end`; −∞ where there is none or only zero."""
    position = net.plan.position
    best = [-math.inf] * net.n_nodes
    best[end] = 0.0
    heads = net.head.tolist()
    for node in net.plan.order[position[start] : position[end]][::-1].tolist():
        best[node] = max((gain[e] + best[heads[e]] for e in _out_edges(net, node)), default=-math.inf)
    return best
