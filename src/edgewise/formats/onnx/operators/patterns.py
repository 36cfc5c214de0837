"""Functions that are several operators in a program: how each is written, and how it is known again."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.program import Program
from edgewise.formats.onnx.values import Node, Origins, Pending
from edgewise.tensors import Tensor, TensorGraph

Recognise = Callable[[TensorGraph, Origins, Node, list[Any]], Any]
"""What a node makes as the last step of a function, or a further step of one; None if it is neither."""

# ---- SiLU: x·sigmoid(x) ----


def write_silu(program: Program, s: str) -> str:
    return program.op("Mul", s, program.op("Sigmoid", s))


def _silu(graph: TensorGraph, origins: Origins, node: Node, inputs: list[Any]) -> Any:
    for x, other in _orders(inputs):
        of = origins.of(other, "Sigmoid")
        if isinstance(x, Tensor) and of is not None and of[0] is x:
            return graph.activate(x, "silu")
    return None


# ---- GELU: x·½·(1 + erf(x/√2)), the factors in any order ----


def write_gelu(program: Program, s: str) -> str:
    u = program.op("Mul", s, 0.5**0.5)
    if program.dtype == np.float64:  # which Erf has not in onnxruntime
        kinds = program.onnx.TensorProto
        erf = program.op("Cast", program.op("Erf", program.op("Cast", u, to=kinds.FLOAT)), to=kinds.DOUBLE)
    else:
        erf = program.op("Erf", u)
    return program.op("Mul", program.op("Mul", s, program.op("Add", erf, 1.0)), 0.5)


def _one_plus_erf(graph: TensorGraph, origins: Origins, node: Node, inputs: list[Any]) -> Any:
    for other, given in _orders(inputs):
        if isinstance(given, Pending) and given.operator == "Erf" and arguments.scalar(other) == 1:
            return Pending("1 + Erf", given.inputs, given.causes, {"factor": 1.0})
    return None


def _gelu(graph: TensorGraph, origins: Origins, node: Node, inputs: list[Any]) -> Any:
    """x·factor·(1 + erf(u)): GELU if u is x/√2; where x is a number, a step on the way."""
    for x, rest in _orders(inputs):
        if not (isinstance(rest, Pending) and rest.operator == "1 + Erf"):
            continue
        (u,), factor = rest.inputs, rest.attributes["factor"]
        number = arguments.scalar(x)
        if number is not None:
            return Pending(rest.operator, rest.inputs, rest.causes, {"factor": factor * number})
        base, inner = _multiple(origins, u)
        whole, outer = (x, 1.0) if x is base else _multiple(origins, x)
        if whole is base and math.isclose(inner, math.sqrt(0.5), rel_tol=1e-5):
            return graph.affine(graph.activate(base, "gelu"), 2 * factor * outer)
    return None


def _multiple(origins: Origins, value: Any) -> tuple[Any, float]:
    """The tensor that this one is a multiple of, and the factor."""
    for x, other in _orders(origins.of(value, "Mul") or []):
        number = arguments.scalar(other)
        if isinstance(x, Tensor) and number:
            return x, number
    x, other = origins.of(value, "Div") or (None, None)
    number = arguments.scalar(other)
    return (x, 1 / number) if isinstance(x, Tensor) and number else (value, 1.0)


# ---- over an axis: the entry of the largest magnitude ----


def write_largest_magnitude(program: Program, x: str, axis: int) -> str:
    place = program.op("ArgMax", program.op("Abs", x), axis=axis, keepdims=1)
    largest = program.op("GatherElements", x, place, axis=axis)
    return program.op("Squeeze", largest, np.array([axis]))


def _largest_magnitude(graph: TensorGraph, origins: Origins, node: Node, inputs: list[Any]) -> Any:
    x, places = inputs if len(inputs) == 2 else (None, None)
    if not (isinstance(places, Pending) and places.operator == "ArgMax"):
        return None
    of = origins.of(places.inputs[0], "Abs")
    axis = int(node.attributes.get("axis", 0))
    if of is None or of[0] is not x or places.attributes.get("axis", 0) != axis:
        return None
    if not places.attributes.get("keepdims", 1) or places.attributes.get("select_last_index", 0):
        return None
    return graph.over_axes(arguments.tensor(graph, x), [axis], True, "maxabs")


# ---- over an axis: the median, the mean of the two entries in the middle of all, sorted ----


def write_median(program: Program, x: str, axis: int, n: int) -> str:
    ordered = program.op("TopK", x, np.array([n]), n_outputs=2, axis=axis)
    middle = program.op("Gather", ordered, np.array([(n - 1) // 2, n // 2]), axis=axis)
    return program.op("ReduceMean", middle, axes=[axis], keepdims=0)


def _median(graph: TensorGraph, origins: Origins, node: Node, inputs: list[Any]) -> Any:
    middle = inputs[0] if inputs else None
    if not (isinstance(middle, Pending) and middle.operator == "Gather" and len(middle.inputs) == 2):
        return None
    ordered, places = middle.inputs
    if not (isinstance(ordered, Pending) and ordered.operator == "TopK" and len(ordered.inputs) == 2):
        return None
    x, count = ordered.inputs
    axes = arguments.parameter(node, "axes", inputs[1] if len(inputs) > 1 else None)
    axis = middle.attributes.get("axis", 0)
    if axes != [axis] or ordered.attributes.get("axis", -1) != axis:
        return None
    n = x.shape[axis]
    if arguments.whole(count, "a count") != [n] or arguments.whole(places, "places") != [(n - 1) // 2, n // 2]:
        return None
    keepdims = bool(node.attributes.get("keepdims", 1))
    return graph.over_axes(arguments.tensor(graph, x), [axis], keepdims, "median")


def _orders(operands: list[Any]) -> tuple[list[Any], ...]:
    """Two operands in both orders."""
    return (operands, operands[::-1]) if len(operands) == 2 else ()


ENDINGS: dict[str, tuple[Recognise, ...]] = {
    "Add": (_one_plus_erf,),
    "Mul": (_silu, _gelu),
    "GatherElements": (_largest_magnitude,),
    "ReduceMean": (_median,),
}
"""Of what a node of an operator may be the last step."""
