"""An ONNX program in the making."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import FormatError

OPSET, IR_VERSION = 17, 8
LARGEST_FILE = 2**31 - 2**20  # of protobuf


@dataclass
class Program:
    """Operators and constants, each value called by a name."""

    onnx: Any
    dtype: np.dtype[Any]
    """Of every value, and of operands that are plain numbers."""
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    size: int = 0

    def op(
        self,
        operator: str,
        *operands: str | float | NDArray[Any],
        output: str = "",
        n_outputs: int = 1,
        **attributes: Any,
    ) -> str:
        """The name of the (first) value that an operator makes of values, called by name, and of constants."""
        inputs = [given if isinstance(given, str) else self._constant(given) for given in operands]
        names = [output or f"v{len(self.nodes)}", *(f"v{len(self.nodes)}_{k}" for k in range(1, n_outputs))]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, names, **attributes))
        return names[0]

    def _constant(self, given: float | NDArray[Any]) -> str:
        array = given if isinstance(given, np.ndarray) else np.array(given, self.dtype)
        kept = np.ascontiguousarray(array if array.dtype.kind == "f" else array.astype(np.int64))
        self.size += kept.nbytes
        if self.size > LARGEST_FILE:
            raise FormatError("the network is too large for an ONNX file, which holds at most 2 GiB; save .safetensors")
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(kept.reshape(array.shape), name))
        return name

    def encoded(self, n_inputs: int, n_outputs: int) -> bytes:
        """The bytes of a file: a program from x (N, n_inputs) to y (N, n_outputs), N free."""
        helper = self.onnx.helper
        kind, value = helper.np_dtype_to_tensor_dtype(self.dtype), helper.make_tensor_value_info
        given, made = value("x", kind, ["N", n_inputs]), value("y", kind, ["N", n_outputs])
        model = helper.make_model(
            helper.make_graph(self.nodes, "network", [given], [made], self.constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edgewise",
        )
        content: bytes = model.SerializeToString(deterministic=True)
        return content
