"""Networks as ONNX: `reading.py` makes a network of a program, `writing.py` a program of a network."""

from edgewise.formats.onnx.reading import decode
from edgewise.formats.onnx.writing import encode

__all__ = ["decode", "encode"]
