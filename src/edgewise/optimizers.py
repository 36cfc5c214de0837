"""Optimizers: how a step follows from a gradient, on one flat array of parameters, in place.

Each is a frozen record of its settings; what it remembers between steps is a list of arrays that the caller keeps.
The updates are PyTorch's, so that runs can be compared.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from edgewise.arrays import FloatArray
from edgewise.errors import DataError


@dataclass(slots=True)
class OptimizerState:
    """What an optimizer remembers: the number of steps taken, and arrays like the parameters.

    `fit` lays parameters out in one array: the weights, then the biases of all but the inputs; of tied ones the first.
    """

    step: int = 0
    moments: list[FloatArray] = field(default_factory=list)


class Optimizer(Protocol):
    """What `fit` needs of an optimizer."""

    @property
    def learning_rate(self) -> float: ...

    def init(self, n_parameters: int, dtype: DTypeLike) -> OptimizerState: ...

    def step(self, parameters: FloatArray, gradient: FloatArray, state: OptimizerState) -> None: ...


def check_number(name: str, value: float, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """DataError if a setting is not a number of low ≤ value < high, or not a whole one where that is asked."""
    kind = int | np.integer if whole else int | float | np.integer | np.floating
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value < high:
        bounds = f"at least {low}" + (f" and below {high}" if high < math.inf else "")
        raise DataError(f"{name} must be a {'whole ' if whole else ''}number {bounds}, not {value!r}")


@dataclass(frozen=True, slots=True)
class SGD:
    """Gradient descent, with heavy-ball momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013) on request.

    v ← momentum·v + g;  w ← w − learning_rate·v  (Nesterov: − learning_rate·(g + momentum·v)), where g includes
    weight_decay·w.
    """

    learning_rate: float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, 0)
        check_number("momentum", self.momentum, 0, 1)
        check_number("weight_decay", self.weight_decay, 0)
        if self.nesterov and self.momentum == 0:
            raise DataError("nesterov needs a momentum, e.g. SGD(0.01, momentum=0.9, nesterov=True)")

    def init(self, n_parameters: int, dtype: DTypeLike) -> OptimizerState:
        return OptimizerState(0, [np.zeros(n_parameters, dtype)] if self.momentum else [])

    def step(self, parameters: FloatArray, gradient: FloatArray, state: OptimizerState) -> None:
        state.step += 1
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameters
        if self.momentum:
            velocity = state.moments[0]
            velocity *= self.momentum
            velocity += gradient
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        parameters -= self.learning_rate * gradient


@dataclass(frozen=True, slots=True)
class _Adam:
    """Kingma & Ba 2015, algorithm 1, with bias-corrected moments."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, 0)
        check_number("beta1", self.beta1, 0, 1)
        check_number("beta2", self.beta2, 0, 1)
        check_number("epsilon", self.epsilon, 0)
        check_number("weight_decay", self.weight_decay, 0)

    def init(self, n_parameters: int, dtype: DTypeLike) -> OptimizerState:
        return OptimizerState(0, [np.zeros(n_parameters, dtype), np.zeros(n_parameters, dtype)])

    def _update(self, parameters: FloatArray, gradient: FloatArray, state: OptimizerState) -> None:
        state.step += 1
        first, second = state.moments
        first *= self.beta1
        first += (1 - self.beta1) * gradient
        second *= self.beta2
        second += (1 - self.beta2) * gradient * gradient
        scale = math.sqrt(1 - self.beta2**state.step)
        rate = self.learning_rate / (1 - self.beta1**state.step)
        parameters -= rate * first / (np.sqrt(second) / scale + self.epsilon)


@dataclass(frozen=True, slots=True)
class Adam(_Adam):
    """Adam (Kingma & Ba 2015); weight_decay adds weight_decay·w to the gradient (L2)."""

    def step(self, parameters: FloatArray, gradient: FloatArray, state: OptimizerState) -> None:
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameters
        self._update(parameters, gradient, state)


@dataclass(frozen=True, slots=True)
class AdamW(_Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): w ← w·(1 − learning_rate·weight_decay) first."""

    weight_decay: float = 0.01

    def step(self, parameters: FloatArray, gradient: FloatArray, state: OptimizerState) -> None:
        parameters *= 1 - self.learning_rate * self.weight_decay
        self._update(parameters, gradient, state)


NAMED: dict[str, type[SGD | Adam | AdamW]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def named(name: str) -> type[SGD | Adam | AdamW]:
    """The optimizer called so; DataError if there is none."""
    if name not in NAMED:
        raise DataError(f"there is no optimizer {name!r}; use {', '.join(NAMED)}")
    return NAMED[name]
