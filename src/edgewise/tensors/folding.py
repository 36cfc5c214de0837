"""Nodes that need not be there: those folded into the node before them, and those that nobody reads."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray, IntArray


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
    """Nodes as flat arrays, with codes into the two tables of names."""

    bias: FloatArray
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
    """Without the nodes u that are no more than a step on the way to one v; and which nodes those were.

    v has the one term w·y(u), u is linear and read by v alone: then y(v) = Φ(b_v + r_v·w·(b_u + r_u·agg_u)), which v
    can compute by itself, with weights into u multiplied by r_v·w where agg_u is linear, r_u elsewhere.
    Tied weights stay tied: they are multiplied only if all of a tie are, by the same number.

    fixed : nodes that must stay, being inputs or outputs.
    """
    n = len(nodes.bias)
    bias, response, aggregation = nodes.bias.copy(), nodes.response.copy(), nodes.aggregation.copy()
    linear = np.isin(aggregation, [k for k, name in enumerate(nodes.aggregations) if name in ("sum", "mean")])
    identity = nodes.activations.index("identity") if "identity" in nodes.activations else -1
    step = (nodes.activation == identity) & ~fixed
    gone = np.zeros(n, np.bool_)
    while True:
        n_in, n_out = np.bincount(arcs.head, minlength=n), np.bincount(arcs.tail, minlength=n)
        single = (n_in[arcs.head] == 1) & (n_out[arcs.tail] == 1) & step[arcs.tail]
        reached = np.zeros(n, np.bool_)
        reached[arcs.head[single]] = True
        single &= ~reached[arcs.tail]  # of a chain, its first step first
        e = np.flatnonzero(single)
        if not len(e):
            break
        factor = np.ones(n)
        factor[arcs.tail[e]] = arcs.weight[e] * response[arcs.head[e]]
        e = _ties_hold(arcs, e, factor, linear)
        if not len(e):
            break
        u, v, w = arcs.tail[e], arcs.head[e], factor[arcs.tail[e]]
        bias[v] += w * bias[u]
        response[v] = np.where(linear[u], response[u], w * response[u])
        aggregation[v], linear[v] = aggregation[u], linear[u]
        scale = np.ones(n)
        scale[u] = np.where(linear[u], w, 1)
        into = np.arange(n, dtype=np.int32)
        into[u] = v
        gone[u] = True
        rest = np.ones(len(arcs.tail), np.bool_)
        rest[e] = False
        arcs = arcs._replace(head=into[arcs.head], weight=arcs.weight * scale[arcs.head]).where(rest)
    return arcs, nodes._replace(bias=bias, response=response, aggregation=aggregation), gone


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
