"""What only moves entries, of tensors and constants alike."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.formats.onnx.operators import arguments
from edgewise.formats.onnx.operators.arguments import Operation
from edgewise.formats.onnx.values import Node
from edgewise.tensors import Tensor, TensorGraph
from edgewise.tensors.graph import moved


def _moving(move: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that moves entries, of tensors and constants alike: move(node, entries, *operands)."""

    def operation(graph: TensorGraph, node: Node, x: Any, *operands: Any) -> Any:
        if x is None:
            raise GraphError("an input is missing")
        return moved(x, lambda e: np.asarray(move(node, e, *operands)))

    return operation


def _reshaped(node: Node, e: NDArray[Any], shape: Any) -> Any:
    sizes = arguments.whole(shape, "a shape")
    if not node.attributes.get("allowzero", 0):
        sizes = [e.shape[k] if size == 0 else size for k, size in enumerate(sizes)]
    return e.reshape(sizes)


def _flattened(node: Node, e: NDArray[Any]) -> Any:
    axis = int(node.attributes.get("axis", 1))
    if not -e.ndim <= axis <= e.ndim:
        raise GraphError(f"axis {axis} of a tensor with {e.ndim}")
    axis = axis + e.ndim if axis < 0 else axis
    return e.reshape(math.prod(e.shape[:axis]), math.prod(e.shape[axis:]))


def _transposed(node: Node, e: NDArray[Any]) -> Any:
    return np.transpose(e, node.attributes.get("perm"))


def _squeezed(node: Node, e: NDArray[Any], axes: Any = None) -> Any:
    chosen = arguments.parameter(node, "axes", axes)
    return np.squeeze(e, None if chosen is None else tuple(chosen))


def _unsqueezed(node: Node, e: NDArray[Any], axes: Any = None) -> Any:
    return np.expand_dims(e, tuple(arguments.parameter(node, "axes", axes) or ()))


