"""What is edited: a network, the samples it is looked at on, and what is asked of it. Never changed, only replaced."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import losses, samples
from edgewise.arrays import FloatArray
from edgewise.data import encode_target
from edgewise.network import Network
from edgewise.results import BackwardPass


@dataclass(frozen=True, slots=True)
class Sketch:
    """A network whose nodes have names, with samples, and either a target node or a loss."""

    network: Network
    x: FloatArray
    """(B, n_inputs)"""
    y: NDArray[Any]
    """(B, n_outputs), or (B,) classes: as `loss` wants it, or as the last loss did while a node is the target"""
    target: str
    """the node t of S(·,t); with a loss, the one to go back to"""
    loss: str | None
    """None while a node is the target"""

    @property
    def n_samples(self) -> int:
        return len(self.x)

    def backprop(self, rows: slice = slice(None)) -> BackwardPass:
        """Both passes over these samples, always as a batch."""
        if self.loss is None:
            return self.network.backprop(self.x[rows], self.target)
        return self.network.backprop(self.x[rows], y=self.y[rows], loss=self.loss)

    def with_network(self, network: Network) -> "Sketch":
        return replace(self, network=network)


def begin(
    network: Network,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    target: str | int | None = None,
    loss: str | None = None,
) -> Sketch:
    """A sketch of a network; without x, of one sample of ones.

    target : None is the first output. y, loss : as `Network.backprop` takes them; loss None with y is squared_error.
    Errors are those of `Network.backprop`.
    """
    named = network.replace(names=network.names)
    array, _ = samples.read(named, np.ones((1, named.n_inputs)) if x is None else x)
    node = named.node(named.outputs[0] if target is None else target)
    if y is not None and loss is None:
        loss = "squared_error"
    wanted = wanted_for("squared_error", None, named.n_outputs, len(array))
    if loss is not None:
        if y is None:
            wanted = wanted_for(loss, None, named.n_outputs, len(array))
        else:
            wanted = losses.get(loss).check(y, named.n_outputs, len(array))
    return Sketch(named, array, wanted, named.names[node], loss)


def wanted_for(loss: str, given: NDArray[Any] | None, n_outputs: int, n_samples: int) -> NDArray[Any]:
    """y as this loss wants it: what was wanted before as far as that can be said in its terms, else its lowest."""
    row = losses.get(loss)
    lowest = -1.0 if row.labels == "sign" else 0.0
    classes = None
    if given is not None and given.ndim == 1 and (not len(given) or given.max() < n_outputs):
        classes = given
    elif given is not None and given.ndim == 2 and given.shape[1] > 1:
        classes = given.argmax(axis=1)
    if row.labels == "index":
        return np.zeros(n_samples, np.int64) if classes is None else classes.astype(np.int64)
    if given is not None and given.shape == (n_samples, n_outputs):
        if row.labels == "real":
            return given
        return np.where(given > (given.min() + given.max()) / 2, 1.0, lowest)
    if given is not None and given.ndim == 1 and classes is not None and n_outputs > 1:
        encoded = encode_target(row, n_outputs, classes, n_outputs)
        return encoded.astype(np.float64)
    return np.full((n_samples, n_outputs), lowest)
