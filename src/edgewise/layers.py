"""Layers: the vector case, in which the weights between two levels are one matrix."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from edgewise.arrays import FloatArray, IntArray
from edgewise.errors import GraphError

if TYPE_CHECKING:
    from edgewise.network import Network


@dataclass(frozen=True, slots=True)
class Layer:
    """One level of a layerwise network and the full matrix of weights into it."""

    weight: FloatArray
    """(n_out, n_in) writable view of `Network.weight`: row j holds the weights into neuron j."""
    bias: FloatArray
    """(n_out,) writable view of `Network.bias`."""
    nodes: IntArray
    """(n_out,) node indices."""
    tails: IntArray
    """(n_in,) node indices of the level before."""
    activation: str | tuple[str, ...]
    """One name, or one per neuron where they differ."""


def find_layers(network: "Network") -> tuple[Layer, ...]:
    """The layers of a network whose levels are consecutive nodes, each fully joined to the next, head by head."""
    first = network.plan.level_start
    sizes = np.diff(first).tolist()
    not_layerwise = GraphError("the network is not layerwise, so it has no layers; its weights are in `weight`")
    in_order = np.array_equal(network.plan.order, np.arange(network.n_nodes))
    inputs_first = np.array_equal(network.inputs, np.arange(sizes[0]))
    n_full = sum(n_in * n_out for n_in, n_out in pairwise(sizes))
    if not (in_order and inputs_first and n_full == network.n_edges):
        raise not_layerwise
    found, edge = [], 0
    for level, (n_in, n_out) in enumerate(pairwise(sizes)):
        tails = np.arange(first[level], first[level + 1], dtype=np.int32)
        nodes = np.arange(first[level + 1], first[level + 2], dtype=np.int32)
        edges = slice(edge, edge + n_in * n_out)
        if not (
            np.array_equal(network.tail[edges], np.tile(tails, n_out))
            and np.array_equal(network.head[edges], np.repeat(nodes, n_in))
        ):
            raise not_layerwise
        used = tuple(network.activations[j] for j in nodes.tolist())
        found.append(
            Layer(
                weight=network.weight[edges].reshape(n_out, n_in),
                bias=network.bias[nodes[0] : nodes[-1] + 1],
                nodes=nodes,
                tails=tails,
                activation=used[0] if len(set(used)) == 1 else used,
            )
        )
        edge += n_in * n_out
    return tuple(found)
