"""Functions of tensors: sums, what the table of activations lacks, softmax, normalisations."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewise import activations
from edgewise.errors import GraphError
from edgewise.tensors.graph import Tensor, TensorGraph, Value

Function = Callable[[TensorGraph, Tensor], Tensor]


def add(graph: TensorGraph, a: Value, b: Value, factor: float = 1.0) -> Tensor:
    """a + factor·b, one of which may be constants."""
    if not isinstance(b, Tensor):
        assert isinstance(a, Tensor)
        return graph.affine(a, shift=b if factor == 1 else b * factor)
    return graph.combine([(1.0, a), (factor, b)]) if isinstance(a, Tensor) else graph.affine(b, factor, a)


def leaky_relu(graph: TensorGraph, x: Tensor, slope: Any) -> Tensor:
    """x where it is positive, slope·x elsewhere; the slope is a number, or numbers that broadcast."""
    if np.ndim(slope) == 0 and slope == activations.LEAKY_SLOPE:
        return graph.activate(x, "leaky_relu")
    below = graph.affine(graph.affine(x, -1.0, activation="relu"), -np.asarray(slope))
    return graph.combine([(1.0, graph.activate(x, "relu")), (1.0, below)])


def elu(graph: TensorGraph, x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """scale·x where it is positive, scale·alpha·(exp(input_scale·x) − 1) elsewhere."""
    if np.isclose(alpha, activations.SELU_ALPHA, 1e-7, 0) and np.isclose(scale, activations.SELU_SCALE, 1e-7, 0):
        return graph.activate(x, "selu")
    if alpha == scale == input_scale == 1:
        return graph.activate(x, "elu")
    below = graph.affine(graph.affine(x, -1.0, activation="relu"), -input_scale, activation="elu")
    return graph.combine([(scale, graph.activate(x, "relu")), (scale * alpha, below)])


def celu(graph: TensorGraph, x: Tensor, alpha: float) -> Tensor:
    """alpha·elu(x/alpha)"""
    return graph.affine(graph.affine(x, 1 / alpha, activation="elu"), alpha)


def softplus(graph: TensorGraph, x: Tensor, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta·x))/beta"""
    if beta == 1:
        return graph.activate(x, "softplus")
    return graph.affine(graph.affine(x, beta, activation="softplus"), 1 / beta)


def clip(graph: TensorGraph, x: Tensor, low: float | None, high: float | None) -> Tensor:
    """x, but at least low and at most high."""
    low, high = (None if bound is None or math.isinf(bound) else float(bound) for bound in (low, high))
    if (low, high) == (-1.0, 1.0):
        return graph.activate(x, "hard_tanh")
    if low == 0.0:
        x, low = graph.activate(x, "relu"), None
    for bound, aggregation in ((low, "max"), (high, "min")):
        if bound is not None:
            x = graph.aggregate([x, graph.constant(np.array(bound))], aggregation)
    return x


def hard_sigmoid(graph: TensorGraph, x: Tensor, slope: float = 1 / 6, shift: float = 0.5) -> Tensor:
    """slope·x + shift, at least 0 and at most 1."""
    return clip(graph, graph.affine(x, slope, shift), 0.0, 1.0)


def hard_swish(graph: TensorGraph, x: Tensor) -> Tensor:
    return graph.multiply(x, hard_sigmoid(graph, x))


def mish(graph: TensorGraph, x: Tensor) -> Tensor:
    """x·tanh(softplus(x))"""
    return graph.multiply(x, graph.activate(graph.activate(x, "softplus"), "tanh"))


def gelu(graph: TensorGraph, x: Tensor, approximate: str = "none") -> Tensor:
    if approximate != "tanh":
        return graph.activate(x, "gelu")
    inner = graph.combine([(math.sqrt(2 / math.pi), x), (math.sqrt(2 / math.pi) * 0.044715, graph.activate(x, "cube"))])
    return graph.multiply(x, graph.affine(graph.activate(inner, "tanh"), 0.5, 0.5))


def log_sigmoid(graph: TensorGraph, x: Tensor) -> Tensor:
    return graph.affine(graph.affine(x, -1.0, activation="softplus"), -1.0)


def power(graph: TensorGraph, x: Tensor, exponent: float) -> Tensor:
    """x to a power that the table has, or that products of parallel arcs make; GraphError for others."""
    name = {1.0: "identity", 2.0: "square", 3.0: "cube", 0.5: "sqrt", -1.0: "reciprocal"}.get(exponent)
    if name is not None:
        return graph.activate(x, name)
    if exponent == -0.5:
        return graph.activate(graph.activate(x, "sqrt"), "reciprocal")
    if exponent == -2:
        return graph.activate(graph.activate(x, "square"), "reciprocal")
    if exponent == int(exponent) and 3 < exponent <= 16:
        return graph.aggregate([x] * int(exponent), "product")
    raise GraphError(f"a power of {exponent}")


def extreme(graph: TensorGraph, operands: Sequence[Value], aggregation: str) -> Tensor:
    """The maximum or minimum of tensors and constants, entry by entry."""
    return graph.aggregate([graph.tensor(operand) for operand in operands], aggregation)


def softmax(graph: TensorGraph, x: Tensor, axis: int) -> Tensor:
    """exp(x − max x) divided by its sum."""
    powers = graph.activate(_below_largest(graph, x, axis), "exp")
    whole = graph.activate(graph.over_axes(powers, [axis], True), "reciprocal")
    return graph.multiply(powers, whole)


def log_softmax(graph: TensorGraph, x: Tensor, axis: int) -> Tensor:
    """x − max x, less the logarithm of the sum of its exponentials."""
    below = _below_largest(graph, x, axis)
    whole = graph.activate(graph.over_axes(graph.activate(below, "exp"), [axis], True), "log")
    return graph.combine([(1.0, below), (-1.0, whole)])


def _below_largest(graph: TensorGraph, x: Tensor, axis: int) -> Tensor:
    return graph.combine([(1.0, x), (-1.0, graph.over_axes(x, [axis], True, "max"))])


def standardised(graph: TensorGraph, x: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    """(x − mean)/√(variance + epsilon) over some axes: the core of layer, group and instance normalisation."""
    centred = graph.combine([(1.0, x), (-1.0, graph.mean(x, axes, True))])
    variance = graph.mean(graph.activate(centred, "square"), axes, True)
    deviation = graph.affine(variance, shift=epsilon, activation="sqrt")
    return graph.multiply(centred, graph.activate(deviation, "reciprocal"))


def batch_norm(
    graph: TensorGraph, x: Tensor, scale: Any, shift: Any, mean: Any, variance: Any, epsilon: float
) -> Tensor:
    """(x − mean)/√(variance + epsilon)·scale + shift, with one of each for every channel, the second axis."""
    factor = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    offset = np.asarray(shift, np.float64) - np.asarray(mean, np.float64) * factor
    return graph.affine(x, per_channel(factor, x), per_channel(offset, x))


def per_channel(values: Any, x: Tensor) -> Any:
    """Numbers of the channels, so that they broadcast along the second axis of x; one number stays as it is."""
    array = np.asarray(values)
    return array.reshape((-1,) + (1,) * (len(x.shape) - 2)) if array.ndim else array
