"""From a graph with cycles to a network: arcs are dropped, or components become nodes, or time is unrolled.

Everything is done on arrays, in time linear in nodes and arcs, but for a heap in the search for arcs to drop.
"""

import heapq
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import formats
from edgewise.arrays import MAX_INDEX, IntArray
from edgewise.description import Description, plain
from edgewise.errors import GraphError
from edgewise.interop import adjacency, networkx
from edgewise.network import Network
from edgewise.plan import group_by, make_plan

BoolArray = NDArray[np.bool_]
MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A network made of a graph with cycles, and what became of the graph's nodes and arcs."""

    network: Network
    node: IntArray
    """(N,) for each node of the network, the index of the graph's node that it is, or is a copy of, or stands for"""
    edge: IntArray
    """(E,) for each edge of the network, the index of the graph's arc that it is, or is a copy of"""
    dropped: IntArray
    """Indices of the graph's arcs that have no edge in the network, in rising order."""
    component: IntArray
    """The number of the strongly connected component of each node of the graph; on a cycle stand nodes whose component
    has several, or with an arc to themselves."""


def feed_forward(
    graph: Any,
    method: Literal["drop", "condense", "unroll"] = "drop",
    *,
    by: Literal["weight", "count"] = "weight",
    steps: int = 2,
    delay: Literal["feedback", "all"] = "feedback",
    sequence: bool = False,
) -> FeedForward:
    """Make a network of a directed graph that has cycles.

    Its inputs and outputs are those that the graph names, else its nodes without in-arcs and without out-arcs; where it
    has none of these either, those of the result. Arcs into inputs are dropped first, whatever the method.

    Parameters
    ----------
    graph : a NetworkX graph, an adjacency matrix (dense or SciPy sparse), a tuple (tail, head) or (tail, head, weight)
        of node indices and weights, or the path of a file.
    method :
        "drop" leaves out arcs until no cycle is left: a small feedback arc set, found by the greedy order of Eades, Lin
        and Smyth (1993) within strongly connected components; then every arc that closes no cycle in the order of what
        is left comes back. The smallest set is NP-hard to find; this one is at most half of the arcs on cycles.
        "condense" makes each strongly connected component one node, which has the name and attributes of its first
        member; arcs within it are dropped, and those between two components become parallel ones.
        "unroll" copies the nodes for each step of time: y(j) in step k is computed from step k, and over delayed arcs
        from step k−1. The copies of an arc share one weight (`tie`), those of a node one bias (`bias_tie`); responses
        are each copy's own. Before the first step there is nothing: there, delayed arcs are missing.
    by : what "drop", and the choice of delayed arcs, keep small: the sum of |w| over these arcs, or their number.
    steps : of "unroll".
    delay : which arcs "unroll" delays: a feedback arc set, as "drop" finds it, or all that do not come from an input.
    sequence : of "unroll". False: the inputs are the same in every step, and the outputs are those of the last. True:
        each step has inputs and outputs of its own, x being (B, steps·inputs), step by step.

    Raises GraphError for what is no directed graph.
    """
    given = _describe(graph)
    if not given.n_nodes:
        raise GraphError("the graph has no nodes")
    fed = np.zeros(given.n_nodes, np.bool_)
    if given.inputs is not None:
        fed[np.asarray(given.inputs, np.intp)] = True
    into_inputs = fed[given.head]
    given = _with_ends(given, ~into_inputs)
    open_arcs = np.flatnonzero(~into_inputs).astype(np.int32)
    tail, head = given.tail[open_arcs], given.head[open_arcs]
    component = components(given.n_nodes, tail, head)
    if by not in ("weight", "count"):
        raise GraphError(f"by must be 'weight' or 'count', not {by!r}")

    def feedback() -> BoolArray:
        cost = np.abs(given.weight[open_arcs]).astype(np.float64) if by == "weight" else None
        found = np.zeros(len(given.tail), np.bool_)
        found[open_arcs] = feedback_arcs(given.n_nodes, tail, head, cost)
        return found

    if method == "drop":
        return _dropped(given, ~into_inputs & ~feedback(), component)
    if method == "condense":
        return _condensed(given, ~into_inputs, component)
    if method != "unroll":
        raise GraphError(f"there is no method {method!r}; use drop, condense or unroll")
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise GraphError(f"steps must be a whole number ≥ 1, not {steps!r}")
    if delay not in ("feedback", "all"):
        raise GraphError(f"delay must be 'feedback' or 'all', not {delay!r}")
    delayed = feedback() if delay == "feedback" else np.ones(len(given.tail), np.bool_)
    return _unrolled(given, ~into_inputs, delayed, component, int(steps), sequence)


