"""Node dropout: which hidden nodes are left out of which samples (Srivastava et al. 2014).

A value and its gate are set to 0 with probability p, else divided by 1 - p: their mean stays. Which, that follows from
the seed, the number of the minibatch, the sample's place in it and the node's place in the plan: nothing is drawn in
turn, so nothing depends on who computes what. The core computes the same; see src/native/dropout.hpp.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray
from edgewise.network import Network


def _mixed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Numbers that look drawn at random (Wellons' lowbias32)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def hidden(network: Network) -> NDArray[np.bool_]:
    """(N,) nodes that may be left out: neither inputs nor outputs."""
    found = ~network.is_input
    found[network.outputs] = False
    return found


def kept(
    network: Network, probability: float, seed: int, minibatch: int, n_samples: int, first: int = 0, every: int = 1
) -> FloatArray:
    """(N, B) what values and gates are multiplied by: 0 or 1 / (1 - probability), 1 where nothing is left out.

    first, every : the B samples are those at the places first, first + every, … of the minibatch.
    """
    key = _mixed(np.array([seed % 2**32], np.uint32) ^ _mixed(np.array([minibatch % 2**32], np.uint32)))
    of_node = _mixed((network.plan.position.astype(np.uint32) * np.uint32(0x85EBCA6B)) ^ key)
    sample = (first + every * np.arange(n_samples)).astype(np.uint32)
    drawn = _mixed(np.add(of_node[:, None], sample, dtype=np.uint32))
    scale: Any = network.dtype.type(1 / (1 - probability))
    found = np.where(drawn < int(probability * 2**32), network.dtype.type(0), scale)
    found[~hidden(network)] = 1
    return found
