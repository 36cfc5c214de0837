"""Nodes that need not be there: those folded into the node before them, and those that nobody reads."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray, IntArray

UNTIED = -1
"""The key of a weight or bias that is a number and no parameter: what has it is tied to nothing."""


class Arcs(NamedTuple):
    """Arcs as flat arrays; equal keys that are not negative share one weight."""

    tail: IntArray
    head: IntArray
    weight: FloatArray
    key: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "Arcs":
        if chosen.all():
            return self
        return Arcs(self.tail[chosen], self.head[chosen], self.weight[chosen], self.key[chosen])


class Nodes(NamedTuple):
    """Nodes as flat arrays, with codes into the two tables of names; equal keys that are not negative and equal numbers
    are one bias."""

    bias: FloatArray
    bias_key: NDArray[np.int64]
    response: FloatArray
    activation: IntArray
    aggregation: IntArray
    activations: tuple[str, ...]
    aggregations: tuple[str, ...]


def read(n_nodes: int, operations: Sequence[tuple[IntArray, IntArray]], targets: IntArray) -> NDArray[np.bool_]:
    """The nodes that are targets, or read by an operation any of whose results is read.

    operations : (read, made) in order; negative entries are no nodes. A weight of 0 counts as reading: a neuron whose
    arcs are all pruned away stays, as a place to grow arcs to.
    """
    found = np.zeros(n_nodes, np.bool_)
    found[targets] = True
    for tails, made in reversed(operations):
        if found[made.reshape(-1)].any():
            found[tails[tails >= 0]] = True
    return found


def fold(arcs: Arcs, nodes: Nodes, fixed: NDArray[np.bool_]) -> tuple[Arcs, Nodes, NDArray[np.bool_]]:
    """Without the linear nodes u that are no more than a step on the way to a node v; and which nodes those were.

    A plain arc is one of weight 1 that is tied to nothing. u goes, and v takes its arcs, where only v reads it and

    - v has no other term: y(v) = Φ(b_v + r_v·w·(b_u + r_u·agg_u)), which v can compute by itself, with weights into u
      multiplied by r_v·w where agg_u is linear, r_u elsewhere; tied weights only if all of a tie are, by one number; or
    - both are sums, and the arc to v is plain; or
    - u has one term and no bias, and the arc to v is plain.

    And it goes if it is a copy, its one term coming by a plain arc, whoever reads it.

    fixed : nodes that must stay, being inputs or outputs.
    """
    n = len(nodes.bias)
    bias, response, aggregation = nodes.bias.copy(), nodes.response.copy(), nodes.aggregation.copy()
    bias_key = nodes.bias_key.copy()
    total = aggregation == _code(nodes.aggregations, "sum")
    linear = total | (aggregation == _code(nodes.aggregations, "mean"))
    step = (nodes.activation == _code(nodes.activations, "identity")) & ~fixed
    gone = np.zeros(n, np.bool_)
    arcs = _without_copies(arcs, step & (bias == 0), gone)
    while True:
        n_in, n_out = np.bincount(arcs.head, minlength=n), np.bincount(arcs.tail, minlength=n)
        plain = (arcs.weight == 1) & (arcs.key < 0)
        alone = n_in[arcs.head] == 1
        short = (n_in == 1) & (bias == 0)
        joins = plain & ((total[arcs.tail] & total[arcs.head]) | short[arcs.tail]) & (response[arcs.tail] == 1)
        chosen = step[arcs.tail] & (n_out[arcs.tail] == 1) & (alone | joins)
        reached = np.zeros(n, np.bool_)
        reached[arcs.head[chosen]] = True
        chosen &= ~reached[arcs.tail]  # of a chain, its first step first
        e = np.flatnonzero(chosen)
        if not len(e):
            break
        factor = np.ones(n)
        factor[arcs.tail[e]] = np.where(alone[e], arcs.weight[e] * response[arcs.head[e]], 1)
        e = _ties_hold(arcs, e, factor, linear)
        if not len(e):
            break
        u, v, w = arcs.tail[e], arcs.head[e], factor[arcs.tail[e]]
        np.add.at(bias, v, w * bias[u])
        _join_keys(bias_key, u, v, w)
        only = alone[e]
        response[v[only]] = np.where(linear[u], response[u], w * response[u])[only]
        aggregation[v[only]], linear[v[only]], total[v[only]] = aggregation[u[only]], linear[u[only]], total[u[only]]
        scale = np.ones(n)
        scale[u] = np.where(linear[u], w, 1)
        into = np.arange(n, dtype=np.int32)
        into[u] = v
        gone[u] = True
        rest = np.ones(len(arcs.tail), np.bool_)
        rest[e] = False
        arcs = arcs._replace(head=into[arcs.head], weight=arcs.weight * scale[arcs.head]).where(rest)
    arcs = _without_copies(arcs, step & (bias == 0) & ~gone, gone)
    nodes = nodes._replace(bias=bias, bias_key=bias_key, response=response, aggregation=aggregation)
    return *_as_outputs(arcs, nodes, fixed, gone), gone


def _code(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _as_outputs(arcs: Arcs, nodes: Nodes, fixed: NDArray[np.bool_], gone: NDArray[np.bool_]) -> tuple[Arcs, Nodes]:
    """With each fixed node that is only a copy of a node being that node, if no other reads it and it is not fixed."""
    n = len(fixed)
    n_in, n_out = np.bincount(arcs.head, minlength=n), np.bincount(arcs.tail, minlength=n)
    copy = (nodes.activation == _code(nodes.activations, "identity")) & fixed & (n_in == 1) & (nodes.bias == 0)
    copied = (arcs.weight * nodes.response[arcs.head] == 1) & (arcs.key < 0)
    e = copy[arcs.head] & copied & (n_out[arcs.tail] == 1) & ~fixed[arcs.tail]
    u, v = arcs.tail[e], arcs.head[e]
    moved: dict[str, Any] = {}
    for name in ("bias", "bias_key", "response", "activation", "aggregation"):
        moved[name] = getattr(nodes, name).copy()
        moved[name][v] = moved[name][u]
    gone[u] = True
    into = np.arange(n, dtype=np.int32)
    into[u] = v
    return arcs._replace(head=into[arcs.head]).where(~e), nodes._replace(**moved)


def _without_copies(arcs: Arcs, step: NDArray[np.bool_], gone: NDArray[np.bool_]) -> Arcs:
    """The arcs, with those from a copy coming from what it copies."""
    n = len(step)
    n_in = np.bincount(arcs.head, minlength=n)
    copies = (n_in[arcs.head] == 1) & step[arcs.head] & (arcs.weight == 1) & (arcs.key < 0)
    if not copies.any():
        return arcs
    origin = np.arange(n, dtype=np.int32)
    origin[arcs.head[copies]] = arcs.tail[copies]
    gone[arcs.head[copies]] = True
    while not np.array_equal(origin, further := origin[origin]):  # copies of copies
        origin = further
    return arcs._replace(tail=origin[arcs.tail]).where(~copies)


def _join_keys(key: NDArray[np.int64], u: IntArray, v: IntArray, w: FloatArray) -> None:
    """Keys of the biases b_v + Σ w·b_u, equal where all that these are made of is; in place."""
    chosen = key[u] != UNTIED
    u, v, w = u[chosen], v[chosen], w[chosen]
    order = np.lexsort((w, key[u], v))
    u, v, w = u[order], v[order], w[order]
    starts = np.flatnonzero(np.diff(v, prepend=-1))
    nth = np.arange(len(v)) - np.repeat(starts, np.diff(starts, append=len(v)))
    for k in range(int(nth.max(initial=-1)) + 1):  # of each v its k-th u
        at = nth == k
        heads, tails = v[at], u[at]
        joined = key.max() + 1 + numbered(key[heads], key[tails], w[at])
        key[heads] = np.where((key[heads] == UNTIED) & (w[at] == 1), key[tails], joined)


def numbered(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each row, equal where the rows are."""
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        own = np.unique(column, return_inverse=True)[1]
        pair = number * (int(own.max(initial=0)) + 1) + own
        number = np.unique(pair, return_inverse=True)[1].astype(np.int64)
    return number


def _ties_hold(arcs: Arcs, e: NDArray[np.intp], factor: FloatArray, linear: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The arcs e that may be folded away without pulling tied weights apart."""
    if not (factor[arcs.tail[e]] != 1).any():
        return e
    tied = np.flatnonzero(arcs.key >= 0)
    found, group, size = np.unique(arcs.key[tied], return_inverse=True, return_counts=True)
    tied, group = tied[size[group] > 1], group[size[group] > 1]
    while len(tied):
        scale = np.ones(len(factor))
        scale[arcs.tail[e]] = np.where(linear[arcs.tail[e]], factor[arcs.tail[e]], 1)
        own = scale[arcs.head[tied]]
        largest, smallest = np.full(len(found), -np.inf), np.full(len(found), np.inf)
        np.maximum.at(largest, group, own)
        np.minimum.at(smallest, group, own)
        apart = (largest != smallest)[group] & (own != 1)
        if not apart.any():
            break
        stays = np.zeros(len(factor), np.bool_)
        stays[arcs.head[tied[apart]]] = True
        e = e[~stays[arcs.tail[e]]]
    return e
