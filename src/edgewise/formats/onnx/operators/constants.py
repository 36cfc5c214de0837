"""Constants, shapes, and what is calculated of them alone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.operators.arguments import Operation, calculated
from edgewise.formats.onnx.values import Node
from edgewise.tensors import Tensor, TensorGraph

FLOATS = {1: np.float32, 10: np.float32, 11: np.float64, 16: np.float32}  # ONNX's codes; half precision becomes single
INTEGERS = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 13: np.uint64}


def _shape(graph: TensorGraph, node: Node, x: Any) -> NDArray[Any]:
    rank = len(x.shape)
    return np.array(x.shape, np.int64)[slice(node.attributes.get("start", 0), node.attributes.get("end", rank))]


def _given(graph: TensorGraph, node: Node) -> NDArray[Any]:
    for name, dtype in (
        ("value", None),
        ("value_float", np.float32),
        ("value_int", np.int64),
        ("value_floats", np.float32),
        ("value_ints", np.int64),
    ):
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype)
    raise GraphError("without a value that is a number")


def _filled(graph: TensorGraph, node: Node, shape: Any) -> NDArray[Any]:
    sizes = arguments.whole(shape, "a shape")
    graph.room(sizes)
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
    return np.full(sizes, value)


def _range(graph: TensorGraph, node: Node, start: Any, limit: Any, step: Any) -> NDArray[Any]:
    first, last, by = (arguments.number(x, "a bound") for x in (start, limit, step))
    graph.room((max(0, math.ceil((last - first) / by)),))
    return np.arange(first, last, by).astype(start.dtype)


def _cast(graph: TensorGraph, node: Node, x: Any) -> Any:
    """Of constants; a tensor that is cast to floats stays what it is, to others only a head does."""
    code = int(node.attributes.get("to", 0))
    return None if isinstance(x, Tensor) else arguments.constant(x, "an operand").astype({**FLOATS, **INTEGERS}[code])


def _erf(graph: TensorGraph, node: Node, x: Any) -> Any:
    """Of constants; else a step of GELU."""
    from scipy.special import erf

    return None if isinstance(x, Tensor) else calculated(graph, erf, x)


def _of_constants(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that shapes are calculated with, and that a network does not have."""

    def operation(graph: TensorGraph, node: Node, *operands: Any) -> Any:
        return calculated(graph, function, *(arguments.constant(x, "an operand") for x in operands))

    return operation


OPERATIONS: dict[str, Operation] = {
    "Constant": _given,
    "ConstantOfShape": _filled,
    "Range": _range,
    "Shape": _shape,
    "Size": lambda graph, node, x: np.array(math.prod(x.shape), np.int64),
    "Cast": _cast,
    "Erf": _erf,
    "Floor": _of_constants(np.floor),
    "Ceil": _of_constants(np.ceil),
    "Mod": _of_constants(np.mod),
    "Equal": _of_constants(np.equal),
    "Less": _of_constants(np.less),
    "Greater": _of_constants(np.greater),
    "Not": _of_constants(np.logical_not),
    "And": _of_constants(np.logical_and),
    "Or": _of_constants(np.logical_or),
}
