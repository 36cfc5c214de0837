"""Activations, as they are written and as they are read."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewise import activations
from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments, patterns
from edgewise.formats.onnx.operators.arguments import Operation, calculated
from edgewise.formats.onnx.program import Program
from edgewise.formats.onnx.values import Node
from edgewise.tensors import Tensor, TensorGraph, Value, functions

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": activations.LEAKY_SLOPE}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": activations.SELU_ALPHA, "gamma": activations.SELU_SCALE}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "exp": ("Exp", {}),
    "log": ("Log", {}),
    "sqrt": ("Sqrt", {}),
    "reciprocal": ("Reciprocal", {}),
    "abs": ("Abs", {}),
    "sin": ("Sin", {}),
    "cos": ("Cos", {}),
}
"""What is one operator of ONNX, and its attributes."""

# ---- written ----


Composed = Callable[[Program, str], str]


def _five(p: Program, s: str) -> str:
    """What neat-python takes the sine of."""
    return p.op("Clip", p.op("Mul", s, 5.0), -60.0, 60.0)


_COMPOSED: dict[str, Composed] = {
    "hard_tanh": lambda p, s: p.op("Clip", s, -1.0, 1.0),
    "clamped": lambda p, s: p.op("Clip", s, -1.0, 1.0),
    "silu": patterns.write_silu,
    "gelu": patterns.write_gelu,
    "hat": lambda p, s: p.op("Relu", p.op("Sub", 1.0, p.op("Abs", s))),
    "gaussian": lambda p, s: p.op("Exp", p.op("Neg", p.op("Mul", s, s))),
    "square": lambda p, s: p.op("Mul", s, s),
    "cube": lambda p, s: p.op("Mul", p.op("Mul", s, s), s),
    "neat_sin": lambda p, s: p.op("Sin", _five(p, s)),
    "neat_softplus": lambda p, s: p.op("Mul", p.op("Log", p.op("Add", p.op("Exp", _five(p, s)), 1.0)), 0.2),
    "neat_lelu": lambda p, s: p.op("LeakyRelu", s, alpha=0.005),
    "neat_log": lambda p, s: p.op("Log", p.op("Max", s, 1e-7)),
    "neat_exp": lambda p, s: p.op("Exp", p.op("Clip", s, -60.0, 60.0)),
}


def _below(p: Program, s: str) -> str:
    """exp(s) − 1 where s is negative, 0 elsewhere."""
    return p.op("Sub", p.op("Exp", p.op("Min", s, 0.0)), 1.0)


def _selu_in_double(p: Program, s: str) -> str:
    scaled = p.op("Mul", _below(p, s), activations.SELU_ALPHA)
    return p.op("Mul", p.op("Add", p.op("Relu", s), scaled), activations.SELU_SCALE)


_IN_DOUBLE: dict[str, Composed] = {
    "elu": lambda p, s: p.op("Add", p.op("Relu", s), _below(p, s)),
    "selu": _selu_in_double,
    "softsign": lambda p, s: p.op("Div", s, p.op("Add", p.op("Abs", s), 1.0)),
    "softplus": lambda p, s: p.op(
        "Add", p.op("Relu", s), p.op("Log", p.op("Add", p.op("Exp", p.op("Neg", p.op("Abs", s))), 1.0))
    ),
}
"""What onnxruntime computes in single precision alone, of operators that it computes in double."""

WRITTEN = frozenset(("identity", *OPERATORS, *_COMPOSED))
"""The activations that can be written."""


def write_activation(program: Program, activation: str, s: str) -> str:
    """The value Φ(s) in the program."""
    if activation == "identity":
        return s
    if activation in _COMPOSED:
        return _COMPOSED[activation](program, s)
    if program.dtype == np.float64 and activation in _IN_DOUBLE:
        return _IN_DOUBLE[activation](program, s)
    operator, attributes = OPERATORS[activation]
    return program.op(operator, s, **attributes)


# ---- read ----


def _of_table(activation: str) -> Operation:
    of_constants = getattr(np, activation, None)  # NumPy calls those that it has by the same names

    def operation(graph: TensorGraph, node: Node, x: Any) -> Value:
        if isinstance(x, np.ndarray) and of_constants is not None:
            return calculated(graph, of_constants, x)
        return graph.activate(arguments.tensor(graph, x), activation)

    return operation


def _with(function: Callable[..., Tensor], **defaults: float) -> Operation:
    """A function of one tensor whose numbers are attributes, in this order, with these defaults."""

    def operation(graph: TensorGraph, node: Node, x: Any) -> Tensor:
        numbers = [float(node.attributes.get(name, default)) for name, default in defaults.items()]
        return function(graph, arguments.tensor(graph, x), *numbers)

    return operation


def _prelu(graph: TensorGraph, node: Node, x: Any, slope: Any) -> Tensor:
    number = arguments.scalar(arguments.constant(slope, "a slope"))
    return functions.leaky_relu(graph, arguments.tensor(graph, x), slope if number is None else number)


def _gelu(graph: TensorGraph, node: Node, x: Any) -> Tensor:
    return functions.gelu(graph, arguments.tensor(graph, x), node.attributes.get("approximate", "none"))


def _swish(graph: TensorGraph, node: Node, x: Any) -> Tensor:
    if node.attributes.get("alpha", 1.0) != 1:
        raise GraphError("with alpha other than 1")
    return graph.activate(arguments.tensor(graph, x), "silu")


def _clip(graph: TensorGraph, node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    low, high = (
        node.attributes.get(name) if given is None else arguments.number(given, "a bound")
        for name, given in (("min", low), ("max", high))
    )
    if not isinstance(x, Tensor):
        return np.clip(x, low, high).astype(x.dtype)
    most = float(np.finfo(np.float32).max)
    low, high = (None if bound is None or abs(bound) >= most else bound for bound in (low, high))
    return functions.clip(graph, x, low, high)


OPERATIONS: dict[str, Operation] = {
    **{operator: _of_table(name) for name, (operator, attributes) in OPERATORS.items() if not attributes},
    "LeakyRelu": _with(functions.leaky_relu, alpha=0.01),
    "PRelu": _prelu,
    "Elu": _with(functions.elu, alpha=1.0),
    "Selu": _with(functions.elu, alpha=1.6732632, gamma=1.050701),
    "Celu": _with(functions.celu, alpha=1.0),
    "HardSigmoid": _with(functions.hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": _with(functions.hard_swish),
    "Mish": _with(functions.mish),
    "Gelu": _gelu,
    "Swish": _swish,
    "Clip": _clip,
}
