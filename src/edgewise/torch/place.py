"""A place of a PyTorch model where the gradient is measured, and what was seen there in one pass forth and back."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgewise import activations, gates
from edgewise.arrays import FloatArray

SAMPLES = 64
"""of a batch at most so many are looked at"""
ROWS = 4096
"""of the positions that share a unit (pixels, words) at most so many"""


@dataclass
class Place:
    """A reader, which is what ends a level, or an activation that follows none."""

    name: str
    reader: bool
    """a linear operator, an attention, or a layer of a recurrent operator: what it reads is a level"""
    activation: str = "identity"
    unit_axis: int = -1
    frozen: bool = False
    mixes: bool = False
    """whether it has parts that are neither weights nor gates: products of values, or sums over time"""
    inner: bool = False
    """whether its units are never the outputs, wherever it lies"""
    width: int = 0
    """units that come out"""
    groups: int = 1
    """operators that compute in one, whose units are told apart: queries, keys and values"""
    # of the units that come out, samples and positions reduced away
    closed: FloatArray = field(default_factory=lambda: np.zeros(0))
    open: Any = field(default_factory=lambda: np.zeros(0, np.bool_))
    varies: Any = field(default_factory=lambda: np.zeros(0, np.bool_))
    stirred: Any = field(default_factory=lambda: np.zeros(0, np.bool_))
    fan_in: FloatArray = field(default_factory=lambda: np.zeros(0))
    value: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    sensitivity: FloatArray | None = None
    """(rows, units) of what comes out, or None if nothing came back"""
    # of the gradient: root mean squares
    arrived: float = 0.0
    """at what is read, of all its readers"""
    beyond: float = 0.0
    """at what comes out, after the activation"""
    passed: float = 0.0
    """behind the activation, S⁻"""
    predicted: float = 0.0
    """of squares, at what is read"""
    others: float = 0.0
    """at what is read, of its other readers"""
    weight_gradients: dict[int, float] = field(default_factory=dict)
    """norm of that of each weight"""
    direct: Tensor | None = None
    """what comes back through this operator, until it is known what comes back in all"""
    measured: bool = False
    nodes: tuple[Any, ...] = ()
    """of autograd's graph: the gradient comes in through one of them"""
    passed_over: bool = False
    """whether a way of the gradient leads past it"""
    out: int = 0
    """id of the tensor that an activation may take up"""
    finite_in: bool = True

    def learns(self, part: int, gradient: Tensor) -> None:
        """What came back to one of its weights."""
        self.weight_gradients[part] = float(gradient.detach().double().norm())

    @property
    def learning(self) -> float:
        """Norm of the gradient of its weights; NaN if there is none."""
        return float(np.linalg.norm([*self.weight_gradients.values()])) if self.weight_gradients else float("nan")

    def units(self, value: FloatArray, gate: FloatArray | None = None) -> None:
        """Values and gates (rows, units) of what comes out."""
        self.value, self.width = value, value.shape[1]
        self.varies = (value != value[:1]).any(axis=0)
        if gate is None:
            self.closed, self.open = np.zeros(value.shape[1]), np.ones(value.shape[1], np.bool_)
            return
        self.closed = self.shut(gate).mean(axis=0)
        self.open = (gate != 0).any(axis=0) | activations.get(self.activation).rounds_to_closed

    def shut(self, gate: FloatArray) -> Any:
        """(rows, units) which gates are closed, or nearly."""
        return (np.abs(gate) < gates.least_open(activations.get(self.activation))) | (gate == 0)


def rows_of(given: Tensor, axis: int) -> FloatArray:
    """(rows, units) some samples, and of those some positions; units lie along the axis."""
    some = given.detach()[:SAMPLES] if given.dim() > 1 else given.detach()[None]
    return some_rows(some.movedim(axis, -1).reshape(-1, some.shape[axis]).float())


def some_rows(rows: Tensor) -> FloatArray:
    """(rows, units) of which at most so many are kept, evenly."""
    if len(rows) > ROWS:
        rows = rows[torch.linspace(0, len(rows) - 1, ROWS, device=rows.device).long()]
    return numbers(rows)


def numbers(given: Tensor) -> FloatArray:
    """In double precision, wherever and as whatever they are."""
    found: FloatArray = given.detach().cpu().double().numpy()
    return found


def rms(gradient: Tensor) -> float:
    """Root mean square."""
    return float(gradient.detach().double().square().mean().sqrt())


def decibels(after: float, before: float) -> float:
    """20·log₁₀ of what a size is multiplied by."""
    if after == before:
        return 0.0
    if not before:
        return float("inf")
    return 20 * float(np.log10(after / before)) if after else -float("inf")
