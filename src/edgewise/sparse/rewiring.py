"""A network with other arcs: what that is, and one-shot pruning."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.arrays import FloatArray, IntArray
from edgewise.errors import DataError, GraphError
from edgewise.network import Network
from edgewise.places import Places, may_head


@dataclass(frozen=True, slots=True)
class Rewired:
    """A network made from another by taking arcs away and putting others in; biases and all else are as they were."""

    network: Network
    origin: IntArray
    """(E_new,) the index of the edge that each edge was, -1 if it is new."""

    def carry(self, array: ArrayLike) -> NDArray[Any]:
        """(E_new,) numbers that belong to the edges, from (E_old,): 0 for new edges.

        So the memory of an optimizer follows its edges. DataError if the array is too short.
        """
        given = np.asarray(array)
        if given.ndim != 1 or len(given) <= self.origin.max(initial=-1):
            raise DataError(f"the array has shape {given.shape}; it needs a number for each edge there was")
        return np.append(given, given.dtype.type(0))[self.origin.astype(np.intp)]  # -1 finds the 0 at the end


def rewire(
    network: Network, dropped: NDArray[np.integer], tail: ArrayLike = (), head: ArrayLike = (), weight: float = 0.0
) -> Rewired:
    """The network without the edges `dropped` (indices), and with new ones in the places of the first of these.

    There are at most as many new edges as dropped ones; the caller has seen to it that they make no cycle.
    """
    new_tail, new_head = np.asarray(tail, np.int32), np.asarray(head, np.int32)
    replaced, removed = dropped[: len(new_tail)], dropped[len(new_tail) :]
    origin = np.arange(network.n_edges, dtype=np.int32)
    tails, heads, weights = network.tail.copy(), network.head.copy(), network.weight.copy()
    origin[replaced], tails[replaced], heads[replaced], weights[replaced] = -1, new_tail, new_head, weight
    if len(removed):
        stays = np.ones(network.n_edges, np.bool_)
        stays[removed] = False
        origin, tails, heads, weights = origin[stays], tails[stays], heads[stays], weights[stays]
    return Rewired(network.with_arcs(tails, heads, weights), origin)


def refuse_ties(network: Network) -> None:
    if network.tie is not None:
        raise GraphError("the network's weights are tied: which of its arcs are there cannot be changed")


def keep(network: Network, mask: ArrayLike) -> Rewired:
    """The network with those of its edges alone where the (E,) mask is true, or not 0; in their order."""
    refuse_ties(network)
    chosen = np.asarray(mask)
    if chosen.shape != (network.n_edges,) or chosen.dtype.kind not in "biuf":
        raise DataError(f"mask has shape {chosen.shape}; give one truth value per edge, ({network.n_edges},)")
    return rewire(network, np.flatnonzero(chosen == 0))


def prune(
    network: Network,
    density: float | None = None,
    *,
    n_edges: int | None = None,
    by: Literal["magnitude", "gradient", "random"] = "magnitude",
    gradient: ArrayLike | None = None,
    scope: Literal["all", "layer"] = "all",
    seed: int | np.random.Generator = 0,
) -> Rewired:
    """One-shot pruning: the network with a part of its edges, those that matter most.

    density, n_edges : which part: a share of the edges, above 0 and at most 1, or their number. Give one.
    by : what matters: "magnitude" |w|; "gradient" |w·∂J/∂w| (SNIP: Lee et al. 2019); "random", drawn by `seed`.
    gradient : for by="gradient", the (E,) ∂J/∂w, e.g. `net.backprop(x, y=y, loss=…).weight_gradient`.
    scope : "all" compares all edges; "layer" keeps the same share between each two levels that are joined.

    Of equals the earlier edges stay. Arcs into neurons that do not sum always stay, for there no arc can go unnoticed.
    GraphError for tied weights, or if fewer edges are asked for than must stay; DataError for a wrong setting.
    """
    refuse_ties(network)
    wanted = _how_many(network, density, n_edges)
    score = _score(network, by, gradient, seed)
    free = np.flatnonzero(may_head(network)[network.head])
    must_stay = network.n_edges - len(free)
    if wanted < must_stay:
        raise GraphError(f"{wanted} edges are to stay, but {must_stay} lead to neurons that do not sum and must")
    n_dropped = network.n_edges - wanted
    if scope == "all":
        return rewire(network, smallest(score, free, n_dropped))
    if scope != "layer":
        raise DataError(f"scope must be 'all' or 'layer', not {scope!r}")
    pair = Places.of(network).pair_of(network, network.tail[free], network.head[free])
    shared = shares(np.bincount(pair), n_dropped)
    parts = [smallest(score, free[pair == p], count) for p, count in enumerate(shared.tolist())]
    return rewire(network, np.sort(np.concatenate(parts)) if parts else free)


def smallest(score: FloatArray, edges: NDArray[np.integer], count: int) -> NDArray[np.integer]:
    """`count` of the edges (rising indices), those with the smallest scores, of equals the later; in rising order.

    The same on every machine: no sort decides between equals.
    """
    if count == 0:
        return edges[:0]
    if count >= len(edges):
        return edges
    own = score[edges]
    bound = np.partition(own, count - 1)[count - 1]
    chosen = own < bound
    equal = np.flatnonzero(own == bound)
    chosen[equal[len(equal) - (count - int(chosen.sum())) :]] = True
    return edges.take(np.flatnonzero(chosen))  # half the time of edges[chosen]


def shares(sizes: NDArray[np.integer], total: int) -> NDArray[np.int64]:
    """`total` shared out in proportion to sizes, whole numbers none above its size: the largest remainders round up."""
    if not sizes.sum():
        return np.zeros(len(sizes), np.int64)
    exact = sizes * (total / sizes.sum())
    found = np.minimum(np.floor(exact).astype(np.int64), sizes)
    rest = total - int(found.sum())
    by_remainder = np.argsort(found - exact, kind="stable")
    room = by_remainder[found[by_remainder] < sizes[by_remainder]]
    found[room[:rest]] += 1
    return found


def density(network: Network, places: Places | None = None) -> float:
    """The share of its places that hold an arc; None stands for `Places.of(network)`."""
    places = places or Places.of(network)
    places.check(network)
    n_places = int(places.sizes(network).prod(axis=1).sum())
    taken = int((places.pair_of(network, network.tail, network.head) >= 0).sum())
    return taken / n_places if n_places else 0.0


def _how_many(network: Network, density: float | None, n_edges: int | None) -> int:
    if (density is None) == (n_edges is None):
        raise DataError("give either density or n_edges: how much of the network is to stay")
    if n_edges is not None:
        if isinstance(n_edges, bool) or not isinstance(n_edges, int | np.integer) or not 0 < n_edges <= network.n_edges:
            raise DataError(f"n_edges must be a whole number from 1 to {network.n_edges}, not {n_edges!r}")
        return int(n_edges)
    if isinstance(density, bool) or not isinstance(density, int | float | np.number) or not 0 < density <= 1:
        raise DataError(f"density must be a number above 0 and at most 1, not {density!r}")
    return round(float(density) * network.n_edges)


def _score(network: Network, by: str, gradient: ArrayLike | None, seed: int | np.random.Generator) -> FloatArray:
    if (gradient is not None) != (by == "gradient"):
        raise DataError(f"by={by!r} {'needs' if by == 'gradient' else 'takes no'} gradient")
    if by == "magnitude":
        return np.abs(network.weight)
    if by == "random":
        return np.random.default_rng(seed).random(network.n_edges)
    if by != "gradient":
        raise DataError(f"by must be 'magnitude', 'gradient' or 'random', not {by!r}")
    slope = np.asarray(gradient)
    if slope.shape != (network.n_edges,) or slope.dtype.kind not in "fiu" or not np.isfinite(slope).all():
        raise DataError(f"gradient must be one finite number per edge, ({network.n_edges},), not {slope.shape}")
    return np.abs(network.weight * slope)
