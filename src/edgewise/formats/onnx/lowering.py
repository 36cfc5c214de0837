"""From the nodes of an ONNX program to values: tensors, constants, or what is pending."""

from typing import Any

import numpy as np

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import OPERATIONS
from edgewise.formats.onnx.operators.constants import FLOATS
from edgewise.formats.onnx.operators.patterns import ENDINGS
from edgewise.formats.onnx.values import Cause, Node, Origins, Pending, Softmax, causes_of
from edgewise.tensors import TensorGraph

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
WRONG = (
    GraphError,
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    OverflowError,
    AttributeError,
    ZeroDivisionError,
    MemoryError,
)
"""What a node with arguments that do not fit may end in."""


class Lowering:
    """Lowers one node after the other to nodes and arcs of a graph."""

    def __init__(self, graph: TensorGraph) -> None:
        self.graph = graph
        self.origins = Origins()

    def values(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The values that a node makes."""
        found = self._values(node, inputs)
        if found:
            self.origins.add(found[0], node.operator, inputs)
        return found

    def _values(self, node: Node, inputs: list[Any]) -> list[Any]:
        if node.domain not in DOMAINS:
            return _pending(node, inputs, "")
        if inputs and _hands_on(node, inputs[0]):
            return [inputs[0], *[None] * (node.n_outputs - 1)]
        try:
            for recognise in ENDINGS.get(node.operator, ()):
                found = recognise(self.graph, self.origins, node, inputs)
                if found is not None:
                    return [found]
            if node.operator not in OPERATIONS:
                return _pending(node, inputs, "")
            if any(isinstance(value, Pending) for value in inputs):
                return _pending(node, inputs, None)
            ready = [value.tensor(self.graph) if isinstance(value, Softmax) else value for value in inputs]
            made = OPERATIONS[node.operator](self.graph, node, *ready)
        except WRONG as error:
            return _pending(node, inputs, f"{error}" or type(error).__name__)
        if made is None:
            return _pending(node, inputs, "")
        return made if isinstance(made, list) else [made]


def _hands_on(node: Node, value: Any) -> bool:
    """Whether a node makes of a value that value, which may be pending."""
    if node.operator == "Cast":
        return node.attributes.get("to") in FLOATS and not isinstance(value, np.ndarray)
    return node.operator in ("Identity", "Dropout")


def _pending(node: Node, inputs: list[Any], reason: str | None) -> list[Any]:
    """What cannot be computed here: for a reason of its own, or only as something before it cannot."""
    causes = causes_of(inputs)
    if reason is not None:
        causes[Cause(node.operator, node.where, reason)] = None
    made = Pending(node.operator, [value for value in inputs if value is not None], causes, node.attributes)
    return [made] * max(node.n_outputs, 1)
