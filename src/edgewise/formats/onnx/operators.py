"""The operators of ONNX that a network can express, in terms of `edgewise.tensors`; of constants alone, in NumPy's."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import GraphError
from edgewise.formats.onnx.values import Cause, Node, Pending, Softmax, causes_of
from edgewise.tensors import Tensor, TensorGraph, functions, windows
from edgewise.tensors.graph import moved

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
FLOATS = {1: np.float32, 10: np.float32, 11: np.float64, 16: np.float32}  # ONNX's codes; half precision becomes single
INTEGERS = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 13: np.uint64}
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


class Program:
    """The graph in the making, and which operator made which value of which."""

    def __init__(self, graph: TensorGraph) -> None:
        self.graph = graph
        self.origin: dict[int, tuple[str, list[Any]]] = {}

    def made_by(self, value: Any, operator: str) -> list[Any] | None:
        """What the operator made this value of, if it did."""
        found = self.origin.get(id(value))
        return found[1] if found is not None and found[0] == operator else None

    def apply(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The values that a node makes."""
        results = self._results(node, inputs)
        for value in results[:1]:
            self.origin.setdefault(id(value), (node.operator, inputs))
        return results

    def _results(self, node: Node, inputs: list[Any]) -> list[Any]:
        waits = any(isinstance(value, Pending) for value in inputs)
        if node.operator in _PATTERNS:
            found = _PATTERNS[node.operator](self, node, inputs)
            if found is not None:
                return [found]
        through = node.operator in _AS_IS or (node.operator == "Cast" and node.attributes.get("to") in FLOATS)
        if through and inputs and not isinstance(inputs[0], np.ndarray):
            return [inputs[0], *[None] * (node.n_outputs - 1)]
        operation = _TABLE.get(node.operator) if node.domain in DOMAINS else None
        if operation is None:
            return self._pending(node, inputs, "")
        if waits:
            return self._pending(node, inputs, None)
        ready = [value.tensor(self.graph) if isinstance(value, Softmax) else value for value in inputs]
        try:
            made = operation(self, node, *ready)
        except WRONG as error:
            return self._pending(node, inputs, f"{error}" or type(error).__name__)
        if made is None:  # a head
            return self._pending(node, inputs, "")
        return made if isinstance(made, list) else [made]

    def _pending(self, node: Node, inputs: list[Any], reason: str | None) -> list[Any]:
        """What cannot be computed here: for a reason of its own, or only as something before it cannot."""
        causes = causes_of(inputs)
        if reason is not None:
            causes[Cause(node.operator, node.where, reason)] = None
        made = Pending(node.operator, [value for value in inputs if value is not None], causes, node.attributes)
        return [made] * max(node.n_outputs, 1)


# ---- arguments ----


def _constant(value: Any, what: str) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise GraphError(f"{what} that depends on the input" if isinstance(value, Tensor) else f"{what} is missing")
    return value


def _whole(value: Any, what: str) -> list[int]:
    """Whole numbers, from an attribute or a constant."""
    array = np.asarray(value if isinstance(value, list | int) else _constant(value, what))
    if array.dtype.kind not in "iu" and array.size:
        raise GraphError(f"{what} that are not whole numbers")
    return [int(k) for k in array.reshape(-1)]


def _number(value: Any, what: str) -> float:
    array = _constant(value, what)
    if array.size != 1:
        raise GraphError(f"{what} of shape {array.shape} instead of one number")
    return float(array.reshape(()))


def _scalar(value: Any) -> float | None:
    """A constant that is one number, as such."""
    return float(value.reshape(())) if isinstance(value, np.ndarray) and value.size == 1 else None


def _parameter(node: Node, name: str, operand: Any, what: str) -> list[int] | None:
    """What older opsets have as an attribute and newer ones as an input."""
    given = node.attributes.get(name)
    if given is None:
        given = operand
    return None if given is None else _whole(given, what)


