"""Networks as safetensors: arrays for large ones, with names and codes in the header.

Arrays: tail, head, inputs, outputs, activation, aggregation (int32), weight, bias, response (the network's dtype), and
tie and bias_tie (int32) where weights and biases are tied. The header's metadata holds one key, "edgewise", with a JSON
object: "version", "activations" and "aggregations" (what the codes stand for), and "names" where nodes are named.

A file is of version 1, which every Edgewise reads, unless biases are tied: who knows nothing of that must not read it.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import FormatError, MissingDependencyError
from edgewise.network import Network

VERSIONS = (1, 2)
_INTEGER = ("tail", "head", "inputs", "outputs", "activation", "aggregation")
_FLOAT = ("weight", "bias", "response")


def library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError("safetensors", "safetensors", "a .safetensors file") from None
    return safetensors


def encode(network: Network) -> bytes:
    """The network as the bytes of a safetensors file."""
    numpy_format = library().numpy
    arrays = {
        "tail": network.tail,
        "head": network.head,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "activation": network.activation_code.astype(np.int32),
        "aggregation": network.aggregation_code.astype(np.int32),
        "weight": network.weight,
        "bias": network.bias,
        "response": network.response,
    }
    if network.tie is not None:
        arrays["tie"] = network.tie
    if network.bias_tie is not None:
        arrays["bias_tie"] = network.bias_tie
    header: dict[str, Any] = {
        "version": 1 if network.bias_tie is None else 2,
        "activations": network.activation_names,
        "aggregations": network.aggregation_names,
    }
    if network.has_names:
        header["names"] = network.names
    contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    content: bytes = numpy_format.save(contiguous, metadata={"edgewise": json.dumps(header)})
    return content


def decode(content: bytes) -> Network:
    """The network in the bytes of a safetensors file; FormatError or GraphError saying where it is wrong."""
    numpy_format = library().numpy
    try:
        arrays = numpy_format.load(content)
    except Exception as error:  # the library's own error type is not part of its promise
        raise FormatError(f"it is not a safetensors file that can be read: {error}") from None
    header = _header(content)
    names = header.get("names")
    for key in (*_INTEGER, *_FLOAT):
        if key not in arrays:
            raise FormatError(f"the array {key!r} is missing; is it a network?")
    for key in (*_INTEGER, "tie", "bias_tie"):
        if key in arrays and (arrays[key].dtype != np.int32 or arrays[key].ndim != 1):
            raise FormatError(f"the array {key!r} must be flat int32, not {arrays[key].dtype} {arrays[key].shape}")
    dtype = arrays["weight"].dtype
    for key in _FLOAT:
        if arrays[key].dtype != dtype or dtype not in (np.float32, np.float64) or arrays[key].ndim != 1:
            raise FormatError("weight, bias and response must be flat and all float32 or all float64")
    return Network(
        arrays["tail"],
        arrays["head"],
        arrays["weight"],
        bias=arrays["bias"],
        activation=_decoded(header, "activations", arrays["activation"]),
        aggregation=_decoded(header, "aggregations", arrays["aggregation"]),
        response=arrays["response"],
        inputs=arrays["inputs"],
        outputs=arrays["outputs"],
        names=names,
        tie=arrays.get("tie"),
        bias_tie=arrays.get("bias_tie"),
        dtype=dtype,
    )


def metadata(content: bytes, key: str) -> Any:
    """The JSON under this key of the header, whose length stands in the first eight bytes of the file.

    ValueError, KeyError, TypeError or RecursionError if there is none.
    """
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][key])


def _header(content: bytes) -> dict[str, Any]:
    """Our JSON object in the header."""
    try:
        header = metadata(content, "edgewise")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError("its header says nothing of a network; was it written by Edgewise?") from None
    if not isinstance(header, dict) or header.get("version") not in VERSIONS:
        raise FormatError("it is not of a version of the format that is known; update Edgewise, or write the file anew")
    names = header.get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise FormatError("names in the header must be a list of str")
    return header


def _decoded(header: dict[str, Any], key: str, codes: NDArray[np.int32]) -> list[str]:
    table = header.get(key)
    if not (isinstance(table, list) and table and all(isinstance(name, str) for name in table)):
        raise FormatError(f"{key} in the header must be a list of names")
    if len(codes) and not (codes.min() >= 0 and codes.max() < len(table)):
        raise FormatError(f"a code is out of range: the header names {len(table)} {key}")
    return [table[code] for code in codes.tolist()]
