"""Where the nodes and arcs of a network are drawn: in levels, with few crossings.

The method of Sugiyama, Tagawa and Toda (1981): a node's level is that of the plan; an arc over several levels passes a
waypoint in each between; the order within a level is improved by barycentres, sweep after sweep, and the best order met
is kept; then each node moves as near to its neighbours' mean as the order allows.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgewise.network import Network
from edgewise.plan import make_plan

SWEEPS, STRAIGHTENINGS = 12, 8
NARROW = 0.3
"""How much room a waypoint takes in its level, where a node takes 1."""
MOST_WAYPOINTS = 100_000
"""Beyond these, arcs over several levels are drawn without waypoints."""
KEPT = 16
"""So many structures are laid out once, however often their numbers change."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Coordinates in steps: x is the level, nodes of one level are at least 1 apart in y, whose middle is 0."""

    x: NDArray[np.float64]
    """(N,)"""
    y: NDArray[np.float64]
    """(N,)"""
    routes: list[list[float]]
    """(E,) the y of each waypoint of an edge, at the levels between its tail's and its head's"""
    crossings: int
    """How many pairs of arcs cross between neighbouring levels."""


def layout(net: Network) -> Layout:
    """Levels, order and coordinates; the same for the same structure."""
    return _of_structure(net.n_nodes, net.tail.tobytes(), net.head.tobytes())


@lru_cache(maxsize=KEPT)
def _of_structure(n_nodes: int, tails: bytes, heads: bytes) -> Layout:
    tail32, head32 = np.frombuffer(tails, np.int32), np.frombuffer(heads, np.int32)
    plan = make_plan(n_nodes, tail32, head32)
    level = np.empty(n_nodes, np.int64)
    level[plan.order] = np.repeat(np.arange(plan.n_levels), np.diff(plan.level_start))
    tail, head = tail32.astype(np.int64), head32.astype(np.int64)
    between = level[head] - level[tail] - 1
    routed = bool(between.sum() <= MOST_WAYPOINTS)
    levels = level.tolist()
    chains: list[list[int]] = [[] for _ in range(len(tail))]
    pairs: list[tuple[int, int]] = []
    for e, (i, j) in enumerate(zip(tail.tolist(), head.tolist(), strict=True)):
        here = i
        if routed:
            for between_level in range(levels[i] + 1, levels[j]):
                chains[e].append(len(levels))
                levels.append(between_level)
        for waypoint in (*chains[e], j):
            if levels[waypoint] == levels[here] + 1:
                pairs.append((here, waypoint))
            here = waypoint
    # arcs into waypoints first met keep the plan's order, which is by the mean position of tails already
    start = [*plan.position.tolist(), *([0] * (len(levels) - n_nodes))]
    for e, chain in enumerate(chains):
        for waypoint in chain:
            start[waypoint] = start[int(tail[e])]
    graph = _Levelled(np.array(levels), np.array(pairs, np.int64).reshape(-1, 2), n_nodes)
    order, crossings = graph.ordered(np.array(start, np.float64))
    y = graph.placed(order)
    x = level.astype(np.float64)
    for array in (x, y):
        array.flags.writeable = False  # it is kept for the next who asks
    return Layout(
        x=x,
        y=y[:n_nodes],
        routes=[y[chain].tolist() for chain in chains],
        crossings=crossings,
    )


class _Levelled:
    """Vertices in levels, with arcs between neighbouring levels only."""

    def __init__(self, level: NDArray[np.int64], pairs: NDArray[np.int64], n_nodes: int) -> None:
        self.level, self.above, self.below = level, pairs[:, 0], pairs[:, 1]
        self.room = np.where(np.arange(len(level)) < n_nodes, 1.0, NARROW)
        self.n, self.n_levels = len(level), int(level.max(initial=0)) + 1
        self.arcs = [np.flatnonzero(level[self.below] == k) for k in range(self.n_levels)]  # those into level k
        self.members = [np.flatnonzero(level == k) for k in range(self.n_levels)]

    def ordered(self, start: NDArray[np.float64]) -> tuple[list[NDArray[np.int64]], int]:
        """The vertices of each level in the best order met, and its crossings."""
        order = [members[np.argsort(start[members], kind="stable")] for members in self.members]
        place = self._places(order)
        best, fewest = [part.copy() for part in order], self._crossings(place)
        for sweep in range(SWEEPS):
            if fewest == 0:
                break
            down = sweep % 2 == 0
            for k in range(1, self.n_levels) if down else range(self.n_levels - 2, -1, -1):
                arcs = self.arcs[k] if down else self.arcs[k + 1]
                ends = (self.below[arcs], self.above[arcs]) if down else (self.above[arcs], self.below[arcs])
                mean = self._means(*ends, place, place)[order[k]]
                order[k] = order[k][np.argsort(mean, kind="stable")]
                place[order[k]] = np.arange(len(order[k]))
            found = self._crossings(place)
            if found < fewest:
                best, fewest = [part.copy() for part in order], found
        return best, fewest

    def _places(self, order: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        place = np.zeros(self.n)
        for part in order:
            place[part] = np.arange(len(part))
        return place

    def _means(
        self,
        vertex: NDArray[np.int64],
        neighbour: NDArray[np.int64],
        of: NDArray[np.float64],
        otherwise: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """(n,) the mean of `of` over each vertex's neighbours; where it has none, `otherwise`."""
        count = np.bincount(vertex, minlength=self.n)
        total = np.bincount(vertex, of[neighbour], minlength=self.n)
        return np.where(count > 0, total / np.maximum(count, 1), otherwise)

    def _crossings(self, place: NDArray[np.float64]) -> int:
        total = 0
        for arcs in self.arcs:
            by_tail = arcs[np.lexsort((place[self.below[arcs]], place[self.above[arcs]]))]
            seen: list[float] = []
            for end in place[self.below[by_tail]].tolist():
                total += len(seen) - bisect_right(seen, end)
                insort(seen, end)
        return total

    def placed(self, order: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """(n,) y, near the mean of the vertices that each is joined to, with the room that each takes."""
        y = np.zeros(self.n)
        offsets = [np.cumsum(self.room[part]) - self.room[part] / 2 for part in order]
        for part, offset in zip(order, offsets, strict=True):
            y[part] = offset - offset[-1:].sum() / 2
        ends = np.concatenate([self.above, self.below]), np.concatenate([self.below, self.above])
        for _ in range(STRAIGHTENINGS):
            wanted = self._means(*ends, y, y)
            for part, offset in zip(order, offsets, strict=True):
                y[part] = _rising(wanted[part] - offset) + offset
        return y - (y.max(initial=0) + y.min(initial=0)) / 2


def _rising(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest numbers, in least squares, that never fall: isotonic regression by pooling neighbours."""
    blocks: list[tuple[float, int]] = []
    for value in wanted.tolist():
        mean, size = value, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        blocks.append((mean, size))
    return np.concatenate([np.full(size, mean) for mean, size in blocks] or [np.zeros(0)])
