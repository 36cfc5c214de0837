"""What backpropagation starts from: S(t,t) = 1 at target nodes, or ∂J/∂o at the outputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import FloatArray, IntArray
from edgewise.losses import Loss


@dataclass(frozen=True, slots=True)
class Seed:
    """The sensitivities that are known before the recursion, and the loss they belong to."""

    sensitivity: FloatArray
    """(T, K, B): for each target, at each of the objective's K nodes, for each sample."""
    loss_per_sample: FloatArray | None
    """(B,), or None when the targets are nodes."""


@dataclass(frozen=True, slots=True)
class NodeTargets:
    """y(t) of one or several nodes, each a target of its own: S(t,t) = 1."""

    nodes: IntArray

    @property
    def n_targets(self) -> int:
        return len(self.nodes)

    def weight_sum(self, n_samples: int) -> float:
        return float(n_samples)

    def seed(self, value: FloatArray) -> Seed:
        """value: (T, B) values of the target nodes."""
        sensitivity = np.zeros((len(self.nodes), len(self.nodes), value.shape[1]), value.dtype)
        diagonal = np.arange(len(self.nodes))
        sensitivity[diagonal, diagonal] = 1
        return Seed(sensitivity, None)


@dataclass(frozen=True, slots=True)
class LossTarget:
    """J as the output node: sample b's own loss, times its weight."""

    nodes: IntArray
    loss: Loss
    y: NDArray[Any]
    """as `Loss.check` returned it"""
    sample_weight: FloatArray | None
    """(B,) or None for all 1"""

    @property
    def n_targets(self) -> int:
        return 1

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


Objective = NodeTargets | LossTarget
