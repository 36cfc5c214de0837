"""Networks as text that other programs draw: what Graphviz and Mermaid files have in common. They cannot be loaded."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.results import BackwardPass


@dataclass(frozen=True, slots=True)
class Labels:
    """What is written on nodes and arcs, line by line."""

    nodes: list[list[str]]
    edges: list[str]
    strength: list[float]
    """(E,) |w|, or |z| of a pass, as a share of the largest"""


def labels(net: Network, bwd: BackwardPass | None, sample: int) -> Labels:
    """Names, activations and weights; of one sample of a pass also y, Φ′ and S of nodes, and z of edges."""
    nodes = [[name] if net.is_input[j] else [name, net.activations[j]] for j, name in enumerate(net.names)]
    edges = [f"{w:.3g}" for w in net.weight.tolist()]
    strength = np.abs(net.weight.astype(np.float64))
    if bwd is not None:
        if bwd.sensitivity.ndim != bwd.value.ndim:
            raise DataError("a drawing shows one target; this pass has a list of targets")
        y, gate, s = (of_sample(array, sample) for array in (bwd.value, bwd.gate, bwd.sensitivity))
        z = of_sample(bwd.edge_derivative, sample)
        if len(y) != net.n_nodes or len(z) != net.n_edges:
            raise DataError(f"the backward pass is over {len(y)} nodes, the network has {net.n_nodes}")
        for j, lines in enumerate(nodes):
            lines.append(f"y = {y[j]:.3g}")
            if not net.is_input[j]:
                lines.append(f"Φ′ = {gate[j]:.3g}")
            lines.append(f"S = {s[j]:.3g}")
        edges = [f"w = {w}, z = {value:.3g}" for w, value in zip(edges, z.tolist(), strict=True)]
        strength = np.abs(z.astype(np.float64))
    largest = strength.max(initial=0)
    share = strength / largest if 0 < largest < np.inf else np.zeros(net.n_edges)
    return Labels(nodes, edges, np.nan_to_num(share).tolist())


def of_sample(array: FloatArray, sample: int) -> FloatArray:
    """(N,) or (E,) of one sample of a pass; DataError if there is no such sample."""
    if array.ndim == 2:
        if not 0 <= sample < len(array):
            raise DataError(f"there is no sample {sample}; the pass is over {len(array)}")
        return array[sample]
    if sample != 0:
        raise DataError(f"there is no sample {sample}; the pass is over one")
    return array


def printable(text: str) -> str:
    """Control characters, and those that turn the direction of writing, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def levels(net: Network) -> list[list[int]]:
    """The nodes of each level."""
    start = net.plan.level_start.tolist()
    order = net.plan.order.tolist()
    return [order[a:b] for a, b in pairwise(start)]
