"""Arcs drawn at random among places: the first ones of a network, or new ones."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgewise import initializers
from edgewise.arrays import IntArray
from edgewise.build import densities, distinct
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.places import Places


class Numbered:
    """Places one by one: those of a pair of ranks follow those of the pair before, head by head, then tail by tail."""

    def __init__(self, network: Network, places: Places) -> None:
        self._network, self._places = network, places
        self.sizes = places.sizes(network)
        self.start = np.concatenate([[0], np.cumsum(self.sizes.prod(axis=1))])
        self._tails = [places.tails(rank) for rank in range(places.n_ranks)]
        self._heads = [places.heads(network, rank) for rank in range(places.n_ranks)]
        self._tail_index = np.empty(network.n_nodes, np.int64)
        self._head_index = np.empty(network.n_nodes, np.int64)
        for tails, heads in zip(self._tails, self._heads, strict=True):
            self._tail_index[tails] = np.arange(len(tails))
            self._head_index[heads] = np.arange(len(heads))

    def of(self, tail: IntArray, head: IntArray, pair: NDArray[np.intp]) -> NDArray[np.int64]:
        """The numbers of the places of arcs between pairs of ranks."""
        found: NDArray[np.int64] = self._head_index.take(head)
        found *= self.sizes[:, 0].take(pair)
        found += self.start.take(pair)
        found += self._tail_index.take(tail)
        return found

    def arcs(self, number: NDArray[np.int64]) -> tuple[IntArray, IntArray]:
        """(tail, head) of places, whose numbers rise."""
        tail, head = np.empty(len(number), np.int32), np.empty(len(number), np.int32)
        bounds = np.searchsorted(number, self.start)
        for p, (a, b) in enumerate(self._places.pairs.tolist()):
            part = slice(bounds[p], bounds[p + 1])
            if part.start == part.stop:
                continue
            which = number[part] - self.start[p]
            tail[part] = self._tails[a][which % self.sizes[p, 0]]
            head[part] = self._heads[b][which // self.sizes[p, 0]]
        return tail, head


def random_absent(
    network: Network, places: Places, wanted: NDArray[np.int64] | int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """(tail, head) of places without an arc, each as likely as the next: as many in each pair of ranks, or in all
    together, as are wanted, or as there are.

    Absent places are numbered too: the r-th is place r + (how many are taken before it).
    """
    numbered = Numbered(network, places)
    pair = places.pair_of(network, network.tail, network.head)
    inside = np.flatnonzero(pair >= 0)
    taken = np.sort(numbered.of(network.tail.take(inside), network.head.take(inside), pair.take(inside)))
    taken = taken[np.diff(taken, prepend=-1) > 0]
    absent_before = taken - np.arange(len(taken))
    ends = numbered.start - np.searchsorted(taken, numbered.start)  # absent places before each pair
    if isinstance(wanted, int):
        drawn = distinct(rng, taken[:0], min(wanted, int(ends[-1])), int(ends[-1]))
    else:
        parts = [
            first + distinct(rng, taken[:0], min(count, last - first), last - first)
            for count, first, last in zip(wanted.tolist(), ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
        drawn = np.concatenate([taken[:0], *parts])
    return numbered.arcs(drawn + np.searchsorted(absent_before, drawn, side="right"))


def random_arcs(
    network: Network,
    places: Places | None = None,
    *,
    density: float,
    distribution: Literal["uniform", "erdos_renyi"] = "erdos_renyi",
    initializer: str | None = None,
    seed: int | np.random.Generator = 0,
) -> Network:
    """The nodes of a network, with their biases and all else, joined by arcs drawn at random among places.

    places : None for `Places.of(network)`: between the levels that are joined now; `Places.of(network, skip=True)` for
        arcs from every level to every higher one. The network's own arcs are forgotten.
    density : the share of all places that get an arc, and every neuron with places at least one in-arc.
    distribution : "uniform" gives every pair of ranks this share; "erdos_renyi" one in proportion to
        (n_tails + n_heads)/(n_tails·n_heads), as `mlp` does (Mocanu et al. 2018; the ERK of Evci et al. 2020).
    initializer : a name of `edgewise.initializers.NAMES`; None chooses by each head's activation, with the fan-in that
        it then has.
    """
    places = places or Places.of(network)
    places.check(network)
    numbered = Numbered(network, places)
    rng = np.random.default_rng(seed)
    n_places = numbered.sizes.prod(axis=1)
    if not n_places.sum():
        raise DataError("the places hold no arcs: no neuron that sums is in a higher rank than another node")
    shares = densities(numbered.sizes[:, 0], numbered.sizes[:, 1], density, distribution)
    sure = _one_each(network, places, numbered, rng)
    chosen = [
        first + distinct(rng, own - first, max(len(own), round(share * most)), most)
        for first, most, share, own in zip(numbered.start.tolist(), n_places.tolist(), shares, sure, strict=False)
    ]
    tail, head = numbered.arcs(np.concatenate(chosen))
    fan_in, fan_out = (np.bincount(ends, minlength=network.n_nodes) for ends in (head, tail))
    weight = np.empty(len(tail), network.dtype)
    for code, name in enumerate(network.activation_names):
        own = np.flatnonzero(network.activation_code[head] == code)
        used = initializer or initializers.default_for(name)
        weight[own] = initializers.of_edges(used, rng, fan_in[head[own]], fan_out[tail[own]])
    return network.with_arcs(tail, head, weight)


def _one_each(
    network: Network, places: Places, numbered: Numbered, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """For each pair of ranks the places that make sure of one arc into each head, from any of all its tails."""
    found: list[list[NDArray[np.int64]]] = [[] for _ in places.pairs]
    for rank in np.unique(places.pairs[:, 1]).tolist():
        heads = places.heads(network, rank)
        into = np.flatnonzero(places.pairs[:, 1] == rank)
        before = np.concatenate([[0], np.cumsum(numbered.sizes[into, 0])])
        tail = rng.integers(0, max(1, before[-1]), len(heads))
        for k, p in enumerate(into.tolist()):
            own = np.flatnonzero((before[k] <= tail) & (tail < before[k + 1]))
            found[p].append(numbered.start[p] + own * numbered.sizes[p, 0] + tail[own] - before[k])
    return [np.concatenate(parts) if parts else np.zeros(0, np.int64) for parts in found]
