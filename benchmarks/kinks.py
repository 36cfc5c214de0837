"""Inputs on which rounding decides nothing.

Where a ReLU's pre-activation is 0 but for rounding, two libraries that add in different orders may find its gate open
and closed, and then differ in all gradients before it although both are right. Among millions of pre-activations a few
are so near. So the biases of such neurons are moved a little until none is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

import edgewise as ew
from benchmarks.levels import by_level

MARGIN = 5e-5
"""far above what float32 leaves open here, far below anything that could change what is timed"""


def move_off_kinks(net: ew.Network, x: NDArray[Any]) -> None:
    """Changes biases of `net`, level by level, so that no ReLU's pre-activation for any sample is within the margin."""
    levels = by_level(net)
    n = len(levels.node)
    weight = net.weight[levels.edge].astype(np.float64)
    bias = net.bias[levels.node].astype(np.float64)
    value = np.zeros((n, len(x)))
    value[: levels.start[1]] = x.T
    for (a, e), runs in zip(levels.neurons(), levels.runs, strict=True):
        first, last = levels.first_in[a], levels.first_in[e]
        arcs = (weight[first:last], levels.tail[first:last], levels.first_in[a : e + 1] - first)
        s = csr_array(arcs, shape=(e - a, n)) @ value + bias[a:e, None]
        for p, q, name in runs:
            if name == "relu":
                for k in np.flatnonzero((np.abs(s[p - a : q - a]) < MARGIN).any(axis=1)) + (p - a):
                    bias[a + k] += (shift := _shift(s[k]))
                    s[k] += shift
            value[p:q] = _VALUE[name](s[p - a : q - a])
    net.bias[levels.node] = bias


def _shift(s: NDArray[np.float64]) -> float:
    """The smallest of ±2, ±4, … margins that takes all of s out of the margin."""
    k = 1
    while True:
        for shift in (2 * k * MARGIN, -2 * k * MARGIN):
            if (np.abs(s + shift) >= MARGIN).all():
                return shift
        k += 1


_VALUE: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "identity": lambda s: s,
    "relu": lambda s: np.maximum(s, 0),
    "tanh": np.tanh,
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
}
