"""Linear maps."""

from typing import Any

import numpy as np

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments, arithmetic
from edgewise.formats.onnx.operators.arguments import Operation
from edgewise.formats.onnx.values import Cause, Node, Pending, Softmax
from edgewise.tensors import Tensor, TensorGraph
from edgewise.tensors.graph import moved


def _matmul(graph: TensorGraph, node: Node, a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return graph.matmul(a, b)
    graph.room((a.size, b.shape[-1]))
    return np.matmul(a, b)


def _gemm(graph: TensorGraph, node: Node, a: Any, b: Any, c: Any = None) -> Any:
    a, b = (moved(x, np.transpose) if node.attributes.get(name, 0) else x for x, name in ((a, "transA"), (b, "transB")))
    alpha, beta = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("beta", 1.0))
    if alpha != 1:
        a, b = (a, b * alpha) if isinstance(b, np.ndarray) else (arithmetic.multiply(graph, a, np.array(alpha)), b)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise GraphError(f"a matrix product of shapes {a.shape} and {b.shape}")
    if c is None or not beta:
        return _matmul(graph, node, a, b)
    if isinstance(c, Tensor) or not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return arithmetic.add(graph, _matmul(graph, node, a, b), arithmetic.multiply(graph, c, np.array(beta)))
    shape = (a.shape[0], b.shape[1])
    if np.broadcast_shapes(c.shape, shape) != shape:
        raise GraphError(f"a matrix product of shape {shape} and a bias of shape {c.shape}")
    return graph.matmul(a, b, c if beta == 1 else c.astype(np.float64) * beta)


def _scaler(graph: TensorGraph, node: Node, x: Any) -> Tensor:
    offset, scale = (
        np.asarray(node.attributes.get(name, default)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    return graph.affine(arguments.tensor(graph, x), scale, -offset * scale)


def _regressor(graph: TensorGraph, node: Node, x: Any) -> Tensor:
    if node.attributes.get("post_transform", "NONE") != "NONE":
        raise GraphError(f"post_transform {node.attributes['post_transform']}")
    return _linear_of_ml(graph, node, x, int(node.attributes.get("targets", 1)))


def _linear_of_ml(graph: TensorGraph, node: Node, x: Any, targets: int) -> Tensor:
    x = arguments.tensor(graph, x)
    coefficients = np.asarray(node.attributes["coefficients"], np.float64).reshape(targets, x.shape[-1])
    return graph.matmul(x, coefficients.T, np.asarray(node.attributes.get("intercepts", 0.0)))


def _classifier(graph: TensorGraph, node: Node, x: Any) -> Any:
    """A linear classifier: its scores, and a label that is a head put on them."""
    kind = node.attributes.get("post_transform", "NONE")
    intercepts = node.attributes.get("intercepts")
    count = len(intercepts) if intercepts else len(node.attributes["coefficients"]) // x.shape[-1]
    labels = node.attributes.get("classlabels_ints") or node.attributes.get("classlabels_strings") or []
    if count != len(labels) or kind not in ("NONE", "SOFTMAX", "LOGISTIC"):
        raise GraphError(f"{count} scores for {len(labels)} classes with post_transform {kind}")
    scores: Any = _linear_of_ml(graph, node, x, count)
    if kind == "SOFTMAX":
        scores = Softmax("Softmax", scores, 1)
    elif kind == "LOGISTIC":
        scores = graph.activate(scores, "sigmoid")
    return [Pending("ArgMax", [scores], {Cause("ArgMax", node.where): None}), scores]


OPERATIONS: dict[str, Operation] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Scaler": _scaler,
    "LinearRegressor": _regressor,
    "LinearClassifier": _classifier,
}
