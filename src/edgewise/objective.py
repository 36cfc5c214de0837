"""What backpropagation starts from: S(t,t) = 1 at target nodes, or ∂J/∂o at the outputs, of a loss or as given."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import losses, samples
from edgewise.arrays import FloatArray, IntArray
from edgewise.errors import DataError, GraphError
from edgewise.losses import Loss

if TYPE_CHECKING:
    from edgewise.network import Network


@dataclass(slots=True)
class Seed:
    """The sensitivities that are known before the recursion, and the loss they belong to."""

    sensitivity: FloatArray
    """(T, K, B): for each target, at each of the objective's K nodes, for each sample."""
    loss_per_sample: FloatArray | None
    """(B,), or None when the targets are nodes."""


@dataclass(slots=True)
class NodeTargets:
    """y(t) of one or several nodes, each a target of its own: S(t,t) = 1."""

    nodes: IntArray

    def of_rows(self, rows: slice) -> "NodeTargets":
        """The same of some of the samples."""
        return self

    def weight_sum(self, n_samples: int) -> float:
        return float(n_samples)

    def seed(self, value: FloatArray) -> Seed:
        """value: (T, B) values of the target nodes."""
        sensitivity = np.zeros((len(self.nodes), len(self.nodes), value.shape[1]), value.dtype)
        diagonal = np.arange(len(self.nodes))
        sensitivity[diagonal, diagonal] = 1
        return Seed(sensitivity, None)


@dataclass(slots=True)  # not frozen: that makes each three times as dear, and every call makes one
class LossTarget:
    """J as the output node: sample b's own loss, times its weight."""

    nodes: IntArray
    loss: Loss
    y: NDArray[Any]
    """as `Loss.check` returned it"""
    sample_weight: FloatArray | None
    """(B,) or None for all 1"""

    def of_rows(self, rows: slice) -> "LossTarget":
        """The same of some of the samples."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return LossTarget(self.nodes, self.loss, self.y[rows], weight)

    def weight_sum(self, n_samples: int) -> float:
        return float(n_samples if self.sample_weight is None else self.sample_weight.sum())

    def seed(self, value: FloatArray) -> Seed:
        """value: (K, B) values of the output nodes."""
        output = np.ascontiguousarray(value.T)
        loss = self.loss.value(output, self.y)
        gradient = self.loss.gradient(output, self.y)
        if self.sample_weight is not None:
            loss = loss * self.sample_weight
            gradient = gradient * self.sample_weight[:, None]
        return Seed(gradient.T[None].astype(value.dtype), loss)


@dataclass(slots=True)
class GivenGradient:
    """What somebody else says of the outputs: ∂J/∂o of each sample."""

    nodes: IntArray
    """the network's outputs"""
    gradient: FloatArray
    """(B, K), contiguous"""

    def of_rows(self, rows: slice) -> "GivenGradient":
        """The same of some of the samples."""
        return GivenGradient(self.nodes, self.gradient[rows])

    def weight_sum(self, n_samples: int) -> float:
        return 1.0

    def seed(self, value: FloatArray) -> Seed:
        """value: (K, B) values of the output nodes."""
        return Seed(self.gradient.T[None], None)


Objective = NodeTargets | LossTarget | GivenGradient


def read(
    network: "Network",
    n_samples: int,
    target: Any,
    y: ArrayLike | None,
    loss: str | Loss | None,
    sample_weight: ArrayLike | None,
    class_weight: losses.ClassWeight | None,
) -> tuple[Objective, bool]:
    """What the caller of `Network.backprop` asked for, and whether it is one target rather than a list of them."""
    if loss is not None:
        if target is not None:
            raise DataError("give either a target or a loss: with a loss, J itself is the target")
        if y is None:
            raise DataError("a loss needs y, what the outputs should be")
        return _of_loss(network, n_samples, losses.get(loss), y, sample_weight, class_weight), True
    for name, given in (("y", y), ("sample_weight", sample_weight), ("class_weight", class_weight)):
        if given is not None:
            raise DataError(f'{name} was given without a loss; say which, e.g. loss="squared_error"')
    if target is None:
        if network.n_outputs != 1:
            raise GraphError(
                f"the network has {network.n_outputs} outputs; say which is the target, e.g. "
                f"target={network.names[network.outputs[0]]!r}, or give a loss"
            )
        return NodeTargets(network.outputs), True
    one_target = isinstance(target, str) or np.ndim(target) == 0
    nodes = [target] if one_target else list(target)
    if not nodes:
        raise GraphError("the list of targets is empty; name at least one node")
    return NodeTargets(np.array([network.node(node) for node in nodes], np.int32)), one_target


def _of_loss(
    network: "Network",
    n_samples: int,
    loss: Loss,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    class_weight: losses.ClassWeight | None,
) -> LossTarget:
    checked = loss.check(y, network.n_outputs, n_samples)
    if checked.dtype.kind == "f":
        checked = np.ascontiguousarray(checked, network.dtype)
    weight: FloatArray | None = None
    if sample_weight is not None:
        weight = samples.read_weights(sample_weight, n_samples)
    if class_weight is not None:
        by_class = loss.class_weights(class_weight, checked, network.n_outputs)
        weight = by_class if weight is None else weight * by_class
    if weight is not None:
        if not weight.sum() > 0:
            raise DataError("the weights of the samples sum to 0; at least one must be positive")
        weight = weight.astype(network.dtype)
    return LossTarget(network.outputs, loss, checked, weight)