def _tensor(program: Program, value: Any) -> Tensor:
    if value is None:
        raise GraphError("an input is missing")
    return program.graph.tensor(value)


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise GraphError(f"axis {axis} of a tensor with {rank}")
    return axis % rank


# ---- arithmetic ----


def _calculated(program: Program, function: Callable[..., Any], *operands: NDArray[Any]) -> NDArray[Any]:
    """NumPy's function of constants."""
    program.graph.room(np.broadcast_shapes(*(a.shape for a in operands)))
    made: NDArray[Any] = np.asarray(function(*operands))
    return made.astype(operands[0].dtype) if made.dtype.kind == "f" and operands[0].dtype.kind == "f" else made


def _add(program: Program, node: Node, a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return program.graph.combine([(1.0, a), (1.0, b)])
    if isinstance(a, Tensor):
        return program.graph.affine(a, shift=_constant(b, "a term"))
    return program.graph.affine(b, shift=a) if isinstance(b, Tensor) else _calculated(program, np.add, a, b)


def _subtract(program: Program, node: Node, a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return program.graph.combine([(1.0, a), (-1.0, b)])
    if isinstance(a, Tensor):
        return program.graph.affine(a, shift=-_constant(b, "a term").astype(np.float64))
    return program.graph.affine(b, -1.0, a) if isinstance(b, Tensor) else _calculated(program, np.subtract, a, b)


def _scaled(program: Program, x: Tensor, factor: Any) -> Tensor:
    number = _scalar(_constant(factor, "a factor"))
    made = program.graph.affine(x, factor if number is None else number)
    rank = max(len(x.shape), np.ndim(factor))
    return made.moved(lambda e: e.reshape((1,) * (rank - e.ndim) + e.shape))


def _multiply(program: Program, node: Node, a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return program.graph.multiply(a, b)
    if isinstance(a, Tensor):
        return _scaled(program, a, b)
    return _scaled(program, b, a) if isinstance(b, Tensor) else _calculated(program, np.multiply, a, b)


def _quotient(a: NDArray[Any], b: NDArray[Any]) -> Any:
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if (b == 0).any():
            raise GraphError("a division by 0")
        return (np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b)).astype(a.dtype)  # towards 0
    return np.divide(a, b)


def _divide(program: Program, node: Node, a: Any, b: Any) -> Any:
    if isinstance(b, Tensor):
        return _multiply(program, node, a, program.graph.activate(b, "reciprocal"))
    if isinstance(a, Tensor):
        return _scaled(program, a, np.asarray(1 / _constant(b, "a divisor").astype(np.float64)))
    return _calculated(program, _quotient, a, b)


def _power(program: Program, node: Node, x: Any, exponent: Any) -> Any:
    if isinstance(x, Tensor):
        found = functions.power(program.graph, x, _number(exponent, "an exponent"))
        if found is None:
            raise GraphError(f"a power of {_number(exponent, 'an exponent')}")
        return found
    return _calculated(program, np.power, x, _constant(exponent, "an exponent"))


def _extreme(aggregation: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(program: Program, node: Node, *operands: Any) -> Any:
        if any(isinstance(x, Tensor) for x in operands):
            return functions.extreme(program.graph, operands, aggregation)
        made = operands[0]
        for x in operands[1:]:
            made = _calculated(program, function, made, x)
        return made

    return extreme


def _sum(program: Program, node: Node, *operands: Any) -> Any:
    made = operands[0]
    for x in operands[1:]:
        made = _add(program, node, made, x)
    return made


def _mean(program: Program, node: Node, *operands: Any) -> Any:
    return _multiply(program, node, _sum(program, node, *operands), np.array(1 / len(operands)))


def _elementwise(activation: str, function: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """An activation of the table, and what it is of constants."""

    def operation(program: Program, node: Node, x: Any) -> Any:
        if isinstance(x, Tensor):
            return program.graph.activate(x, activation)
        if function is None:
            return program.graph.activate(_tensor(program, x), activation)
        return _calculated(program, function, x)

    return operation


def _of_constants(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that shapes are calculated with, and that a network does not have."""

    def operation(program: Program, node: Node, *operands: Any) -> Any:
        return _calculated(program, function, *(_constant(x, "an operand") for x in operands))

    return operation


# ---- activations with parameters ----


def _clip(program: Program, node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    bounds = [
        node.attributes.get(name) if given is None else _number(given, "a bound")
        for name, given in (("min", low), ("max", high))
    ]
    if isinstance(x, Tensor):
        most = float(np.finfo(np.float32).max)
        open_ended = [None if bound is None or abs(bound) >= most else bound for bound in bounds]
        return functions.clip(program.graph, x, open_ended[0], open_ended[1])
    return np.clip(x, bounds[0], bounds[1]).astype(x.dtype)


def _prelu(program: Program, node: Node, x: Any, slope: Any) -> Tensor:
    number = _scalar(_constant(slope, "a slope"))
    return functions.leaky_relu(program.graph, _tensor(program, x), slope if number is None else number)


def _with(function: Callable[..., Tensor], **defaults: float) -> Callable[..., Tensor]:
    """A function of one tensor whose numbers are attributes, in this order, with these defaults."""

    def operation(program: Program, node: Node, x: Any) -> Tensor:
        numbers = [float(node.attributes.get(name, default)) for name, default in defaults.items()]
        return function(program.graph, _tensor(program, x), *numbers)

    return operation


def _selu(graph: TensorGraph, x: Tensor, alpha: float, gamma: float) -> Tensor:
    return functions.elu(graph, x, alpha, gamma)


def _gelu(program: Program, node: Node, x: Any) -> Tensor:
    return functions.gelu(program.graph, _tensor(program, x), node.attributes.get("approximate", "none"))


def _swish(program: Program, node: Node, x: Any) -> Tensor:
    if node.attributes.get("alpha", 1.0) != 1:
        raise GraphError("with alpha other than 1")
    return program.graph.activate(_tensor(program, x), "silu")


def _softmax(program: Program, node: Node, x: Any) -> Any:
    x = _tensor(program, x)
    rank = len(x.shape)
    axis = _axis(node.attributes.get("axis", -1 if node.opset >= 13 else 1), rank)
    if node.opset < 13 and math.prod(x.shape[axis + 1 :]) != 1:
        raise GraphError("over several axes, as opsets before 13 have it")
    return Softmax(node.operator, x, axis)


# ---- linear maps ----


def _matmul(program: Program, node: Node, a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return program.graph.matmul(a, b)
    program.graph.room((a.size, b.shape[-1]))
    return np.matmul(a, b)


def _gemm(program: Program, node: Node, a: Any, b: Any, c: Any = None) -> Any:
    a, b = (moved(x, np.transpose) if node.attributes.get(name, 0) else x for x, name in ((a, "transA"), (b, "transB")))
    alpha, beta = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("beta", 1.0))
    if alpha != 1:
        a, b = (a, b * alpha) if isinstance(b, np.ndarray) else (_multiply(program, node, a, np.array(alpha)), b)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise GraphError(f"a matrix product of shapes {a.shape} and {b.shape}")
    if c is None or not beta:
        return _matmul(program, node, a, b)
    if isinstance(c, Tensor) or not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return _add(program, node, _matmul(program, node, a, b), _multiply(program, node, c, np.array(beta)))
    shape = (a.shape[0], b.shape[1])
    if np.broadcast_shapes(c.shape, shape) != shape:
        raise GraphError(f"a matrix product of shape {shape} and a bias of shape {c.shape}")
    return program.graph.matmul(a, b, c if beta == 1 else c.astype(np.float64) * beta)


def _scaler(program: Program, node: Node, x: Any) -> Tensor:
    offset, scale = (
        np.asarray(node.attributes.get(name, default)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    return program.graph.affine(_tensor(program, x), scale, -offset * scale)


def _regressor(program: Program, node: Node, x: Any) -> Tensor:
    if node.attributes.get("post_transform", "NONE") != "NONE":
        raise GraphError(f"post_transform {node.attributes['post_transform']}")
    return _linear_of_ml(program, node, x, int(node.attributes.get("targets", 1)))


def _linear_of_ml(program: Program, node: Node, x: Any, targets: int) -> Tensor:
    x = _tensor(program, x)
    coefficients = np.asarray(node.attributes["coefficients"], np.float64).reshape(targets, x.shape[-1])
    return program.graph.matmul(x, coefficients.T, np.asarray(node.attributes.get("intercepts", 0.0)))


def _classifier(program: Program, node: Node, x: Any) -> Any:
    """A linear classifier: its scores, and a label that is a head put on them."""
    kind = node.attributes.get("post_transform", "NONE")
    intercepts = node.attributes.get("intercepts")
    count = len(intercepts) if intercepts else len(node.attributes["coefficients"]) // x.shape[-1]
    labels = node.attributes.get("classlabels_ints") or node.attributes.get("classlabels_strings") or []
    if count != len(labels) or kind not in ("NONE", "SOFTMAX", "LOGISTIC"):
        raise GraphError(f"{count} scores for {len(labels)} classes with post_transform {kind}")
    scores: Any = _linear_of_ml(program, node, x, count)
    if kind == "SOFTMAX":
        scores = Softmax("Softmax", scores, 1)
    elif kind == "LOGISTIC":
        scores = program.graph.activate(scores, "sigmoid")
    return [Pending("ArgMax", [scores], {Cause("ArgMax", node.where): None}), scores]


# ---- windows ----


def _windows(node: Node, x: Tensor, kernel: Sequence[int]) -> list[windows.Axis]:
    n = len(kernel)
    if len(x.shape) != n + 2:
        raise GraphError(f"windows over {n} axes of a tensor of shape {x.shape}")
    strides = _whole(node.attributes.get("strides", [1] * n), "strides")
    dilations = _whole(node.attributes.get("dilations", [1] * n), "dilations")
    pads = _whole(node.attributes.get("pads", [0] * 2 * n), "pads")
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


def _convolution(program: Program, node: Node, x: Any, kernel: Any, bias: Any = None) -> Tensor:
    x, kernel = _tensor(program, x), _constant(kernel, "a kernel")
    shape = node.attributes.get("kernel_shape", list(kernel.shape[2:]))
    if list(shape) != list(kernel.shape[2:]) or not shape:
        raise GraphError(f"a kernel of shape {kernel.shape} with kernel_shape {shape}")
    axes = _windows(node, x, kernel.shape[2:])
    shift: Any = 0.0 if bias is None else _constant(bias, "a bias")
    return windows.convolution(program.graph, x, kernel, axes, int(node.attributes.get("group", 1)), shift)


def _average_pool(program: Program, node: Node, x: Any) -> Tensor:
    x = _tensor(program, x)
    axes = _windows(node, x, _whole(node.attributes["kernel_shape"], "kernel_shape"))
    return windows.average_pool(program.graph, x, axes, bool(node.attributes.get("count_include_pad", 0)))


def _max_pool(program: Program, node: Node, x: Any) -> list[Any]:
    x = _tensor(program, x)
    axes = _windows(node, x, _whole(node.attributes["kernel_shape"], "kernel_shape"))
    made = windows.max_pool(program.graph, x, axes)
    places = Pending("MaxPool", [], {Cause("MaxPool", node.where, "where the maxima are"): None})
    return [made, places][: max(node.n_outputs, 1)]


def _global_pool(aggregation: str) -> Callable[..., Tensor]:
    def pool(program: Program, node: Node, x: Any) -> Tensor:
        x = _tensor(program, x)
        return _over(program, x, list(range(2, len(x.shape))), True, aggregation)

    return pool


# ---- over axes ----


def _over(program: Program, x: Tensor, axes: list[int], keepdims: bool, aggregation: str) -> Tensor:
    if aggregation == "mean":
        return program.graph.mean(x, axes, keepdims)
    return program.graph.over_axes(x, axes, keepdims, aggregation)


def _reduce(aggregation: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(program: Program, node: Node, x: Any, axes: Any = None) -> Any:
        keepdims = bool(node.attributes.get("keepdims", 1))
        chosen = _parameter(node, "axes", axes, "axes")
        rank = len(x.shape)
        if not chosen:
            if node.attributes.get("noop_with_empty_axes", 0):
                return x
            chosen = list(range(rank))
        chosen = [_axis(axis, rank) for axis in chosen]
        if isinstance(x, Tensor):
            return _over(program, x, chosen, keepdims, aggregation)
        return np.asarray(function(x, axis=tuple(chosen), keepdims=keepdims)).astype(x.dtype)

    return reduce


def _batch_norm(program: Program, node: Node, x: Any, scale: Any, shift: Any, mean: Any, variance: Any) -> Tensor:
    if node.attributes.get("training_mode", 0):
        raise GraphError("by the statistics of the batch")
    a, b, m, v = (_constant(value, "a parameter") for value in (scale, shift, mean, variance))
    x = _tensor(program, x)
    return functions.batch_norm(program.graph, x, a, b, m, v, float(node.attributes.get("epsilon", 1e-5)))


def _layer_norm(program: Program, node: Node, x: Any, scale: Any, shift: Any = None) -> Tensor:
    x = _tensor(program, x)
    first = _axis(int(node.attributes.get("axis", -1)), len(x.shape))
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    made = functions.standardised(program.graph, x, list(range(first, len(x.shape))), epsilon)
    return program.graph.affine(
        made, _constant(scale, "a scale"), 0.0 if shift is None else _constant(shift, "a shift")
    )


def _instance_norm(program: Program, node: Node, x: Any, scale: Any, shift: Any) -> Tensor:
    x = _tensor(program, x)
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    made = functions.standardised(program.graph, x, list(range(2, len(x.shape))), epsilon)
    numbers = [functions.per_channel(_constant(value, "a parameter"), x) for value in (scale, shift)]
    return program.graph.affine(made, *numbers)


# ---- what only moves entries ----


def _moving(move: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that moves entries, of tensors and constants alike: move(node, entries, *operands)."""

    def operation(program: Program, node: Node, x: Any, *operands: Any) -> Any:
        if x is None:
            raise GraphError("an input is missing")
        return moved(x, lambda e: np.asarray(move(node, e, *operands)))

    return operation


def _reshaped(node: Node, e: NDArray[Any], shape: Any) -> Any:
    sizes = _whole(shape, "a shape")
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
    chosen = _parameter(node, "axes", axes, "axes")
    return np.squeeze(e, None if chosen is None else tuple(chosen))


def _unsqueezed(node: Node, e: NDArray[Any], axes: Any = None) -> Any:
    return np.expand_dims(e, tuple(_parameter(node, "axes", axes, "axes") or ()))


def _sliced(
    node: Node, e: NDArray[Any], starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    first, last = _parameter(node, "starts", starts, "starts"), _parameter(node, "ends", ends, "ends")
    if first is None or last is None or len(first) != len(last):
        raise GraphError("starts and ends that do not go together")
    along = _parameter(node, "axes", axes, "axes")
    along = list(range(len(first))) if along is None else along
    strides = [1] * len(first) if steps is None else _whole(steps, "steps")
    index = [slice(None)] * e.ndim
    for axis, start, end, step in zip(along, first, last, strides, strict=True):
        size = e.shape[_axis(axis, e.ndim)]
        if step > 0:
            chosen = slice(start, end, step)
        else:  # towards the front, an end before the first entry
            chosen = slice(min(start, size - 1), None if end < -size else end, step)
        index[_axis(axis, e.ndim)] = chosen
    return e[tuple(index)]


def _gathered(node: Node, e: NDArray[Any], indices: Any) -> Any:
    places = _constant(indices, "indices")
    axis = _axis(int(node.attributes.get("axis", 0)), e.ndim)
    if e.size * places.size > 2**40 or places.dtype.kind not in "iu":
        raise GraphError(f"indices of shape {places.shape}")
    return np.take(e, places, axis)


def _gather(program: Program, node: Node, x: Any, indices: Any) -> Any:
    axis = _axis(int(node.attributes.get("axis", 0)), len(x.shape))
    program.graph.room((*x.shape[:axis], *_constant(indices, "indices").shape, *x.shape[axis + 1 :]))
    return moved(x, lambda e: _gathered(node, e, indices))


def _gather_elements(program: Program, node: Node, x: Any, indices: Any) -> Any:
    axis = int(node.attributes.get("axis", 0))
    return moved(x, lambda e: np.take_along_axis(e, _constant(indices, "indices"), axis))


def _split(program: Program, node: Node, x: Any, sizes: Any = None) -> list[Any]:
    axis = _axis(int(node.attributes.get("axis", 0)), len(x.shape))
    length = x.shape[axis]
    parts = _parameter(node, "split", sizes, "sizes")
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


def _concatenate(program: Program, node: Node, *parts: Any) -> Any:
    axis = int(node.attributes.get("axis", 1 if node.opset < 4 else 0))
    if any(isinstance(part, Tensor) for part in parts):
        entries = [program.graph.tensor(part).entries for part in parts]
        return Tensor(np.concatenate(entries, axis))
    return np.concatenate([_constant(part, "a part") for part in parts], axis)


def _expand(program: Program, node: Node, x: Any, shape: Any) -> Any:
    full = np.broadcast_shapes(x.shape, tuple(_whole(shape, "a shape")))
    program.graph.room(full)
    return moved(x, lambda e: np.broadcast_to(e, full).copy())


def _tile(program: Program, node: Node, x: Any, repeats: Any) -> Any:
    times = _whole(repeats, "repeats")
    if len(times) != len(x.shape) or min(times, default=0) < 0:
        raise GraphError(f"repeats {times} of a tensor of shape {x.shape}")
    program.graph.room([n * k for n, k in zip(x.shape, times, strict=True)])
    return moved(x, lambda e: np.tile(e, times))


def _pad(program: Program, node: Node, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    x = _tensor(program, x)
    widths = _parameter(node, "pads", pads, "pads") or []
    rank = len(x.shape)
    along = list(range(rank)) if axes is None else [_axis(axis, rank) for axis in _whole(axes, "axes")]
    if len(widths) != 2 * len(along):
        raise GraphError(f"pads {widths} of {len(along)} axes")
    pairs = [(0, 0)] * rank
    for k, axis in enumerate(along):
        pairs[axis] = (widths[k], widths[len(along) + k])
    mode = node.attributes.get("mode", "constant")
    if mode == "constant":
        filled = (
            float(node.attributes.get("value", 0.0)) if value is None or not value.size else _number(value, "a value")
        )
        return program.graph.padded(x, pairs, filled)
    how = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}[mode]
    program.graph.room([n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True)])
    return x.moved(lambda e: np.pad(e, pairs, mode=how))  # type: ignore[call-overload]


def _depth_to_space(node: Node, e: NDArray[Any]) -> Any:
    b, c, h, w = e.shape
    r = int(node.attributes["blocksize"])
    if node.attributes.get("mode", "DCR") == "DCR":
        return e.reshape(b, r, r, c // (r * r), h, w).transpose(0, 3, 4, 1, 5, 2).reshape(b, c // (r * r), h * r, w * r)
    return e.reshape(b, c // (r * r), r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(b, c // (r * r), h * r, w * r)


# ---- constants and shapes ----


def _shape(program: Program, node: Node, x: Any) -> NDArray[Any]:
    rank = len(x.shape)
    return np.array(x.shape, np.int64)[slice(node.attributes.get("start", 0), node.attributes.get("end", rank))]


def _given(program: Program, node: Node) -> NDArray[Any]:
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


def _filled(program: Program, node: Node, shape: Any) -> NDArray[Any]:
    sizes = _whole(shape, "a shape")
    program.graph.room(sizes)
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
    return np.full(sizes, value)


def _range(program: Program, node: Node, start: Any, limit: Any, step: Any) -> NDArray[Any]:
    first, last, by = (_number(x, "a bound") for x in (start, limit, step))
    program.graph.room((max(0, math.ceil((last - first) / by)),))
    return np.arange(first, last, by).astype(start.dtype)


def _cast(program: Program, node: Node, x: Any) -> Any:
    code = int(node.attributes.get("to", 0))
    if isinstance(x, Tensor):
        return x if code in FLOATS else None
    return _constant(x, "an operand").astype({**FLOATS, **INTEGERS}[code])


def _erf(program: Program, node: Node, x: Any) -> Any:
    """Of constants; else a step of GELU, see below."""
    from scipy.special import erf

    return None if isinstance(x, Tensor) else _calculated(program, erf, x)


def _where(program: Program, node: Node, condition: Any, a: Any, b: Any) -> Any:
    chosen = _constant(condition, "a condition").astype(bool)
    shape = np.broadcast_shapes(chosen.shape, a.shape, b.shape)
    program.graph.room(shape)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.where(chosen, a, b)
    return Tensor(np.where(chosen, _tensor(program, a).entries, _tensor(program, b).entries))


# ---- several operators that are one function ----


def _silu(program: Program, node: Node, inputs: list[Any]) -> Any:
    """x·sigmoid(x), and the steps of GELU that are products."""
    if len(inputs) != 2:
        return None
    for x, other in (inputs, inputs[::-1]):
        of = program.made_by(other, "Sigmoid")
        if isinstance(x, Tensor) and of is not None and of[0] is x:
            return program.graph.activate(x, "silu")
        if isinstance(other, Pending) and other.operator == "1 + Erf":
            return _gelu_product(program, x, other)
    return None


def _gelu_product(program: Program, x: Any, rest: Pending) -> Any:
    """x·factor·(1 + erf(u)): GELU if u is x/√2."""
    (u,), factor = rest.inputs, rest.attributes["factor"]
    number = _scalar(x)
    if number is not None:
        return Pending(rest.operator, rest.inputs, rest.causes, {"factor": factor * number})
    base, inner = _multiple(program, u)
    whole, outer = _multiple(program, x)
    if x is base:
        whole, outer = x, 1.0
    if whole is not base or not math.isclose(inner, math.sqrt(0.5), rel_tol=1e-5):
        return None
    return program.graph.affine(program.graph.activate(base, "gelu"), 2 * factor * outer)


def _multiple(program: Program, value: Any) -> tuple[Any, float]:
    """The tensor that this one is a multiple of, and the factor."""
    for operator in ("Mul", "Div"):
        for operands in (program.made_by(value, operator) or [],):
            for x, other in (operands, operands[::-1])[: 2 if operator == "Mul" else 1] if len(operands) == 2 else ():
                number = _scalar(other)
                if isinstance(x, Tensor) and number:
                    return x, number if operator == "Mul" else 1 / number
    return value, 1.0


def _one_plus_erf(program: Program, node: Node, inputs: list[Any]) -> Any:
    if len(inputs) != 2:
        return None
    for other, given in (inputs, inputs[::-1]):
        if isinstance(given, Pending) and given.operator == "Erf" and _scalar(other) == 1:
            return Pending("1 + Erf", given.inputs, given.causes, {"factor": 1.0})
    return None


def _largest_magnitude(program: Program, node: Node, inputs: list[Any]) -> Any:
    """The entry at the place of the largest |x|."""
    x, places = inputs if len(inputs) == 2 else (None, None)
    if not (isinstance(places, Pending) and places.operator == "ArgMax"):
        return None
    of = program.made_by(places.inputs[0], "Abs")
    axis = int(node.attributes.get("axis", 0))
    if of is None or of[0] is not x or places.attributes.get("axis", 0) != axis:
        return None
    if not places.attributes.get("keepdims", 1) or places.attributes.get("select_last_index", 0):
        return None
    return program.graph.over_axes(_tensor(program, x), [axis], True, "maxabs")


def _median(program: Program, node: Node, inputs: list[Any]) -> Any:
    """The mean of the two entries in the middle of all, sorted."""
    middle = inputs[0] if inputs else None
    if not (isinstance(middle, Pending) and middle.operator == "Gather" and len(middle.inputs) == 2):
        return None
    ordered, places = middle.inputs
    if not (isinstance(ordered, Pending) and ordered.operator == "TopK" and len(ordered.inputs) == 2):
        return None
    x, count = ordered.inputs
    axes = _parameter(node, "axes", inputs[1] if len(inputs) > 1 else None, "axes")
    axis = middle.attributes.get("axis", 0)
    if axes != [axis] or ordered.attributes.get("axis", -1) != axis:
        return None
    n = x.shape[axis]
    if _whole(count, "a count") != [n] or _whole(places, "places") != [(n - 1) // 2, n // 2]:
        return None
    keepdims = bool(node.attributes.get("keepdims", 1))
    return program.graph.over_axes(_tensor(program, x), [axis], keepdims, "median")


_PATTERNS: dict[str, Callable[[Program, Node, list[Any]], Any]] = {
    "Mul": _silu,
    "Add": _one_plus_erf,
    "GatherElements": _largest_magnitude,
    "ReduceMean": _median,
}

_AS_IS = ("Identity", "Dropout")
"""What changes nothing."""

_TABLE: dict[str, Callable[..., Any]] = {
    "Identity": lambda program, node, x: x,
    "Dropout": lambda program, node, x, *_: x,
    "Add": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Pow": _power,
    "Neg": lambda program, node, x: (
        program.graph.affine(x, -1.0) if isinstance(x, Tensor) else _calculated(program, np.negative, x)
    ),
    "Max": _extreme("max", np.maximum),
    "Min": _extreme("min", np.minimum),
    "Sum": _sum,
    "Mean": _mean,
    "Relu": _elementwise("relu"),
    "Sigmoid": _elementwise("sigmoid"),
    "Tanh": _elementwise("tanh", np.tanh),
    "Exp": _elementwise("exp", np.exp),
    "Log": _elementwise("log", np.log),
    "Sqrt": _elementwise("sqrt", np.sqrt),
    "Reciprocal": _elementwise("reciprocal", np.reciprocal),
    "Abs": _elementwise("abs", np.abs),
    "Sin": _elementwise("sin", np.sin),
    "Cos": _elementwise("cos", np.cos),
    "Softplus": _elementwise("softplus"),
    "Softsign": _elementwise("softsign"),
    "LeakyRelu": _with(functions.leaky_relu, alpha=0.01),
    "Elu": _with(functions.elu, alpha=1.0),
    "Selu": _with(_selu, alpha=1.6732632, gamma=1.050701),
    "Celu": _with(functions.celu, alpha=1.0),
    "HardSigmoid": _with(functions.hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": _with(functions.hard_swish),
    "Mish": _with(functions.mish),
    "Gelu": _gelu,
    "Swish": _swish,
    "PRelu": _prelu,
    "Clip": _clip,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _convolution,
    "AveragePool": _average_pool,
    "MaxPool": _max_pool,
    "GlobalAveragePool": _global_pool("mean"),
    "GlobalMaxPool": _global_pool("max"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "ReduceMean": _reduce("mean", np.mean),
    "ReduceSum": _reduce("sum", np.sum),
    "ReduceMax": _reduce("max", np.max),
    "ReduceMin": _reduce("min", np.min),
    "ReduceProd": _reduce("product", np.prod),
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
    "Shape": _shape,
    "Size": lambda program, node, x: np.array(math.prod(x.shape), np.int64),
    "Constant": _given,
    "ConstantOfShape": _filled,
    "Range": _range,
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
    "Scaler": _scaler,
    "LinearRegressor": _regressor,
    "LinearClassifier": _classifier,
}
