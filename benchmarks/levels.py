"""A graph level by level, which is how peers without a notion of a graph compute it."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise as ew

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Levels:
    """Nodes numbered anew: the inputs, then level by level, and by activation within a level; edges by head."""

    node: IntArray
    """(N,) the network's index of each node, in the new order"""
    start: IntArray
    """(L+1,) the first node of each level, the inputs being level 0, and N"""
    edge: IntArray
    """(E,) the network's index of each edge, in the new order"""
    tail: IntArray
    head: IntArray
    """(E,) new numbers of its ends"""
    runs: tuple[tuple[tuple[int, int, str], ...], ...]
    """for each level but the inputs, its stretches of nodes with one activation"""
    outputs: IntArray
    """new numbers of the outputs"""

    @cached_property
    def number(self) -> IntArray:
        """(N,) the new number of each of the network's nodes"""
        number = np.empty(len(self.node), np.int64)
        number[self.node] = np.arange(len(self.node))
        return number

    @cached_property
    def first_in(self) -> IntArray:
        """(N+1,) the first edge into each node, and E"""
        return np.searchsorted(self.head, np.arange(len(self.node) + 1))

    @cached_property
    def by_tail(self) -> IntArray:
        """(E,) edges sorted by tail, then head"""
        return np.lexsort((self.head, self.tail))

    @cached_property
    def first_out(self) -> IntArray:
        """(N+1,) the first place in `by_tail` of an edge out of each node, and E"""
        return np.searchsorted(self.tail[self.by_tail], np.arange(len(self.node) + 1))

    def neurons(self) -> list[tuple[int, int]]:
        """The first node, and the one after the last, of each level but the inputs."""
        return list(zip(self.start[1:-1].tolist(), self.start[2:].tolist(), strict=True))

    def of_edges(self, gradient: NDArray[Any]) -> NDArray[Any]:
        """(E,) in the network's order, from the order here."""
        back = np.empty_like(gradient)
        back[self.edge] = gradient
        return back

    def of_nodes(self, gradient: NDArray[Any]) -> NDArray[Any]:
        """(N,) in the network's order, from the order here; 0 at inputs."""
        back = np.empty_like(gradient)
        back[self.node] = gradient
        back[self.node[: self.start[1]]] = 0
        return back


def by_level(net: ew.Network) -> Levels:
    level = _levels(net)
    rank = np.zeros(net.n_nodes, np.int64)
    rank[net.inputs] = np.arange(net.n_inputs)
    neurons = ~net.is_input
    rank[neurons] = net.activation_code[neurons]
    node = np.lexsort((np.arange(net.n_nodes), rank, level))
    start = np.searchsorted(level[node], np.arange(level.max(initial=0) + 2))
    number = np.empty(net.n_nodes, np.int64)
    number[node] = np.arange(net.n_nodes)
    tail, head = number[net.tail], number[net.head]
    edge = np.lexsort((tail, head))
    code = net.activation_code[node]
    runs = []
    for a, e in zip(start[1:-1].tolist(), start[2:].tolist(), strict=True):
        cuts = [a, *(a + 1 + np.flatnonzero(np.diff(code[a:e]))).tolist(), e]
        runs.append(tuple((p, q, net.activations[node[p]]) for p, q in itertools.pairwise(cuts)))
    return Levels(node, start, edge, tail[edge], head[edge], tuple(runs), number[net.outputs])


def _levels(net: ew.Network) -> IntArray:
    """(N,) arcs on the longest path to each node from an input; at least 1 for a neuron."""
    by_tail = np.argsort(net.tail, kind="stable")
    heads = net.head[by_tail]
    first = np.searchsorted(net.tail[by_tail], np.arange(net.n_nodes + 1))
    waiting = np.bincount(net.head, minlength=net.n_nodes)
    level = np.where(net.is_input, 0, 1)
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        counts = first[ready + 1] - first[ready]
        places = np.repeat(first[ready] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        reached = heads[places + np.arange(counts.sum())]
        np.maximum.at(level, reached, np.repeat(level[ready] + 1, counts))
        reached, times = np.unique(reached, return_counts=True)
        waiting[reached] -= times
        ready = reached[waiting[reached] == 0]
    return level
