"""What goes over whole axes: reductions, softmax, normalisation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.operators.arguments import Operation
from edgewise.formats.onnx.values import Node, Softmax
from edgewise.tensors import Tensor, TensorGraph, functions


def _over(graph: TensorGraph, x: Tensor, axes: list[int], keepdims: bool, aggregation: str) -> Tensor:
    if aggregation == "mean":
        return graph.mean(x, axes, keepdims)
    return graph.over_axes(x, axes, keepdims, aggregation)


def _reduce(aggregation: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(graph: TensorGraph, node: Node, x: Any, axes: Any = None) -> Any:
        keepdims = bool(node.attributes.get("keepdims", 1))
        chosen = arguments.parameter(node, "axes", axes)
        rank = len(x.shape)
        if not chosen:
            if node.attributes.get("noop_with_empty_axes", 0):
                return x
            chosen = list(range(rank))
        chosen = [arguments.axis(axis, rank) for axis in chosen]
        if isinstance(x, Tensor):
            return _over(graph, x, chosen, keepdims, aggregation)
        return np.asarray(function(x, axis=tuple(chosen), keepdims=keepdims)).astype(x.dtype)

    return reduce


def _global_pool(aggregation: str) -> Callable[..., Tensor]:
    def pool(graph: TensorGraph, node: Node, x: Any) -> Tensor:
        x = arguments.tensor(graph, x)
        return _over(graph, x, list(range(2, len(x.shape))), True, aggregation)

    return pool


def _softmax(graph: TensorGraph, node: Node, x: Any) -> Any:
    x = arguments.tensor(graph, x)
    rank = len(x.shape)
    axis = arguments.axis(node.attributes.get("axis", -1 if node.opset >= 13 else 1), rank)
    if node.opset < 13 and math.prod(x.shape[axis + 1 :]) != 1:
        raise GraphError("over several axes, as opsets before 13 have it")
    return Softmax(node.operator, x, axis)


def _batch_norm(graph: TensorGraph, node: Node, x: Any, scale: Any, shift: Any, mean: Any, variance: Any) -> Tensor:
    if node.attributes.get("training_mode", 0):
        raise GraphError("by the statistics of the batch")
    a, b, m, v = (arguments.constant(value, "a parameter") for value in (scale, shift, mean, variance))
    x = arguments.tensor(graph, x)
    return functions.batch_norm(graph, x, a, b, m, v, float(node.attributes.get("epsilon", 1e-5)))


def _layer_norm(graph: TensorGraph, node: Node, x: Any, scale: Any, shift: Any = None) -> Tensor:
    x = arguments.tensor(graph, x)
    first = arguments.axis(int(node.attributes.get("axis", -1)), len(x.shape))
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    made = functions.standardised(graph, x, list(range(first, len(x.shape))), epsilon)
    return graph.affine(
        made, arguments.constant(scale, "a scale"), 0.0 if shift is None else arguments.constant(shift, "a shift")
    )


def _instance_norm(graph: TensorGraph, node: Node, x: Any, scale: Any, shift: Any) -> Tensor:
    x = arguments.tensor(graph, x)
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    made = functions.standardised(graph, x, list(range(2, len(x.shape))), epsilon)
    numbers = [functions.per_channel(arguments.constant(value, "a parameter"), x) for value in (scale, shift)]
    return graph.affine(made, *numbers)


OPERATIONS: dict[str, Operation] = {
    "ReduceMean": _reduce("mean", np.mean),
    "ReduceSum": _reduce("sum", np.sum),
    "ReduceMax": _reduce("max", np.max),
    "ReduceMin": _reduce("min", np.min),
    "ReduceProd": _reduce("product", np.prod),
    "GlobalAveragePool": _global_pool("mean"),
    "GlobalMaxPool": _global_pool("max"),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
}