def components(n_nodes: int, tail: IntArray, head: IntArray) -> IntArray:
    """(N,) the number of each node's strongly connected component; SciPy's (Pearce's algorithm), in linear time."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    arcs = coo_array((np.ones(len(tail)), (tail, head)), shape=(n_nodes, n_nodes))
    found: IntArray = connected_components(arcs, directed=True, connection="strong")[1]
    return found


def feedback_arcs(n_nodes: int, tail: IntArray, head: IntArray, cost: ArrayLike | None = None) -> BoolArray:
    """(E,) arcs without which the graph has no cycle, few of them, or of small total cost.

    cost : (E,) numbers ≥ 0; None counts arcs. Loops are always among the arcs.
    """
    price = np.ones(len(tail)) if cost is None else np.asarray(cost, np.float64)
    if not (np.isfinite(price) & (price >= 0)).all():
        e = int(np.argmin(np.isfinite(price) & (price >= 0)))
        raise GraphError(f"the cost of arc {e} is {price[e]}; it must be a finite number ≥ 0")
    component = components(n_nodes, tail, head)
    inside = np.flatnonzero((component[tail] == component[head]) & (tail != head))
    place = _greedy_order(n_nodes, tail[inside], head[inside], price[inside])
    dropped = tail == head
    dropped[inside] = place[tail[inside]] > place[head[inside]]
    return _brought_back(n_nodes, tail, head, dropped)


def _greedy_order(n_nodes: int, tail: IntArray, head: IntArray, cost: NDArray[np.float64]) -> IntArray:
    """(N,) a place for each node such that arcs that lead backwards cost little (Eades, Lin & Smyth 1993).

    Sinks go to the end, sources to the beginning; where there is neither, the node whose out-arcs cost most beyond its
    in-arcs goes next to the beginning. Nodes without any of these arcs stay at place 0.
    """
    out_start, out_edge = group_by(tail, n_nodes)
    in_start, in_edge = group_by(head, n_nodes)
    n_out, n_in = np.diff(out_start).tolist(), np.diff(in_start).tolist()
    surplus = (np.bincount(tail, cost, n_nodes) - np.bincount(head, cost, n_nodes)).tolist()
    heads, out_cost = head[out_edge].tolist(), cost[out_edge].tolist()
    tails, in_cost = tail[in_edge].tolist(), cost[in_edge].tolist()
    out_at, in_at = out_start.tolist(), in_start.tolist()
    left = [n > 0 for n in n_out]
    nodes = np.flatnonzero(left).tolist()
    heap = [(-surplus[v], v) for v in nodes]
    heapq.heapify(heap)
    ready: list[int] = []
    first, last = 1, n_nodes
    place = [0] * n_nodes
    while True:
        if ready:
            v = ready.pop()
        else:
            while heap:
                key, v = heapq.heappop(heap)
                if left[v]:
                    if -key == surplus[v]:
                        break
                    heapq.heappush(heap, (-surplus[v], v))  # it became less since
            else:
                break
        if not left[v]:
            continue
        left[v] = False
        if n_out[v] == 0:
            place[v], last = last, last - 1
        else:
            place[v], first = first, first + 1
        for k in range(out_at[v], out_at[v + 1]):
            w = heads[k]
            if left[w]:
                n_in[w] -= 1
                if n_in[w] == 0:
                    ready.append(w)
                else:
                    surplus[w] += out_cost[k]
                    heapq.heappush(heap, (-surplus[w], w))
        for k in range(in_at[v], in_at[v + 1]):
            w = tails[k]
            if left[w]:
                n_out[w] -= 1
                if n_out[w] == 0:
                    ready.append(w)
                else:
                    surplus[w] -= in_cost[k]
    return np.array(place, np.int32)


def _brought_back(n_nodes: int, tail: IntArray, head: IntArray, dropped: BoolArray) -> BoolArray:
    """Fewer arcs to drop: those that lead forwards in the order of what is left need not be."""
    for _ in range(MAX_ROUNDS):
        position = make_plan(n_nodes, tail[~dropped], head[~dropped]).position
        still = position[tail] >= position[head]
        if (still == dropped).all():
            break
        dropped = still
    return dropped


# ---- the methods ----


def _dropped(given: Description, kept: BoolArray, component: IntArray) -> FeedForward:
    edge = np.flatnonzero(kept).astype(np.int32)
    node = np.arange(given.n_nodes, dtype=np.int32)
    return FeedForward(_part(given, node, edge).network(), node, edge, _others(kept), component)


def _condensed(given: Description, kept: BoolArray, component: IntArray) -> FeedForward:
    firsts = np.unique(component, return_index=True)[1]
    node: IntArray = np.sort(firsts).astype(np.int32)  # in the graph's order
    number = np.empty(len(node), np.int32)
    number[component[node]] = np.arange(len(node), dtype=np.int32)
    to = number[component]
    kept = kept & (component[given.tail] != component[given.head])
    edge = np.flatnonzero(kept).astype(np.int32)
    part = _part(given, node, edge)
    part = replace(
        part,
        tail=to[given.tail[edge]],
        head=to[given.head[edge]],
        inputs=_distinct(to, given.inputs),
        outputs=_distinct(to, given.outputs),
    )
    return FeedForward(part.network(), node, edge, _others(kept), component)


def _unrolled(
    given: Description, kept: BoolArray, delayed: BoolArray, component: IntArray, steps: int, sequence: bool
) -> FeedForward:
    n = given.n_nodes
    is_input = np.zeros(n, np.bool_)
    if given.inputs is not None:
        is_input[np.asarray(given.inputs, np.intp)] = True
    once = is_input & (not sequence)
    repeated = np.flatnonzero(~once).astype(np.int32)
    node = np.concatenate([np.flatnonzero(once).astype(np.int32), np.tile(repeated, steps)])
    copy = np.empty((steps, n), np.int32)
    copy[:, once] = np.arange(once.sum(), dtype=np.int32)
    copy[:, ~once] = once.sum() + np.arange(steps * len(repeated), dtype=np.int32).reshape(steps, -1)
    later = delayed & ~is_input[given.tail]
    now, before = np.flatnonzero(kept & ~later), np.flatnonzero(kept & later)
    edges, tails, heads = [], [], []
    for k in range(steps):
        edges.append(now)
        tails.append(copy[k, given.tail[now]])
        heads.append(copy[k, given.head[now]])
        if k:
            edges.append(before)
            tails.append(copy[k - 1, given.tail[before]])
            heads.append(copy[k, given.head[before]])
    edge = np.concatenate(edges).astype(np.int32)
    step = np.concatenate([np.zeros(once.sum(), int), np.repeat(np.arange(steps), len(repeated))])
    names = [
        given.name(i) if alone else f"{given.name(i)}@{k}"
        for i, k, alone in zip(node.tolist(), step.tolist(), once[node].tolist(), strict=True)
    ]
    part = replace(
        _part(given, node, edge),
        names=names,
        tail=np.concatenate(tails),
        head=np.concatenate(heads),
        tie=edge if given.tie is None else np.asarray(given.tie)[edge],
        bias_tie=node if given.bias_tie is None else np.asarray(given.bias_tie)[node],
        inputs=None if given.inputs is None else _copies(copy if sequence else copy[:1], given.inputs),
        outputs=None if given.outputs is None else _copies(copy if sequence else copy[-1:], given.outputs),
    )
    gone = ~kept | (later & (steps == 1))
    return FeedForward(part.network(), node, edge, np.flatnonzero(gone).astype(np.int32), component)


def _copies(copy: IntArray, nodes: Any) -> IntArray:
    found: IntArray = copy[:, np.asarray(nodes, np.intp)].ravel()
    return found


def _distinct(to: IntArray, nodes: Any) -> list[int] | None:
    return None if nodes is None else list(dict.fromkeys(to[np.asarray(nodes, np.intp)].tolist()))


def _others(kept: BoolArray) -> IntArray:
    return np.flatnonzero(~kept).astype(np.int32)


def _part(given: Description, node: IntArray, edge: IntArray) -> Description:
    """These nodes and arcs, with what is said of them."""
    return replace(
        given,
        names=None if given.names is None else [given.names[j] for j in node.tolist()],
        tail=given.tail[edge],
        head=given.head[edge],
        weight=given.weight[edge],
        bias=given.bias[node],
        response=given.response[node],
        activation=[given.activation[j] for j in node.tolist()],
        aggregation=[given.aggregation[j] for j in node.tolist()],
        tie=None if given.tie is None else np.asarray(given.tie)[edge],
        bias_tie=None if given.bias_tie is None else np.asarray(given.bias_tie)[node],
    )


def _with_ends(given: Description, kept: BoolArray) -> Description:
    """With the inputs and outputs that the graph has as it is; None where it has none."""

    def free(ends: IntArray) -> list[int] | None:
        return np.flatnonzero(np.bincount(ends, minlength=given.n_nodes) == 0).tolist() or None

    return replace(
        given,
        inputs=free(given.head[kept]) if given.inputs is None else given.inputs,
        outputs=free(given.tail[kept]) if given.outputs is None else given.outputs,
    )


def _describe(graph: Any) -> Description:
    if isinstance(graph, str | PathLike):
        return formats.describe(graph)
    if networkx.is_graph(graph):
        return networkx.describe(graph)
    if adjacency.is_matrix(graph):
        return adjacency.describe(graph)
    if not isinstance(graph, tuple) or len(graph) not in (2, 3):
        raise GraphError(
            "a graph is a NetworkX graph, an adjacency matrix, a tuple (tail, head) or (tail, head, weight), or a "
            f"file's path, not {type(graph).__name__}"
        )
    ends = [np.asarray(nodes) for nodes in graph[:2]]
    for array, what in zip(ends, ("tail", "head"), strict=True):
        if array.ndim != 1 or (array.size and (array.dtype.kind not in "iu" or array.min() < 0)):
            raise GraphError(f"{what} must be a flat list of node indices, counted from 0")
        if array.size and array.max() >= MAX_INDEX:
            raise GraphError(f"{what} names node {array.max()}; at most {MAX_INDEX} fit")
    if len(ends[0]) != len(ends[1]):
        raise GraphError(f"tail has {len(ends[0])} entries, head {len(ends[1])}; each arc needs one of each")
    tail, head = (array.astype(np.int32) for array in ends)
    weight = np.asarray(graph[2] if len(graph) == 3 else 1.0)
    if weight.dtype.kind not in "fiub" or weight.shape not in ((), tail.shape):
        raise GraphError(f"weight has shape {weight.shape}; give a number per arc, ({len(tail)},), or one for all")
    weight = np.broadcast_to(weight, tail.shape).astype(np.float64)
    return plain(1 + max(tail.max(initial=-1), head.max(initial=-1)), tail, head, weight)
