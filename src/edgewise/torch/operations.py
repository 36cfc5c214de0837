"""The operations of PyTorch's programs that a network can express, in terms of `edgewise.tensors`."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.tensors import Tensor, TensorGraph, functions, windows
from edgewise.tensors.graph import moved

Operation = Callable[..., Any]
"""(graph, *args, **named), as PyTorch has them but for tensors of nodes, to what the operation makes."""

# ---- arguments ----


def _numbers(constant: Any) -> Any:
    """Constants as NumPy's, which share PyTorch's memory, so that ties are seen; plain numbers as they are."""
    return constant.numpy() if isinstance(constant, torch.Tensor) else constant


def _value_of(operand: Any) -> Any:
    return operand if isinstance(operand, Tensor) else np.asarray(_numbers(operand))


def _each(given: Any, count: int) -> list[Any]:
    """One number for each axis, of which PyTorch takes one for all."""
    entries = list(given) if isinstance(given, list | tuple) else [given]
    return entries * count if len(entries) == 1 else entries


def _all_axes(x: Tensor, axes: Any) -> list[int]:
    if axes is None or axes == []:
        return list(range(len(x.shape)))
    return [axes] if isinstance(axes, int) else list(axes)


# ---- operations ----

Graph = TensorGraph


def _add(graph: Graph, a: Any, b: Any, *, alpha: float = 1.0) -> Tensor:
    return functions.add(graph, _numbers(a), _numbers(b), float(alpha))


def _subtract(graph: Graph, a: Any, b: Any, *, alpha: float = 1.0) -> Tensor:
    return _add(graph, a, b, alpha=-alpha)


def _reversed_subtract(graph: Graph, a: Any, b: Any, *, alpha: float = 1.0) -> Tensor:
    return _subtract(graph, b, a, alpha=alpha)


def _multiply(graph: Graph, a: Any, b: Any) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return graph.multiply(a, b)
    return graph.affine(a, _numbers(b)) if isinstance(a, Tensor) else graph.affine(b, _numbers(a))


def _divide(graph: Graph, a: Any, b: Any) -> Tensor:
    if isinstance(b, Tensor):
        return _multiply(graph, a, graph.activate(b, "reciprocal"))
    divisor = _numbers(b)
    return graph.affine(a, 1 / np.asarray(divisor, np.float64) if isinstance(b, torch.Tensor) else 1 / divisor)


def _power(graph: Graph, x: Tensor, exponent: Any) -> Tensor:
    if isinstance(exponent, Tensor | torch.Tensor):
        raise GraphError("a power that is a tensor")
    return functions.power(graph, x, float(exponent))


def _linear(graph: Graph, x: Any, weight: Any, bias: Any = None) -> Tensor:
    return _product(graph, x, moved(_value_of(weight), np.transpose), bias)


def _product(graph: Graph, a: Any, b: Any, bias: Any = None) -> Tensor:
    a, b = _value_of(a), _value_of(b)
    if isinstance(bias, Tensor):
        return graph.combine([(1.0, graph.matmul(a, b)), (1.0, bias)])
    return graph.matmul(a, b, 0.0 if bias is None else _numbers(bias))


def _add_product(graph: Graph, bias: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if alpha != 1 or beta != 1:
        raise GraphError("with alpha or beta other than 1")
    return _product(graph, a, b, bias)


def _convolution(
    graph: Graph,
    x: Tensor,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(weight, Tensor) or isinstance(bias, Tensor):
        raise GraphError("a convolution whose kernel depends on the input")
    kernel = _numbers(weight)
    n = kernel.ndim - 2
    if len(x.shape) != n + 2:
        raise GraphError(f"a convolution of a tensor of shape {x.shape}")
    strides, dilations = _each(stride, n), _each(dilation, n)
    if padding == "same":
        missing = [d * (k - 1) for d, k in zip(dilations, kernel.shape[2:], strict=True)]
        around = [(count // 2, count - count // 2) for count in missing]
    else:
        around = [(p, p) for p in ([0] * n if padding == "valid" else _each(padding, n))]
    axes = [windows.sliding(x.shape[2 + k], kernel.shape[2 + k], strides[k], around[k], dilations[k]) for k in range(n)]
    return windows.convolution(graph, x, kernel, axes, groups, 0.0 if bias is None else _numbers(bias))


def _core_convolution(graph: Graph, x: Tensor, weight: Any, bias: Any, *settings: Any) -> Tensor:
    stride, padding, dilation, transposed, _, groups = settings
    if transposed:
        raise GraphError("a transposed convolution")
    return _convolution(graph, x, weight, bias, stride, padding, dilation, groups)


def _sliding(
    x: Tensor, n: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> list[windows.Axis]:
    kernels = _each(kernel, n)
    strides = _each(stride, n) if stride not in (None, []) else kernels
    paddings, dilations = _each(padding, n), _each(dilation, n)
    return [
        windows.sliding(x.shape[k - n], kernels[k], strides[k], (paddings[k], paddings[k]), dilations[k], ceil)
        for k in range(n)
    ]


def _max_pool(n: int, indices: bool = False) -> Operation:
    def pool(
        graph: Graph, x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil: Any = False
    ) -> Any:
        made = windows.max_pool(graph, x, _sliding(x, n, kernel, stride, padding, dilation, ceil))
        return [made, None] if indices else made

    return pool


def _average_pool(n: int) -> Operation:
    def pool(
        graph: Graph, x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, ceil: Any = False, *settings: Any
    ) -> Tensor:
        axes = _sliding(x, n, kernel, stride, padding, 1, ceil)
        return windows.average_pool(graph, x, axes, *(settings or (True,)))  # count_include_pad, divisor_override

    return pool


def _adaptive(n: int, kind: Callable[..., Tensor], indices: bool = False) -> Operation:
    def pool(graph: Graph, x: Tensor, sizes: Any) -> Any:
        wanted = _each(sizes, n)
        made = kind(graph, x, [windows.adaptive(x.shape[k - n], wanted[k]) for k in range(n)])
        return [made, None] if indices else made

    return pool


def _batch_norm(graph: Graph, x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, *settings: Any) -> Tensor:
    training, _, eps = settings[:3]
    if training or mean is None or variance is None:
        raise GraphError("batch normalisation by the statistics of the batch")
    scale = 1.0 if weight is None else _numbers(weight)
    shift = 0.0 if bias is None else _numbers(bias)
    return functions.batch_norm(graph, x, scale, shift, _numbers(mean), _numbers(variance), eps)


def _layer_norm(
    graph: Graph, x: Tensor, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    axes = list(range(len(x.shape) - len(shape), len(x.shape)))
    made = functions.standardised(graph, x, axes, eps)
    return made if weight is None else graph.affine(made, _numbers(weight), 0.0 if bias is None else _numbers(bias))


def _group_norm(
    graph: Graph, x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    grouped = x.moved(lambda e: e.reshape(e.shape[0], groups, -1))
    made = functions.standardised(graph, grouped, [2], eps).moved(lambda e: e.reshape(x.shape))
    if weight is None:
        return made
    shift = 0.0 if bias is None else functions.per_channel(_numbers(bias), x)
    return graph.affine(made, functions.per_channel(_numbers(weight), x), shift)


def _mean(graph: Graph, x: Tensor, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return graph.mean(x, _all_axes(x, axes), keepdim)


def _sum(graph: Graph, x: Tensor, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return graph.over_axes(x, _all_axes(x, axes), keepdim)


def _extreme_over(aggregation: str) -> Callable[..., Tensor]:
    return lambda graph, x, axes=None, keepdim=False: graph.over_axes(x, _all_axes(x, axes), keepdim, aggregation)


def _extreme(aggregation: str) -> Callable[..., Tensor]:
    return lambda graph, a, b: functions.extreme(graph, [_value_of(a), _value_of(b)], aggregation)


def _clamp(graph: Graph, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    if any(isinstance(bound, Tensor | torch.Tensor) for bound in (low, high)):
        raise GraphError("bounds that are tensors")
    return functions.clip(graph, x, low, high)


def _prelu(graph: Graph, x: Tensor, weight: Any) -> Tensor:
    slope = _numbers(weight)
    return functions.leaky_relu(graph, x, functions.per_channel(slope, x) if slope.size > 1 else slope.reshape(()))


def _softmax(kind: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda graph, x, axis, *_, **__: kind(graph, x, axis)


def _concatenate(graph: Graph, tensors: Sequence[Any], axis: int = 0) -> Tensor:
    entries = [graph.tensor(_value_of(x)).entries for x in tensors]
    rank = max(e.ndim for e in entries)
    return Tensor(np.concatenate([e for e in entries if e.ndim == rank], axis))


def _stack(graph: Graph, tensors: Sequence[Any], axis: int = 0) -> Tensor:
    return Tensor(np.stack([graph.tensor(_value_of(x)).entries for x in tensors], axis))


def _split(graph: Graph, x: Tensor, sizes: Any, axis: int = 0) -> list[Tensor]:
    length = x.shape[axis]
    ends = range(sizes, length, sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1]
    return [Tensor(part) for part in np.split(x.entries, list(ends), axis)]


def _chunk(graph: Graph, x: Tensor, chunks: int, axis: int = 0) -> list[Tensor]:
    return _split(graph, x, -(-x.shape[axis] // chunks), axis)


def _slice(graph: Graph, x: Tensor, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(start, end, step)
    return x.moved(lambda e: e[tuple(index)])


def _flatten(graph: Graph, x: Tensor, start: int = 0, end: int = -1) -> Tensor:
    rank = len(x.shape)
    if not rank:
        return x.moved(lambda e: e.reshape(1))
    first, last = start % rank, end % rank
    return x.moved(lambda e: e.reshape(*e.shape[:first], -1, *e.shape[last + 1 :]))


def _squeeze(graph: Graph, x: Tensor, axes: Any = None) -> Tensor:
    chosen = [axis % len(x.shape) for axis in _all_axes(x, axes)]
    return x.moved(lambda e: np.squeeze(e, tuple(axis for axis in chosen if e.shape[axis] == 1)))


def _expand(graph: Graph, x: Tensor, sizes: Sequence[int], **_: Any) -> Tensor:
    offset = len(sizes) - len(x.shape)
    shape = [x.shape[k - offset] if size == -1 else size for k, size in enumerate(sizes)]
    return x.moved(lambda e: np.broadcast_to(e, shape))


def _pad(graph: Graph, x: Tensor, pads: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    pairs = [(pads[k], pads[k + 1]) for k in range(0, len(pads), 2)]
    widths = [(0, 0)] * (len(x.shape) - len(pairs)) + pairs[::-1]
    if mode != "constant":
        how = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
        if min(map(min, widths)) < 0:
            raise GraphError("padding that is negative")
        return x.moved(lambda e: np.pad(e, widths, mode=how))  # type: ignore[call-overload]
    return graph.padded(x, widths, 0.0 if value is None else float(value))


def _moving(move: Callable[..., NDArray[Any]]) -> Callable[..., Tensor]:
    """An operation that only moves entries."""
    return lambda graph, x, *args, **_: x.moved(lambda e: move(e, *args))


def _as_is(graph: Graph, x: Any, *_: Any, **__: Any) -> Any:
    return x


def _nothing(graph: Graph, *_: Any, **__: Any) -> None:
    return None


def _dropout(graph: Graph, x: Tensor, probability: float, training: bool = False) -> Tensor:
    if training and probability:
        raise GraphError("dropout in training mode")
    return x


def _of_table(name: str) -> Callable[..., Tensor]:
    return lambda graph, x: graph.activate(x, name)


def _item(graph: Graph, values: Any, k: int) -> Any:
    return values[k]


# of the same name in PyTorch
_TABLE_NAMES = ("sigmoid", "tanh", "relu", "silu", "exp", "log", "sqrt", "square", "reciprocal", "abs", "sin", "cos")


def _operations() -> dict[Any, Operation]:
    aten = torch.ops.aten
    table: dict[str, Operation] = {
        "add.Tensor add.Scalar": _add,
        "sub.Tensor sub.Scalar": _subtract,
        "rsub.Scalar rsub.Tensor": _reversed_subtract,
        "mul.Tensor mul.Scalar": _multiply,
        "div.Tensor div.Scalar": _divide,
        "neg.default": lambda graph, x: graph.affine(x, -1.0),
        "pow.Tensor_Scalar": _power,
        "rsqrt.default": lambda graph, x: functions.power(graph, x, -0.5),
        "linear.default": _linear,
        "mm.default bmm.default matmul.default mv.default dot.default": _product,
        "addmm.default baddbmm.default": _add_product,
        "conv1d.default conv2d.default conv3d.default conv1d.padding conv2d.padding conv3d.padding": _convolution,
        "convolution.default": _core_convolution,
        "max_pool1d.default": _max_pool(1),
        "max_pool2d.default": _max_pool(2),
        "max_pool3d.default": _max_pool(3),
        "max_pool1d_with_indices.default": _max_pool(1, indices=True),
        "max_pool2d_with_indices.default": _max_pool(2, indices=True),
        "max_pool3d_with_indices.default": _max_pool(3, indices=True),
        "avg_pool1d.default": _average_pool(1),
        "avg_pool2d.default": _average_pool(2),
        "avg_pool3d.default": _average_pool(3),
        "adaptive_avg_pool1d.default": _adaptive(1, windows.average_pool),
        "adaptive_avg_pool2d.default _adaptive_avg_pool2d.default": _adaptive(2, windows.average_pool),
        "adaptive_avg_pool3d.default _adaptive_avg_pool3d.default": _adaptive(3, windows.average_pool),
        "adaptive_max_pool1d.default": _adaptive(1, windows.max_pool, indices=True),
        "adaptive_max_pool2d.default": _adaptive(2, windows.max_pool, indices=True),
        "batch_norm.default": _batch_norm,
        "layer_norm.default": _layer_norm,
        "group_norm.default": _group_norm,
        "mean.dim mean.default": _mean,
        "sum.dim_IntList sum.default": _sum,
        "amax.default max.default": _extreme_over("max"),
        "amin.default min.default": _extreme_over("min"),
        "maximum.default max.other": _extreme("max"),
        "minimum.default min.other": _extreme("min"),
        "clamp.default hardtanh.default": _clamp,
        "clamp_min.default": lambda graph, x, low: _clamp(graph, x, low),
        "clamp_max.default": lambda graph, x, high: _clamp(graph, x, None, high),
        "relu6.default": lambda graph, x: functions.clip(graph, x, 0.0, 6.0),
        "leaky_relu.default": lambda graph, x, slope=0.01: functions.leaky_relu(graph, x, slope),
        "prelu.default": _prelu,
        "elu.default": functions.elu,
        "selu.default": _of_table("selu"),
        "celu.default": lambda graph, x, alpha=1.0: functions.celu(graph, x, alpha),
        "gelu.default": functions.gelu,
        "softplus.default": lambda graph, x, beta=1.0, threshold=20.0: functions.softplus(graph, x, beta),
        "log_sigmoid.default": functions.log_sigmoid,
        "hardsigmoid.default": functions.hard_sigmoid,
        "hardswish.default": functions.hard_swish,
        "mish.default": functions.mish,
        "softmax.int _softmax.default": _softmax(functions.softmax),
        "log_softmax.int _log_softmax.default": _softmax(functions.log_softmax),
        "cat.default concat.default": _concatenate,
        "stack.default": _stack,
        "split.Tensor split.sizes split_with_sizes.default": _split,
        "chunk.default": _chunk,
        "unbind.int": lambda graph, x, axis=0: [Tensor(part) for part in np.moveaxis(x.entries, axis, 0)],
        "slice.Tensor": _slice,
        "select.int": _moving(lambda e, axis, index: np.take(e, index, axis)),
        "narrow.default": lambda graph, x, axis, start, length: _slice(graph, x, axis, start, start + length),
        "index_select.default": _moving(lambda e, axis, index: np.take(e, index.numpy(), axis)),
        "flip.default": _moving(lambda e, axes: np.flip(e, axes)),
        "roll.default": _moving(lambda e, shifts, axes=None: np.roll(e, shifts, axes or None)),
        "flatten.using_ints": _flatten,
        "view.default reshape.default _unsafe_view.default": _moving(lambda e, shape: e.reshape(shape)),
        "unflatten.int": _moving(
            lambda e, axis, sizes: e.reshape(*e.shape[: axis % e.ndim], *sizes, *e.shape[axis % e.ndim + 1 :])
        ),
        "permute.default": _moving(np.transpose),
        "transpose.int": _moving(np.swapaxes),
        "t.default numpy_T.default": _moving(np.transpose),
        "movedim.int movedim.intlist": _moving(np.moveaxis),
        "squeeze.default squeeze.dim squeeze.dims": _squeeze,
        "unsqueeze.default": lambda graph, x, axis: x.moved(lambda e: np.expand_dims(e, axis)),
        "expand.default": _expand,
        "repeat.default tile.default": _moving(np.tile),
        "pad.default": _pad,
        "constant_pad_nd.default": lambda graph, x, pads, value=0: _pad(graph, x, pads, "constant", value),
        "pixel_shuffle.default": _moving(lambda e, r: _pixels(e, r)),
        "dropout.default alpha_dropout.default feature_dropout.default feature_alpha_dropout.default": _dropout,
        "clone.default contiguous.default alias.default detach.default detach_.default lift_fresh_copy.default "
        "to.dtype to.dtype_layout to.device _to_copy.default": _as_is,
        "_assert_tensor_metadata.default": _nothing,
    }
    found: dict[Any, Operation] = {operator.getitem: _item}
    for names, operation in table.items():
        for name in names.split():
            base, _, overload = name.partition(".")
            if hasattr(aten, base) and overload in getattr(aten, base).overloads():
                found[getattr(getattr(aten, base), overload)] = operation
    for name in _TABLE_NAMES:
        found[getattr(aten, name).default] = _of_table(name)
    return found


def _pixels(e: NDArray[Any], r: int) -> NDArray[Any]:
    *lead, c, h, w = e.shape
    split = e.reshape(*lead, c // (r * r), r, r, h, w)
    n = len(lead)
    return split.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2).reshape(*lead, c // (r * r), h * r, w * r)


OPERATIONS = _operations()
