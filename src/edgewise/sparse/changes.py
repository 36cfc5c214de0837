"""How the arcs change during training: gradual pruning, SET, RigL. Each is a frozen record of its settings.

Arcs that come are of weight 0, as RigL's are: so they add nothing to what the network computes, and the gradient of
such a weight is not 0 for that. Those that go are not taken up again by the same change, which therefore moves exactly
so many. (In the papers and their code they may come back at once, if they are drawn again or have the largest
gradients.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.optimizers import check_number
from edgewise.places import Places
from edgewise.plan import group_by
from edgewise.results import BackwardPass
from edgewise.sparse.random import random_absent
from edgewise.sparse.rewiring import Rewired, rewire, shares, smallest

Scope = Literal["layer", "all"]


class Change(Protocol):
    """What training needs of a change: after every so many steps it is asked for one, and may have none to make."""

    @property
    def every(self) -> int: ...

    def change(
        self,
        network: Network,
        places: Places,
        progress: float,
        backward: Callable[[], BackwardPass],
        rng: np.random.Generator,
    ) -> Rewired | None:
        """progress : the share of all training steps that is done, 0 to 1.
        backward : a pass of the network over a batch, for those that look at gradients.
        """
        ...

    def settled(self, network: Network, places: Places) -> bool:
        """Whether the network is as sparse as it is to be: before that, no epoch counts as the best."""
        ...


@dataclass(frozen=True, slots=True)
class GradualPruning:
    """Magnitude pruning on Zhu & Gupta's (2017) cubic schedule: of all places, the share
    density + (initial − density)·(1 − u)³ holds arcs, u being progress/end, and of arcs the smallest |w| go.

    initial : the share at the beginning; where the network has fewer arcs than that, none go until it is reached.
    scope : "layer" drops the same share between each two ranks, "all" compares all arcs.
    """

    density: float
    initial: float = 1.0
    every: int = 100
    end: float = 0.75
    scope: Scope = "all"

    def __post_init__(self) -> None:
        check_number("density", self.density, 0, 1)
        check_number("initial", self.initial, self.density, math.nextafter(1, 2))
        _check_common(self)

    def change(
        self,
        network: Network,
        places: Places,
        progress: float,
        backward: Callable[[], BackwardPass],
        rng: np.random.Generator,
    ) -> Rewired | None:
        places.check(network)
        left = (1 - min(1.0, progress / self.end)) ** 3
        target = self._target(network, places, self.density + (self.initial - self.density) * left)
        arcs = _Arcs(network, places, self.scope)
        n_dropped = int(arcs.count.sum()) - target
        return rewire(network, arcs.smallest(shares(arcs.count, n_dropped))) if n_dropped > 0 else None

    def settled(self, network: Network, places: Places) -> bool:
        return int(_Arcs(network, places, self.scope).count.sum()) <= self._target(network, places, self.density)

    def _target(self, network: Network, places: Places, density: float) -> int:
        """How many arcs that is."""
        return max(1, math.ceil(density * int(places.sizes(network).prod(axis=1).sum())))


@dataclass(frozen=True, slots=True)
class _Moving:
    """A share of the arcs, those with the smallest |w|, goes, and as many come where there were none."""

    drop: float = 0.3
    every: int = 100
    end: float = 0.75
    scope: Scope = "layer"

    def __post_init__(self) -> None:
        check_number("drop", self.drop, 0, 1)
        _check_common(self)

    def settled(self, network: Network, places: Places) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class SET(_Moving):
    """Sparse evolutionary training (Mocanu et al. 2018): the share `drop` of the arcs, those with the smallest |w|, go,
    and as many come at random where there were none. (The paper drops by sign: the smallest positive and the largest
    negative weights.)

    scope : "layer" between each two ranks, as in the paper; "all" over the whole network.
    end : the share of training after which the arcs rest.
    """

    def change(
        self,
        network: Network,
        places: Places,
        progress: float,
        backward: Callable[[], BackwardPass],
        rng: np.random.Generator,
    ) -> Rewired | None:
        places.check(network)
        if progress > self.end:
            return None
        arcs = _Arcs(network, places, self.scope)
        tail, head = random_absent(network, places, arcs.share(self.drop), rng)
        return arcs.replace(tail, head)


@dataclass(frozen=True, slots=True)
class RigL(_Moving):
    """Rigged lottery (Evci et al. 2020): a share of the arcs, those with the smallest |w|, go, and as many come where
    there were none and the weight gradient, |Σ r_j·S(j⁻,t)·y(i)| over a batch, is largest.

    drop : the share at the beginning; it falls with half a cosine to 0 at `end`, a share of training.
    scope : "layer" between each two ranks, as in the paper; "all" over the whole network.
    """

    def change(
        self,
        network: Network,
        places: Places,
        progress: float,
        backward: Callable[[], BackwardPass],
        rng: np.random.Generator,
    ) -> Rewired | None:
        places.check(network)
        if progress >= self.end:
            return None
        arcs = _Arcs(network, places, self.scope)
        wanted = arcs.share(self.drop / 2 * (1 + math.cos(math.pi * progress / self.end)))
        if not np.any(wanted):
            return None
        found = backward().strongest_absent(places, wanted)
        return arcs.replace(found.tail, found.head)


def _check_common(settings: GradualPruning | _Moving) -> None:
    check_number("every", settings.every, 1, whole=True)
    check_number("end", settings.end, math.nextafter(0, 1), math.nextafter(1, 2))
    if settings.scope not in ("layer", "all"):
        raise DataError(f"scope must be 'layer' or 'all', not {settings.scope!r}")


class _Arcs:
    """The arcs that are in the places, by what they are compared within: pairs of ranks, or all."""

    def __init__(self, network: Network, places: Places, scope: Scope) -> None:
        self._network, self._places, self._scope = network, places, scope
        group = self._groups(places.pair_of(network, network.tail, network.head))
        n_groups = len(places.pairs) if scope == "layer" else 1
        start, edge = group_by((group + 1).astype(np.int32), n_groups + 1)
        self._edges = [edge[start[g] : start[g + 1]] for g in range(1, n_groups + 1)]
        self.count = np.diff(start)[1:].astype(np.int64)

    def _groups(self, pair: NDArray[np.intp]) -> NDArray[np.intp]:
        return pair if self._scope == "layer" else np.minimum(pair, 0)

    def share(self, share: float) -> NDArray[np.int64] | int:
        """So much of the arcs of each pair, rounded down as the papers' code does, or of all."""
        found = np.floor(self.count * share).astype(np.int64)
        return found if self._scope == "layer" else int(found[0])

    def smallest(self, count: NDArray[np.int64]) -> NDArray[np.integer]:
        """Edges with the smallest |w|, so many of each group; rising within each group."""
        magnitude = np.abs(self._network.weight)
        parts = [smallest(magnitude, e, n) for e, n in zip(self._edges, count.tolist(), strict=True) if n]
        return np.concatenate([np.zeros(0, np.int32), *parts])

    def replace(self, tail: NDArray[np.int32], head: NDArray[np.int32]) -> Rewired | None:
        """As many go, in each group, as come; None if none do."""
        if not len(tail):
            return None
        group = self._groups(self._places.pair_of(self._network, tail, head))
        dropped = self.smallest(np.bincount(group, minlength=len(self.count)))
        order = np.argsort(group, kind="stable")  # a new arc takes the place of one of its own group
        return rewire(self._network, dropped, tail[order], head[order])
