"""The plan: all that can be known of a graph before any number flows through it.

Nodes are put in an order in which every arc points forward: by level (arcs on the longest path that ends in the
node), within a level by the caller's index. Arcs are listed twice, by head (for s(j), a sum over in-arcs) and by tail
(for S(i,t), a sum over out-arcs). Everything is found by counting, in time linear in nodes and edges, without
recursion; it depends on the structure alone and so survives any change of weights.
"""

from dataclasses import dataclass

import numpy as np

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
    """(E,) edge indices by position of head; within a head in the caller's edge order."""
    out_start: IntArray
    """(N+1,) the out-arcs of the node at position p are out_edge[out_start[p]:out_start[p+1]]."""
    out_edge: IntArray
    """(E,) edge indices by position of tail; within a tail in the caller's edge order."""

    @property
    def n_levels(self) -> int:
        return len(self.level_start) - 1


def make_plan(n_nodes: int, tail: IntArray, head: IntArray) -> Plan:
    """Order the nodes and group the arcs, in linear time. CycleFound if the graph has one: see `find_cycle`."""
    level, reached = _core.longest_path_levels(n_nodes, tail, head)
    if reached != n_nodes:
        raise CycleFound(level)
    level_start, order = _core.group_by(level, int(level.max()) + 1)
    position = np.empty(n_nodes, np.int32)
    position[order] = np.arange(n_nodes, dtype=np.int32)
    in_start, in_edge = _core.group_by(position[head], n_nodes)
    out_start, out_edge = _core.group_by(position[tail], n_nodes)
    arrays = order, position, level_start, in_start, in_edge, out_start, out_edge
    for array in arrays:
        array.flags.writeable = False
    return Plan(*arrays)


class CycleFound(GraphError):
    """The graph has a cycle; `level` is -1 on the nodes that lie on one or behind one."""

    def __init__(self, level: IntArray) -> None:
        super().__init__("the graph has a cycle")
        self.level = level


def find_cycle(n_nodes: int, tail: IntArray, head: IntArray, level: IntArray) -> tuple[list[int], bool]:
    """A shortest cycle as a list of nodes, and whether it is proven to be a shortest.

    Searches breadth first from each node left without a level, within a bounded number of steps: on a large tangle
    the cycle found may be longer than the shortest.
    """
    stuck = np.flatnonzero(level < 0)
    inside = (level[tail] < 0) & (level[head] < 0)
    tails, heads = tail[inside], head[inside]
    # Peel off nodes that only lie behind a cycle: those without a way on.
    start, edge = _core.group_by(tails, n_nodes)
    best: list[int] = []
    budget = 20_000_000
    for root in stuck.tolist():
        cycle = _cycle_through(root, start, heads[edge], len(best) or n_nodes + 1)
        if cycle:
            best = cycle
        budget -= len(heads) + 1
        if len(best) == 2 or (budget < 0 and best):
            return best, len(best) == 2
    return best, True


def _cycle_through(root: int, start: IntArray, heads: IntArray, shorter_than: int) -> list[int]:
    """The shortest cycle through root with fewer than shorter_than nodes, or []."""
    parent = {root: root}
    front = [root]
    length = 1
    while front and length < shorter_than:
        following = []
        for i in front:
            for j in heads[start[i] : start[i + 1]].tolist():
                if j == root:
                    cycle = [i]
                    while i != root:
                        i = parent[i]
                        cycle.append(i)
                    return cycle[::-1]
                if j not in parent:
                    parent[j] = i
                    following.append(j)
        front, length = following, length + 1
    return []
