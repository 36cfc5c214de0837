"""Convolutions and pools."""

from collections.abc import Sequence
from typing import Any

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.operators.arguments import Operation
from edgewise.formats.onnx.values import Cause, Node, Pending
from edgewise.tensors import Tensor, TensorGraph, windows


def _windows(node: Node, x: Tensor, kernel: Sequence[int]) -> list[windows.Axis]:
    n = len(kernel)
    if len(x.shape) != n + 2:
        raise GraphError(f"windows over {n} axes of a tensor of shape {x.shape}")
    strides = arguments.whole(node.attributes.get("strides", [1] * n), "strides")
    dilations = arguments.whole(node.attributes.get("dilations", [1] * n), "dilations")
    pads = arguments.whole(node.attributes.get("pads", [0] * 2 * n), "pads")
    how, ceil = node.attributes.get("auto_pad", "NOTSET"), bool(node.attributes.get("ceil_mode", 0))
    if not len(strides) == len(dilations) == len(pads) // 2 == n or min(pads, default=0) < 0:
        raise GraphError(f"strides {strides}, dilations {dilations}, pads {pads} of {n} axes")
    found = []
    for k, size in enumerate(x.shape[2:]):
        before, after = pads[k], pads[n + k]
        if how in ("SAME_UPPER", "SAME_LOWER"):
            steps = -(-size // max(strides[k], 1))
            missing = max((steps - 1) * strides[k] + (kernel[k] - 1) * dilations[k] + 1 - size, 0)
            before, after = missing // 2, missing - missing // 2
            if how == "SAME_LOWER":
                before, after = after, before
        elif how == "VALID":
            before = after = 0
        reach = size + before + after
        if reach * max(kernel[k], 1) > 2**31:
            raise GraphError(f"windows on an axis of {reach}")
        found.append(windows.sliding(size, kernel[k], strides[k], (before, after), dilations[k], ceil))
    return found


def _convolution(graph: TensorGraph, node: Node, x: Any, kernel: Any, bias: Any = None) -> Tensor:
    x, kernel = arguments.tensor(graph, x), arguments.constant(kernel, "a kernel")
    shape = node.attributes.get("kernel_shape", list(kernel.shape[2:]))
    if list(shape) != list(kernel.shape[2:]) or not shape:
        raise GraphError(f"a kernel of shape {kernel.shape} with kernel_shape {shape}")
    axes = _windows(node, x, kernel.shape[2:])
    shift: Any = 0.0 if bias is None else arguments.constant(bias, "a bias")
    return windows.convolution(graph, x, kernel, axes, int(node.attributes.get("group", 1)), shift)


def _average_pool(graph: TensorGraph, node: Node, x: Any) -> Tensor:
    x = arguments.tensor(graph, x)
    axes = _windows(node, x, arguments.whole(node.attributes["kernel_shape"], "kernel_shape"))
    return windows.average_pool(graph, x, axes, bool(node.attributes.get("count_include_pad", 0)))


def _max_pool(graph: TensorGraph, node: Node, x: Any) -> list[Any]:
    x = arguments.tensor(graph, x)
    axes = _windows(node, x, arguments.whole(node.attributes["kernel_shape"], "kernel_shape"))
    made = windows.max_pool(graph, x, axes)
    places = Pending("MaxPool", [], {Cause("MaxPool", node.where, "where the maxima are"): None})
    return [made, places][: max(node.n_outputs, 1)]


OPERATIONS: dict[str, Operation] = {
    "Conv": _convolution,
    "AveragePool": _average_pool,
    "MaxPool": _max_pool,
}
