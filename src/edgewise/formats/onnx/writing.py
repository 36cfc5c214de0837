"""From a network to an ONNX program."""

from edgewise.errors import FormatError
from edgewise.network import Network


def encode(network: Network) -> bytes:
    """FormatError: networks are read from ONNX files, and not yet written to them."""
    raise FormatError("networks are read from .onnx files but not written to them; save .json or .safetensors")
