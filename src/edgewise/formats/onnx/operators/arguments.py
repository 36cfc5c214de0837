"""What an operator is given: tensors, constants, attributes, each as the kind that is asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.formats.onnx.values import Node
from edgewise.tensors import Tensor, TensorGraph

Operation = Callable[..., Any]
"""(graph, node, *inputs) to the value that the node makes, or a list of several; None where it can only be a head.

The inputs are tensors, constants, and None where an optional one is left out. GraphError for what cannot be expressed.
"""


def tensor(graph: TensorGraph, given: Any) -> Tensor:
    """A tensor, made of constants if need be."""
    if given is None:
        raise GraphError("an input is missing")
    return graph.tensor(given)


def constant(given: Any, what: str) -> NDArray[Any]:
    if not isinstance(given, np.ndarray):
        raise GraphError(f"{what} that depends on the input" if isinstance(given, Tensor) else f"{what} is missing")
    return given


def whole(given: Any, what: str) -> list[int]:
    """Whole numbers, from an attribute or a constant."""
    array = np.asarray(given if isinstance(given, list | int) else constant(given, what))
    if array.dtype.kind not in "iu" and array.size:
        raise GraphError(f"{what} that are not whole numbers")
    return [int(k) for k in array.reshape(-1)]


def number(given: Any, what: str) -> float:
    array = constant(given, what)
    if array.size != 1:
        raise GraphError(f"{what} of shape {array.shape} instead of one number")
    return float(array.reshape(()))


def scalar(given: Any) -> float | None:
    """A constant that is one number, as such."""
    return float(given.reshape(())) if isinstance(given, np.ndarray) and given.size == 1 else None


def parameter(node: Node, name: str, operand: Any) -> list[int] | None:
    """Whole numbers that older opsets have as an attribute and newer ones as an input; None if neither is there."""
    given = node.attributes.get(name)
    if given is None:
        given = operand
    return None if given is None else whole(given, name)


def axis(given: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= given < rank:
        raise GraphError(f"axis {given} of a tensor with {rank}")
    return given % rank


def calculated(graph: TensorGraph, function: Callable[..., Any], *operands: NDArray[Any]) -> NDArray[Any]:
    """NumPy's function of constants, entry by entry."""
    graph.room(np.broadcast_shapes(*(a.shape for a in operands)))
    made: NDArray[Any] = np.asarray(function(*operands))
    return made.astype(operands[0].dtype) if made.dtype.kind == "f" and operands[0].dtype.kind == "f" else made
