"""Which gates are closed: where Φ′ is so small that next to nothing passes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import activations
from edgewise.arrays import FloatArray
from edgewise.network import Network

CLOSED_BELOW = 0.05
"""A gate is closed when |Φ′| is less than this share of the activation's largest gate."""


def closed(network: Network, gate: FloatArray) -> NDArray[np.bool_]:
    """(B, N) where gates (B, N) are closed: below that share, or 0 itself where the gate is unbounded."""
    found: NDArray[Any] = (np.abs(gate) < closed_below(network)) | (gate == 0)
    return found


def closed_below(network: Network) -> FloatArray:
    """(N,) what |Φ′| is less than in each node's gate when it is closed; 0 where the gate is unbounded."""
    return np.array([least_open(activations.get(name)) for name in network.activation_names])[network.activation_code]


def least_open(activation: activations.Activation) -> float:
    """The same of one activation."""
    return CLOSED_BELOW * activation.max_gate if np.isfinite(activation.max_gate) else 0.0


def open_share(network: Network, x: FloatArray) -> float:
    """Share of the neurons' gates that are open, over samples x (B, n_inputs); NaN if there is no neuron."""
    neurons = ~network.is_input
    if not neurons.any():
        return float("nan")
    return 1 - float(closed(network, network.forward(x).gate)[:, neurons].mean())
