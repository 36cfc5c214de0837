"""Arithmetic, entry by entry, of tensors and constants alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.operators.arguments import Operation, calculated
from edgewise.formats.onnx.values import Node
from edgewise.tensors import Tensor, TensorGraph, Value, functions


def _of_two(
    function: Callable[[TensorGraph, Value, Value], Tensor], of_constants: Callable[..., Any]
) -> Callable[[TensorGraph, Any, Any], Value]:
    """An operation on two values, and what it is where both are constants."""

    def operation(graph: TensorGraph, a: Any, b: Any) -> Value:
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            return function(
                graph, *(x if isinstance(x, Tensor) else arguments.constant(x, "an operand") for x in (a, b))
            )
        return calculated(graph, of_constants, a, b)

    return operation


def _product(graph: TensorGraph, a: Value, b: Value) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return graph.multiply(a, b)
    x: Any
    factor: Any
    x, factor = (a, b) if isinstance(a, Tensor) else (b, a)
    number = arguments.scalar(factor)  # which is no parameter
    made = graph.affine(x, factor if number is None else number)
    rank = max(len(x.shape), np.ndim(factor))
    return made.moved(lambda e: e.reshape((1,) * (rank - e.ndim) + e.shape))


def _quotient(graph: TensorGraph, a: Value, b: Value) -> Tensor:
    inverse = graph.activate(b, "reciprocal") if isinstance(b, Tensor) else np.asarray(1 / b.astype(np.float64))
    return _product(graph, a, inverse)


def _quotient_of_constants(a: NDArray[Any], b: NDArray[Any]) -> Any:
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if (b == 0).any():
            raise GraphError("a division by 0")
        return (np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b)).astype(a.dtype)  # towards 0
    return np.divide(a, b)


add = _of_two(functions.add, np.add)
subtract = _of_two(lambda graph, a, b: functions.add(graph, a, b, -1.0), np.subtract)
multiply = _of_two(_product, np.multiply)
divide = _of_two(_quotient, _quotient_of_constants)


def _power(graph: TensorGraph, node: Node, x: Any, exponent: Any) -> Value:
    if isinstance(x, Tensor):
        return functions.power(graph, x, arguments.number(exponent, "an exponent"))
    return calculated(graph, np.power, x, arguments.constant(exponent, "an exponent"))


def _extreme(aggregation: str, function: Callable[..., Any]) -> Operation:
    def extreme(graph: TensorGraph, node: Node, *operands: Any) -> Value:
        if any(isinstance(x, Tensor) for x in operands):
            return functions.extreme(graph, operands, aggregation)
        made = operands[0]
        for x in operands[1:]:
            made = calculated(graph, function, made, x)
        return made

    return extreme


def _sum(graph: TensorGraph, node: Node, *operands: Any) -> Value:
    made = operands[0]
    for x in operands[1:]:
        made = add(graph, made, x)
    return made


OPERATIONS: dict[str, Operation] = {
    "Add": lambda graph, node, a, b: add(graph, a, b),
    "Sub": lambda graph, node, a, b: subtract(graph, a, b),
    "Mul": lambda graph, node, a, b: multiply(graph, a, b),
    "Div": lambda graph, node, a, b: divide(graph, a, b),
    "Neg": lambda graph, node, x: graph.affine(x, -1.0) if isinstance(x, Tensor) else calculated(graph, np.negative, x),
    "Pow": _power,
    "Sum": _sum,
    "Mean": lambda graph, node, *operands: multiply(graph, _sum(graph, node, *operands), np.array(1 / len(operands))),
    "Max": _extreme("max", np.maximum),
    "Min": _extreme("min", np.minimum),
}
