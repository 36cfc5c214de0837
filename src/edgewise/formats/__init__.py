"""Networks in files; the suffix picks the format."""

from os import PathLike
from pathlib import Path
from types import ModuleType

from edgewise.errors import FormatError, GraphError
from edgewise.formats import json, onnx, safetensors
from edgewise.network import Network

_BY_SUFFIX: dict[str, ModuleType] = {".json": json, ".safetensors": safetensors, ".onnx": onnx}


def _format(path: Path) -> ModuleType:
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        kinds = ", ".join(_BY_SUFFIX)
        said = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise FormatError(f"{path} has {said}; networks are kept in {kinds} files")
    return found


def load(path: str | PathLike[str]) -> Network:
    """The network in a file, .json, .safetensors or .onnx.

    FormatError if the file cannot be read or does not hold what its format promises, GraphError if what it holds
    cannot be a network.
    """
    where = Path(path)
    reader = _format(where)
    try:
        content = where.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"cannot read {where}: {reason}") from None
    try:
        network: Network = reader.decode(content)
    except (FormatError, GraphError) as error:
        raise type(error)(f"{where}: {error}") from None
    return network


def save(network: Network, path: str | PathLike[str]) -> None:
    """Write a network to a .json, .safetensors or .onnx file, whole or not at all.

    FormatError if it cannot be written.
    """
    from edgewise.formats import atomic

    where = Path(path)
    atomic.write_bytes(where, _format(where).encode(network))