def _sliced(
    node: Node, e: NDArray[Any], starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    first, last = arguments.parameter(node, "starts", starts), arguments.parameter(node, "ends", ends)
    if first is None or last is None or len(first) != len(last):
        raise GraphError("starts and ends that do not go together")
    along = arguments.parameter(node, "axes", axes)
    along = list(range(len(first))) if along is None else along
    strides = [1] * len(first) if steps is None else arguments.whole(steps, "steps")
    index = [slice(None)] * e.ndim
    for axis, start, end, step in zip(along, first, last, strides, strict=True):
        size = e.shape[arguments.axis(axis, e.ndim)]
        if step > 0:
            chosen = slice(start, end, step)
        else:  # towards the front, an end before the first entry
            chosen = slice(min(start, size - 1), None if end < -size else end, step)
        index[arguments.axis(axis, e.ndim)] = chosen
    return e[tuple(index)]


def _gather(graph: TensorGraph, node: Node, x: Any, indices: Any) -> Any:
    axis = arguments.axis(int(node.attributes.get("axis", 0)), len(x.shape))
    places = arguments.constant(indices, "indices")
    if places.dtype.kind not in "iu":
        raise GraphError(f"indices of type {places.dtype}")
    graph.room((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))
    return moved(x, lambda e: np.take(e, places, axis))


def _gather_elements(graph: TensorGraph, node: Node, x: Any, indices: Any) -> Any:
    axis = int(node.attributes.get("axis", 0))
    return moved(x, lambda e: np.take_along_axis(e, arguments.constant(indices, "indices"), axis))


def _split(graph: TensorGraph, node: Node, x: Any, sizes: Any = None) -> list[Any]:
    axis = arguments.axis(int(node.attributes.get("axis", 0)), len(x.shape))
    length = x.shape[axis]
    parts = arguments.parameter(node, "split", sizes)
    if parts is None:
        count = int(node.attributes.get("num_outputs", node.n_outputs))
        each = -(-length // count)
        parts = [min(each, length - k * each) for k in range(count)]
    if sum(parts) != length or min(parts, default=0) < 0 or len(parts) < node.n_outputs:
        raise GraphError(f"parts {parts} of an axis of {length}")
    ends = np.cumsum([0, *parts])
    every = [slice(None)] * axis

    def part(k: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return lambda e: e[(*every, slice(ends[k], ends[k + 1]))]

    return [moved(x, part(k)) for k in range(len(parts))]


def _concatenate(graph: TensorGraph, node: Node, *parts: Any) -> Any:
    axis = int(node.attributes.get("axis", 1 if node.opset < 4 else 0))
    if any(isinstance(part, Tensor) for part in parts):
        entries = [graph.tensor(part).entries for part in parts]
        return Tensor(np.concatenate(entries, axis))
    return np.concatenate([arguments.constant(part, "a part") for part in parts], axis)


def _expand(graph: TensorGraph, node: Node, x: Any, shape: Any) -> Any:
    full = np.broadcast_shapes(x.shape, tuple(arguments.whole(shape, "a shape")))
    graph.room(full)
    return moved(x, lambda e: np.broadcast_to(e, full).copy())


def _tile(graph: TensorGraph, node: Node, x: Any, repeats: Any) -> Any:
    times = arguments.whole(repeats, "repeats")
    if len(times) != len(x.shape) or min(times, default=0) < 0:
        raise GraphError(f"repeats {times} of a tensor of shape {x.shape}")
    graph.room([n * k for n, k in zip(x.shape, times, strict=True)])
    return moved(x, lambda e: np.tile(e, times))


def _pad(graph: TensorGraph, node: Node, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    x = arguments.tensor(graph, x)
    widths = arguments.parameter(node, "pads", pads) or []
    rank = len(x.shape)
    along = (
        list(range(rank)) if axes is None else [arguments.axis(axis, rank) for axis in arguments.whole(axes, "axes")]
    )
    if len(widths) != 2 * len(along):
        raise GraphError(f"pads {widths} of {len(along)} axes")
    pairs = [(0, 0)] * rank
    for k, axis in enumerate(along):
        pairs[axis] = (widths[k], widths[len(along) + k])
    mode = node.attributes.get("mode", "constant")
    if mode == "constant":
        if value is None or not value.size:
            value = np.asarray(node.attributes.get("value", 0.0))
        return graph.padded(x, pairs, arguments.number(value, "a value"))
    how = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}[mode]
    graph.room([n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True)])
    return x.moved(lambda e: np.pad(e, pairs, mode=how))  # type: ignore[call-overload]


def _depth_to_space(node: Node, e: NDArray[Any]) -> Any:
    b, c, h, w = e.shape
    r = int(node.attributes["blocksize"])
    if node.attributes.get("mode", "DCR") == "DCR":
        return e.reshape(b, r, r, c // (r * r), h, w).transpose(0, 3, 4, 1, 5, 2).reshape(b, c // (r * r), h * r, w * r)
    return e.reshape(b, c // (r * r), r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(b, c // (r * r), h * r, w * r)


def _where(graph: TensorGraph, node: Node, condition: Any, a: Any, b: Any) -> Any:
    chosen = arguments.constant(condition, "a condition").astype(bool)
    shape = np.broadcast_shapes(chosen.shape, a.shape, b.shape)
    graph.room(shape)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.where(chosen, a, b)
    return Tensor(np.where(chosen, arguments.tensor(graph, a).entries, arguments.tensor(graph, b).entries))


OPERATIONS: dict[str, Operation] = {
    "Concat": _concatenate,
    "Split": _split,
    "Slice": _moving(_sliced),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Reshape": _moving(_reshaped),
    "Flatten": _moving(_flattened),
    "Transpose": _moving(_transposed),
    "Squeeze": _moving(_squeezed),
    "Unsqueeze": _moving(_unsqueezed),
    "DepthToSpace": _moving(_depth_to_space),
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "Where": _where,
}
