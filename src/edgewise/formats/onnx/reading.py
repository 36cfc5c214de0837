"""From an ONNX program to a network: operators in terms of `edgewise.tensors`, heads cut off, everything checked.

A file may come from anywhere. Nothing in it is executed, no other file is read, and how much memory is taken is bounded
by its length: see MOST.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.errors import FormatError, GraphError
from edgewise.formats.onnx.library import library
from edgewise.formats.onnx.lowering import Lowering
from edgewise.formats.onnx.values import Node, Pending, Softmax
from edgewise.network import Network
from edgewise.tensors import Tensor, TensorGraph

MOST = 2**24
"""The most arcs, or entries of all tensors together, that a file may make, beside one for each of its bytes."""
OLDEST_OPSET = 9
HEADS = frozenset(
    ("ArgMax", "ArgMin", "TopK", "ZipMap", "Normalizer", "ArrayFeatureExtractor", "LabelEncoder", "Cast", "Binarizer")
)
"""What may follow a network's outputs: it makes classes of scores, which is not a network's work."""
SAMPLES = 2  # as many as it takes to see that a program mixes samples


def decode(content: bytes) -> Network:
    """The network in the bytes of an ONNX file; FormatError saying where it is wrong or what no network can express."""
    onnx = library()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's errors are not part of its promise
        raise FormatError(f"it is not an ONNX file that can be read: {error}") from None
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise FormatError("it holds no ONNX graph")
    opset = _opset(model)
    try:
        with np.errstate(all="ignore"):  # a number that is not finite is an error of its own, in Network
            return _Reader(onnx, model.graph, opset, MOST + len(content)).network()
    except GraphError as error:
        raise FormatError(str(error)) from None


def _opset(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    opset = max(versions, default=0 if not model.opset_import else OLDEST_OPSET)
    if opset < OLDEST_OPSET:
        raise FormatError(
            f"it is of opset {opset}; opsets from {OLDEST_OPSET} on are read: convert it with onnx.version_converter"
        )
    return int(opset)


@dataclass
class _Reader:
    """Goes through a graph once, node by node."""

    onnx: Any
    proto: Any
    opset: int
    limit: int
    values: dict[str, Any] = field(default_factory=dict)
    spent: int = 0

    def network(self) -> Network:
        self._initializers()
        given = [entry for entry in self.proto.input if entry.name not in self.values]
        if not given:
            raise FormatError("its graph has no inputs")
        shapes = [self._input_shape(entry) for entry in given]
        self.batched = any(len(shape) > 1 for shape in shapes)
        firsts = {shape[0] for shape in shapes} if self.batched else set()
        known = {count for count in firsts if count is not None}
        if len(known) > 1:
            raise FormatError(f"its inputs differ in their first axis, which is that of the samples: {sorted(known)}")
        samples = known.pop() if known else SAMPLES if self.batched else 1
        self.graph = TensorGraph(samples, self.limit)
        double = False
        for entry, shape in zip(given, shapes, strict=True):
            full = (samples, *shape[1:]) if self.batched else shape
            self._store(entry.name, self.graph.input([count for count in full if count is not None], self.batched))
            double |= entry.type.tensor_type.elem_type == self.onnx.TensorProto.DOUBLE
        double |= any(isinstance(value, np.ndarray) and value.dtype == np.float64 for value in self.values.values())
        self._run()
        return self.graph.network(self._outputs(), np.float64 if double else np.float32, self.batched)

    # ---- what goes in ----

    def _initializers(self) -> None:
        if len(self.proto.sparse_initializer):
            raise FormatError("it has sparse initializers, which are not read: write them as dense ones")
        for tensor in self.proto.initializer:
            if not tensor.name or tensor.name in self.values:
                raise FormatError(f"two initializers are called {tensor.name!r}, or one is not named")
            self._store(tensor.name, self.array(tensor, f"the initializer {tensor.name!r}"))

    def array(self, tensor: Any, what: str) -> Any:
        """The numbers of a tensor in the file."""
        kinds = self.onnx.TensorProto
        if tensor.data_location == kinds.EXTERNAL or len(tensor.external_data):
            raise FormatError(f"{what} keeps its numbers in another file; save the model as one file")
        dims = list(tensor.dims)
        if any(count < 0 for count in dims) or math.prod(dims) > self.limit:
            raise FormatError(f"{what} has the shape {dims}")
        try:
            array = self.onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # of whatever kind: the shape and the data disagree
            raise FormatError(f"{what} cannot be read: {error}") from None
        if array.dtype.kind not in "fiub":
            if array.dtype.name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
                return array  # words, which only a head uses
            array = array.astype(np.float32)
        return array.astype(np.float32) if array.dtype == np.float16 else array

    def _input_shape(self, entry: Any) -> tuple[int | None, ...]:
        """The shape of an input; None stands for a first axis that is free."""
        what = f"the input {entry.name!r}"
        kind = entry.type.tensor_type
        numbers = self.onnx.TensorProto
        if not entry.type.HasField("tensor_type") or kind.elem_type not in (
            numbers.FLOAT, numbers.DOUBLE, numbers.FLOAT16, numbers.INT64, numbers.INT32
        ):  # fmt: skip
            raise FormatError(f"{what} is not a tensor of numbers")
        if not kind.HasField("shape"):
            raise FormatError(f"{what} has no shape")
        shape: list[int | None] = [
            axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None for axis in kind.shape.dim
        ]
        if None in shape[1:] or (len(shape) == 1 and None in shape):
            raise FormatError(f"{what} has the shape {_shown(shape)}; only the first axis, of the samples, may be free")
        if math.prod(count for count in shape if count is not None) > self.limit:
            raise FormatError(f"{what} has the shape {_shown(shape)}, which is too large")
        return tuple(shape)

    def _store(self, name: str, value: Any) -> None:
        if not name:
            return
        if name in self.values:
            raise FormatError(f"two values are called {name!r}")
        if isinstance(value, Tensor):
            self.spent += value.entries.size
        elif isinstance(value, np.ndarray):
            self.spent += value.size
        if self.spent > self.limit:
            raise FormatError(f"its tensors have more than {self.limit:,} entries together")
        self.values[name] = value

    # ---- what is computed ----

    def _run(self) -> None:
        lowering = Lowering(self.graph)
        made = {name for node in self.proto.node for name in node.output}
        for k, proto in enumerate(self.proto.node):
            where = f"node {k}{f' {proto.name!r}' if proto.name else ''}"
            inputs = []
            for name in proto.input:
                if name and name not in self.values:
                    why = (
                        "no node before it makes, so there is a cycle or they are out of order"
                        if name in made
                        else "is nowhere"
                    )
                    raise FormatError(f"{where} ({proto.op_type}) reads {name!r}, which {why}")
                inputs.append(self.values[name] if name else None)
            node = Node(
                proto.op_type, proto.domain, where, self._attributes(proto, where), self.opset, len(proto.output)
            )
            for name, value in zip(proto.output, lowering.values(node, inputs), strict=False):
                self._store(name, value)

    def _attributes(self, proto: Any, where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        kinds = self.onnx.AttributeProto
        for attribute in proto.attribute:
            kind = attribute.type
            if kind == kinds.FLOAT:
                found[attribute.name] = _shortest(attribute.f)
            elif kind == kinds.INT:
                found[attribute.name] = int(attribute.i)
            elif kind == kinds.STRING:
                found[attribute.name] = attribute.s.decode("utf-8", "replace")
            elif kind == kinds.INTS:
                found[attribute.name] = list(attribute.ints)
            elif kind == kinds.FLOATS:
                found[attribute.name] = [_shortest(number) for number in attribute.floats]
            elif kind == kinds.STRINGS:
                found[attribute.name] = [word.decode("utf-8", "replace") for word in attribute.strings]
            elif kind == kinds.TENSOR:
                found[attribute.name] = self.array(attribute.t, f"{where}: {attribute.name}")
        return found

    # ---- what comes out ----

    def _outputs(self) -> list[Tensor]:
        """The tensors at the outputs, each once; of a head, what it is put on."""
        found: list[Any] = []
        cut: dict[str, None] = {}
        failures: dict[str, None] = {}
        if not len(self.proto.output):
            raise FormatError("its graph has no outputs")
        for entry in self.proto.output:
            if entry.name not in self.values:
                raise FormatError(f"the output {entry.name!r} is nowhere")
            value = self.values[entry.name]
            if isinstance(value, Pending):
                wrong = [cause for cause in value.causes if cause.operator not in HEADS or cause.reason]
                if wrong:
                    failures.update(dict.fromkeys(str(cause) for cause in wrong))
                    continue
                cut.update(dict.fromkeys(cause.operator for cause in value.causes))
                found += value.sources
            elif value is not None:
                found.append(value)
        if failures:
            raise FormatError(f"no network can express {'; '.join(failures)}")
        distinct = list({id(value): value for value in found}.values())
        tensors = [self._without_softmax(value, cut) for value in distinct]
        if cut:
            warnings.warn(
                f"left out, being no part of a network: {', '.join(cut)}; the outputs are what they are put on",
                stacklevel=_LEVELS,
            )
        return list({id(tensor.entries): tensor for tensor in tensors}.values())

    def _without_softmax(self, value: Any, cut: dict[str, None]) -> Tensor:
        if isinstance(value, Softmax) and value.is_last:
            cut[f"{value.operator} (it belongs to the loss: cross_entropy)"] = None
            return value.x
        if isinstance(value, Softmax):
            return value.tensor(self.graph)
        return self.graph.tensor(value)


_LEVELS = 6  # from here to whoever calls ew.load


def _shown(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if count is None else str(count) for count in shape) + ")"


def _shortest(number: float) -> float:
    """The number that is meant by a float32: 0.01, not 0.009999999776."""
    return float(str(np.float32(number)))
