"""The plan: all that can be known of a graph before any number flows through it.

Nodes are put in an order in which every arc points forward: by level (arcs on the longest path that ends in the
node), within a level by where their tails are, so that what is used together stands together, then by the caller's
index. Arcs are listed twice, by head (for s(j), a sum over in-arcs) and by tail (for S(i,t), a sum over out-arcs).
Everything is found in time linear in nodes and edges but for the sorting of each level, without recursion; it depends
on the structure alone and so survives any change of weights.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.arrays import IntArray
from edgewise.errors import GraphError


@dataclass(frozen=True, slots=True)
class Plan:
    """Integer arrays over N nodes, E edges and L levels; "position" is a node's place in `order`."""

    order: IntArray
    """(N,) node at each position; level by level."""
    position: IntArray
    """(N,) position of each node, the inverse of `order`."""
    level_start: IntArray
    """(L+1,) level l holds positions level_start[l] .. level_start[l+1]-1."""
    in_start: IntArray
    """(N+1,) the in-arcs of the node at position p are in_edge[in_start[p]:in_start[p+1]]."""
    in_edge: IntArray
    """(E,) edge indices by position of head; within a head by position of tail, or in the caller's edge order where the
    order of the terms matters."""
    out_start: IntArray
    """(N+1,) the out-arcs of the node at position p are out_edge[out_start[p]:out_start[p+1]]."""
    out_edge: IntArray
    """(E,) edge indices by position of tail; within a tail in the caller's edge order."""

    @property
    def n_levels(self) -> int:
        return len(self.level_start) - 1


def make_plan(n_nodes: int, tail: IntArray, head: IntArray, in_order: NDArray[np.bool_] | None = None) -> Plan:
    """Order the nodes and group the arcs. CycleFound if the graph has a cycle: see `find_cycle`.

    in_order : (N,) heads whose in-arcs keep the caller's order; None if there are none.
    """
    level, arrays = _core.order_graph(n_nodes, tail, head, in_order)
    if arrays is None:
        raise CycleFound(level)
    for array in arrays:
        array.flags.writeable = False
    return Plan(*arrays)


def group_by(key: IntArray, n_keys: int) -> tuple[IntArray, IntArray]:
    """(start, item): item[start[k]:start[k+1]] are the places in `key` that hold k, in rising order."""
    return _core.group_by(key, n_keys)


def depth_to(plan: Plan, head: IntArray, targets: IntArray) -> IntArray:
    """(N,) arcs on the longest path from each node to one of `targets`, -1 if it reaches none."""
    is_target = np.zeros(len(plan.order), np.bool_)
    is_target[targets] = True
    return _core.longest_path_to(plan.order, plan.out_start, plan.out_edge, head, is_target)


def reached_from(plan: Plan, tail: IntArray, head: IntArray, sources: IntArray) -> NDArray[np.bool_]:
    """(N,) whether a path leads to each node from one of `sources`; they themselves are reached."""
    reached = np.zeros(len(plan.order), np.bool_)
    reached[sources] = True
    for first, last in pairwise(plan.in_start[plan.level_start].tolist()):
        arcs = plan.in_edge[first:last]
        reached[head[arcs[reached[tail[arcs]]]]] = True
    return reached


class CycleFound(GraphError):
    """The graph has a cycle; `level` is -1 on the nodes that lie on one or behind one."""

    def __init__(self, level: IntArray) -> None:
        super().__init__("the graph has a cycle")
        self.level = level


SEARCH_STEPS = 5_000_000


def find_cycle(n_nodes: int, tail: IntArray, head: IntArray, level: IntArray) -> tuple[list[int], bool]:
    """A shortest cycle as a list of nodes, and whether it is proven to be a shortest.

    Searches breadth first from every node that lies on a cycle, smallest tangle first, and stops after about
    SEARCH_STEPS arcs: in a large tangle the cycle found may then be longer than the shortest.
    """
    from scipy.sparse import coo_array  # only on this error's way out: it takes longer to import than all of Edgewise
    from scipy.sparse.csgraph import connected_components

    stuck = (level[tail] < 0) & (level[head] < 0)
    arcs = coo_array((np.ones(stuck.sum(), np.int8), (tail[stuck], head[stuck])), shape=(n_nodes, n_nodes))
    _, component = connected_components(arcs, directed=True, connection="strong")
    inside = stuck & (component[tail] == component[head])
    start, edge = _core.group_by(tail[inside], n_nodes)
    heads = head[inside][edge]
    forth = tail[inside].astype(np.int64) * n_nodes + head[inside]
    back = head[inside].astype(np.int64) * n_nodes + tail[inside]
    mutual = np.flatnonzero(np.isin(forth, back))
    if len(mutual):  # two arcs, the shortest there can be, need no search
        return [int(tail[inside][mutual[0]]), int(head[inside][mutual[0]])], True
    size = np.bincount(component)[component]
    on_cycle = np.flatnonzero(np.diff(start))
    best: list[int] = []
    steps = 0
    for root in on_cycle[np.argsort(size[on_cycle], kind="stable")].tolist():
        cycle, taken = _cycle_through(root, start, heads, len(best) or n_nodes + 1)
        best = cycle or best
        steps += taken
        if len(best) == 3 or steps > SEARCH_STEPS:
            return best, len(best) == 3
    return best, True


def _cycle_through(root: int, start: IntArray, heads: IntArray, shorter_than: int) -> tuple[list[int], int]:
    """The shortest cycle through root with fewer than shorter_than nodes, or []; and the arcs looked at."""
    parent = {root: root}
    front = [root]
    length, steps = 1, 0
    while front and length < shorter_than:
        following = []
        for i in front:
            for j in heads[start[i] : start[i + 1]].tolist():
                steps += 1
                if j == root:
                    cycle = [i]
                    while i != root:
                        i = parent[i]
                        cycle.append(i)
                    return cycle[::-1], steps
                if j not in parent:
                    parent[j] = i
                    following.append(j)
        front, length = following, length + 1
    return [], steps
