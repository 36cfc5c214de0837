"""Places: where a network may have arcs, whether it has them now or not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.arrays import FloatArray, IntArray
from edgewise.errors import GraphError

if TYPE_CHECKING:
    from edgewise.network import Network


@dataclass(frozen=True, slots=True)
class AbsentArcs:
    """Arcs that are not there, and what their weight gradients are or would be."""

    tail: IntArray
    """(K,) nodes"""
    head: IntArray
    """(K,) nodes"""
    gradient: FloatArray
    """(K,) r_j·S(j⁻,t)·y(i), reduced over the batch as `weight_gradient` is"""


class Places:
    """Nodes in ranks, and the pairs of ranks between which arcs may go, always from a lower to a higher one: so nothing
    that is changed within them makes a cycle.

    rank : (N,) whole numbers from 0; a node of rank −1 takes no part.
    pairs : (P, 2) ranks of tails and of heads, each pair once.

    Both can be kept as plain arrays. Arcs go only to neurons that aggregate by a sum, and a place holds one arc; a
    network's other arcs, and those that lead elsewhere, stay as they are. GraphError if these are no such arrays.
    """

    __slots__ = ("pairs", "rank")
    rank: IntArray
    pairs: IntArray

    def __init__(self, rank: ArrayLike, pairs: ArrayLike) -> None:
        self.rank = _whole_numbers(rank, "rank", 1)
        self.pairs = _whole_numbers(pairs, "pairs", 2)
        if self.rank.min(initial=0) < -1 or self.rank.max(initial=0) >= max(1, len(self.rank)):
            raise GraphError(f"ranks of {len(self.rank)} nodes are numbers from -1 to {len(self.rank) - 1}")
        for a, b in self.pairs.tolist():
            if not 0 <= a < b < self.n_ranks:
                raise GraphError(f"the pair of ranks ({a}, {b}) must rise, from 0 to {self.n_ranks - 1}")
        key = self._key(self.pairs[:, 0], self.pairs[:, 1])
        if len(np.unique(key)) < len(key):
            raise GraphError("pairs holds a pair of ranks twice")
        order = np.argsort(key)
        self.pairs = self.pairs[order]
        for array in (self.rank, self.pairs):
            array.flags.writeable = False

    @classmethod
    def of(cls, network: "Network", *, skip: bool = False) -> "Places":
        """Ranks are the network's levels (arcs on the longest path that ends in the node); arcs may go between those
        levels that are joined now or, with `skip`, from every level to every higher one.

        A neuron that has lost all its in-arcs ranks just below the lowest neuron that it feeds; one that has no arcs at
        all takes no part. Take the places of a network before you prune it, to have them all.
        """
        plan = network.plan
        rank = np.empty(network.n_nodes, np.int32)
        rank[plan.order] = np.repeat(np.arange(plan.n_levels, dtype=np.int32), np.diff(plan.level_start))
        lost = np.zeros(network.n_nodes, np.bool_)
        lost[plan.order[: plan.level_start[1]]] = True
        lost &= ~network.is_input
        if lost.any():
            lowest = np.full(network.n_nodes, plan.n_levels, np.int32)
            fed = lost[network.tail]
            np.minimum.at(lowest, network.tail[fed], rank[network.head[fed]])
            rank[lost] = np.where(lowest[lost] == plan.n_levels, -1, lowest[lost] - 1)
        if skip:
            lower, higher = np.triu_indices(plan.n_levels, 1)
            return cls(rank, np.stack([lower, higher], axis=1))
        size = np.int64(plan.n_levels)
        key = np.unique(rank[network.tail] * size + rank[network.head])
        return cls(rank, np.stack([key // size, key % size], axis=1))

    @property
    def n_ranks(self) -> int:
        return int(self.rank.max(initial=-1)) + 1

    def _key(self, tail_rank: IntArray, head_rank: IntArray) -> NDArray[np.int64]:
        return tail_rank.astype(np.int64) * (self.n_ranks + 1) + head_rank

    def pair_of(self, network: "Network", tail: IntArray, head: IntArray) -> NDArray[np.intp]:
        """(E,) index into `pairs` of each arc, -1 where it is none of these places."""
        beyond = self.n_ranks  # a rank that no pair has
        ends = np.where(self.rank >= 0, self.rank, beyond)
        key = self._key(ends, np.zeros_like(ends)).take(tail) + np.where(may_head(network), ends, beyond).take(head)
        known = self._key(self.pairs[:, 0], self.pairs[:, 1])
        if beyond <= 1000:  # few ranks: looked up, rather than searched for
            table = np.full((beyond + 1) ** 2, -1)
            table[known] = np.arange(len(known))
            return table[key]
        if not len(known):
            return np.full(len(tail), -1)
        found = np.minimum(np.searchsorted(known, key), len(known) - 1)
        return np.where(known[found] == key, found, -1)

    def tails(self, rank: int) -> NDArray[np.intp]:
        """Nodes of a rank."""
        return np.flatnonzero(self.rank == rank)

    def heads(self, network: "Network", rank: int) -> NDArray[np.intp]:
        """Nodes of a rank to which arcs may go."""
        return np.flatnonzero((self.rank == rank) & may_head(network))

    def sizes(self, network: "Network") -> NDArray[np.int64]:
        """(P, 2) how many tails and how many heads each pair has."""
        n_tails = np.bincount(self.rank[self.rank >= 0], minlength=self.n_ranks)
        n_heads = np.bincount(self.rank[(self.rank >= 0) & may_head(network)], minlength=self.n_ranks)
        return np.stack([n_tails[self.pairs[:, 0]], n_heads[self.pairs[:, 1]]], axis=1)

    def check(self, network: "Network") -> None:
        """GraphError if they are not places of this network."""
        if len(self.rank) != network.n_nodes:
            raise GraphError(f"the places are of {len(self.rank)} nodes, the network has {network.n_nodes}")
        if network.tie is not None:
            raise GraphError("the network's weights are tied: which of its arcs are there cannot be changed")
        at_most = np.where(self.rank >= 0, self.rank, len(self.rank))
        falls = self.rank.take(network.tail) >= at_most.take(network.head)
        if falls.any():
            e = int(np.argmax(falls))
            from_rank, to_rank = self.rank[network.tail[e]], self.rank[network.head[e]]
            raise GraphError(
                f"edge {e} leads from rank {from_rank} to rank {to_rank} of the places, and must lead to a higher one: "
                "are they of another network?"
            )

    def __repr__(self) -> str:
        return f"Places({len(self.rank)} nodes in {self.n_ranks} ranks, {len(self.pairs)} pairs of ranks)"


def may_head(network: "Network") -> NDArray[np.bool_]:
    """(N,) neurons that sum: an arc of weight 0 changes nothing there, and nowhere else."""
    sums = np.array([name == "sum" for name in network.aggregation_names])
    return sums[network.aggregation_code] & ~network.is_input


def _whole_numbers(given: ArrayLike, what: str, ndim: int) -> IntArray:
    array = np.asarray(given)
    if array.size == 0:
        array = np.zeros((0, 2)[:ndim], np.int32)
    shape = "(N,)" if ndim == 1 else "(P, 2)"
    if array.dtype.kind not in "iu" or array.ndim != ndim or (ndim == 2 and array.shape[1] != 2):
        raise GraphError(f"{what} must be whole numbers of shape {shape}, not {array.dtype} of {array.shape}")
    if array.size and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31:
        raise GraphError(f"{what} holds a number that is too large")
    return np.array(array, np.int32, order="C")
