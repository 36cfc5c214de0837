"""The optional package, imported when a file is first met."""

from typing import Any

from edgewise.errors import MissingDependencyError


def library() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise MissingDependencyError("onnx", "onnx", "a .onnx file") from None
    return onnx
