"""The operators of ONNX that a network can express, a file for each kind: in terms of `edgewise.tensors`, and of
constants alone in NumPy's; beside them, how Edgewise writes the same."""

from edgewise.formats.onnx.operators import activations, arithmetic, axes, constants, linear, moves, windows
from edgewise.formats.onnx.operators.arguments import Operation

OPERATIONS: dict[str, Operation] = {
    **arithmetic.OPERATIONS,
    **activations.OPERATIONS,
    **linear.OPERATIONS,
    **windows.OPERATIONS,
    **axes.OPERATIONS,
    **moves.OPERATIONS,
    **constants.OPERATIONS,
}
