"""Networks made from a network."""

from dataclasses import dataclass

import numpy as np

from edgewise.arrays import IntArray
from edgewise.network import Network


@dataclass(frozen=True, slots=True)
class Decoupled:
    """A decoupled network and where each neuron's two subnodes are in it."""

    network: Network
    linear: IntArray
    """(N,) index of j⁻, which computes s(j); of the input itself for an input."""
    activation: IntArray
    """(N,) index of j⁺, which computes y(j) = Φ(s(j)); of the input itself for an input."""


def decouple(network: Network) -> Decoupled:
    """Split every neuron j into j⁻ (bias, response, aggregation; no activation) and j⁺ (activation; no weight).

    Edge (i, j) becomes (i⁺, j⁻) with its weight, keeping its index; after these E edges comes one arc of weight 1
    from each j⁻ to its j⁺. So z(i⁺, j⁻) = w_ij and z(j⁻, j⁺) = Φ′(s_j), and S(j⁻,t) is a sensitivity like any other.
    """
    neurons = np.flatnonzero(~network.is_input).astype(np.int32)
    n = network.n_nodes
    activation = np.arange(n, dtype=np.int32)
    linear = activation.copy()
    linear[neurons] = n + np.arange(len(neurons), dtype=np.int32)
    tie = network.tie
    if tie is not None:
        tie = np.concatenate([tie, tie.max(initial=-1) + 1 + np.arange(len(neurons), dtype=np.int32)])
    bias_tie = network.bias_tie
    if bias_tie is not None:  # the j⁺, whose biases are 0, come first
        bias_tie = np.concatenate([bias_tie.max() + 1 + np.arange(n, dtype=np.int32), bias_tie[neurons]])
    return Decoupled(
        Network(
            np.concatenate([network.tail, linear[neurons]]),
            np.concatenate([linear[network.head], neurons]),
            np.concatenate([network.weight, np.ones(len(neurons), network.dtype)]),
            bias=np.concatenate([np.where(network.is_input, network.bias, 0), network.bias[neurons]]),
            activation=[*network.activations, *["identity"] * len(neurons)],
            aggregation=[*["sum"] * n, *(network.aggregations[j] for j in neurons.tolist())],
            response=np.concatenate([np.where(network.is_input, network.response, 1), network.response[neurons]]),
            inputs=network.inputs,
            outputs=network.outputs,
            names=_subnode_names(network, neurons),
            tie=tie,
            bias_tie=bias_tie,
            dtype=network.dtype,
        ),
        linear,
        activation,
    )


def _subnode_names(network: Network, neurons: IntArray) -> list[str]:
    """Names of the nodes, neurons marked ⁺ and then ⁻ as the lecture writes them, made to differ if they clash."""
    names = [name if is_input else f"{name}⁺" for name, is_input in zip(network.names, network.is_input, strict=True)]
    names += [f"{network.names[j]}⁻" for j in neurons.tolist()]
    taken: set[str] = set()
    for k, name in enumerate(names):
        while name in taken:
            name += "′"
        taken.add(name)
        names[k] = name
    return names
