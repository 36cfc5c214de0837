"""Names: how the nodes of a network are called, by names of their own or by their indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgewise.arrays import MAX_INDEX, IntArray
from edgewise.errors import GraphError

Node = int | str


@dataclass
class Names:
    """The names of nodes, one for each; None if they have none and are called by their indices."""

    given: tuple[str, ...] | None
    count: int | None
    """How many nodes there are; None while that is not known, which it is of named ones."""

    @classmethod
    def read(cls, given: Sequence[str] | None) -> "Names":
        """Names as a caller gives them; GraphError if they are not distinct str."""
        if given is None:
            return cls(None, None)
        if isinstance(given, str):
            raise GraphError("names must be a list of str, one per node, not one str")
        seen: dict[str, int] = {}
        for j, name in enumerate(given):
            if not isinstance(name, str):
                raise GraphError(f"names[{j}] is {name!r}; each name must be a str")
            if name in seen:
                raise GraphError(f"the name {name!r} is given to nodes {seen[name]} and {j}; names must differ")
            seen[name] = j
        return cls(tuple(map(str, seen)), len(seen))

    @cached_property
    def all(self) -> tuple[str, ...]:
        """(N,) name of each node; its index as a str if it was given none."""
        return self.given if self.given is not None else tuple(map(str, range(self.count or 0)))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: j for j, name in enumerate(self.all)}

    def label(self, node: int) -> str:
        """How messages call a node: its name if it has one, else its index."""
        return repr(self.given[node]) if self.given is not None else str(int(node))

    def index(self, node: Node) -> int:
        """The index of a node given by index or name; GraphError if there is none."""
        if isinstance(node, str):
            if self.count is None:
                raise GraphError(f"node {node!r} is called by name; give names, or use indices")
            index = self._index.get(node)
            if index is None:
                raise GraphError(f"there is no node {node!r}; {self._hint(node)}")
            return index
        if isinstance(node, bool) or not isinstance(node, int | np.integer):
            raise GraphError(f"a node is given by its index or its name, not by {node!r}")
        count = MAX_INDEX if self.count is None else self.count
        if not 0 <= node < count:
            raise GraphError(f"there is no node {node}; nodes are 0 to {count - 1}")
        return int(node)

    def _hint(self, node: str) -> str:
        import difflib

        close = difflib.get_close_matches(node, self.all[:10_000], n=3)
        if close:
            return f"did you mean {' or '.join(map(repr, close))}?"
        more = f", ... ({len(self.all) - 8} more)" if len(self.all) > 8 else ""
        return f"nodes are {', '.join(map(repr, self.all[:8]))}{more}"

    def indices(self, given: Any, what: str, *, or_one: bool = False) -> IntArray:
        """Node indices from a flat list of indices or names, or from one; GraphError, which calls it `what`, if not."""
        try:
            array = np.asarray(given)
        except ValueError:
            raise GraphError(f"{what} must be a flat list of node indices or names") from None
        if array.ndim == 0 and or_one:
            array = array.reshape(1)
        if array.ndim != 1:
            raise GraphError(f"{what} has shape {array.shape}; it must be a flat list of node indices or names")
        if array.size == 0:
            return np.zeros(0, np.int32)
        if array.dtype.kind in "OUT":
            return np.array([self.index(node) for node in array.tolist()], np.int32)
        if array.dtype.kind not in "iu":
            raise GraphError(f"{what} has dtype {array.dtype}; it must hold whole numbers (node indices) or names")
        limit = MAX_INDEX if self.count is None else self.count
        if array.min() < 0 or array.max() >= limit:
            bad = np.flatnonzero((array < 0) | (array >= limit))[0]
            raise GraphError(f"{what}[{bad}] = {array[bad]} is not a node; nodes are 0 to {limit - 1}")
        return array.astype(np.int32)
