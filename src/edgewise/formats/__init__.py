"""Networks in files; the suffix picks the format."""

from importlib import import_module
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from edgewise.description import Description
from edgewise.errors import FormatError, GraphError
from edgewise.network import Network

_BY_SUFFIX = {
    ".json": "json",
    ".safetensors": "safetensors",
    ".graphml": "graphml",
    ".csv": "csv",
    ".parquet": "parquet",
    ".onnx": "onnx",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
}
"""The modules of this folder, each imported when a file asks for it."""


def _format(path: Path) -> ModuleType:
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        kinds = ", ".join(_BY_SUFFIX)
        said = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise FormatError(f"{path} has {said}; networks are kept in {kinds} files")
    return import_module(f"edgewise.formats.{found}")


def load(path: str | PathLike[str]) -> Network:
    """The network in a file: .json, .safetensors, .graphml, an edge list as .csv or .parquet, or .onnx.

    FormatError if the file cannot be read or does not hold what its format promises, GraphError if what it holds
    cannot be a network.
    """
    network: Network = _read(path, "decode")
    return network


def describe(path: str | PathLike[str]) -> Description:
    """The graph in a file, which may have cycles; FormatError as from `load`, and for a format of networks alone."""
    reader = _format(Path(path))
    if hasattr(reader, "decode") and not hasattr(reader, "describe"):
        raise FormatError(f"{path}: this format holds networks, which have no cycles; load it")
    graph: Description = _read(path, "describe")
    return graph


def _read(path: str | PathLike[str], what: str) -> Any:
    where = Path(path)
    reader = _format(where)
    if not hasattr(reader, "decode"):
        raise FormatError(f"{where} is a drawing of a network, which cannot be loaded; load the network's own file")
    try:
        content = where.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"cannot read {where}: {reason}") from None
    try:
        return getattr(reader, what)(content)
    except (FormatError, GraphError) as error:
        raise type(error)(f"{where}: {error}") from None


def save(network: Network, path: str | PathLike[str]) -> None:
    """Write a network to a file, whole or not at all, as its suffix says; FormatError if it cannot be written."""
    from edgewise.formats import atomic

    where = Path(path)
    atomic.write_bytes(where, _format(where).encode(network))
