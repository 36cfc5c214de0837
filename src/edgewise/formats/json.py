"""Networks as NetworkX's node-link JSON.

Graph attributes are written only where the nodes do not tell: "dtype" when it is not float64, "inputs" and "outputs"
(ids, in order) when the order or the set is not that of the nodes' kinds.
"""

import json
from typing import Any

import numpy as np

from edgewise import description
from edgewise.description import Description, shown
from edgewise.errors import FormatError
from edgewise.network import Network


def encode(network: Network) -> bytes:
    """The network as UTF-8 JSON; numbers are written so that they read back exactly."""
    names = network.names
    graph = description.graph_attributes(network)
    for key in ("inputs", "outputs"):
        if key in graph:
            graph[key] = [names[j] for j in graph[key]]
    attributes = zip(names, description.node_attributes(network), strict=True)
    nodes = [{"id": name} | said for name, said in attributes]
    ends = zip(network.tail.tolist(), network.head.tolist(), description.edge_attributes(network), strict=True)
    edges = [{"source": names[i], "target": names[j]} | said for i, j, said in ends]
    parallel = description.parallel_numbers(network)
    if parallel is not None:
        edges = [edge | {"key": key} for edge, key in zip(edges, parallel, strict=True)]

    def lines(items: list[dict[str, Any]]) -> str:
        return ",\n".join(
            "    " + json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items
        )  # one a line: readable, and kind to version control

    try:
        multigraph = parallel is not None
        head = json.dumps({"directed": True, "multigraph": multigraph, "graph": graph}, ensure_ascii=False)
        text = f'{head[:-1]},\n  "nodes": [\n{lines(nodes)}\n  ],\n  "edges": [\n{lines(edges)}\n  ]}}\n'
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        name = error.object[error.start : error.end]
        raise FormatError(f"a node's name cannot be written as UTF-8: it holds {name!r}") from None
    except ValueError:
        raise FormatError("a parameter is not a finite number, which JSON cannot hold; mend it first") from None


def describe(content: bytes) -> Description:
    """The graph in UTF-8 JSON, which may have cycles; FormatError saying where it is wrong."""
    document = _parse(content)
    if not isinstance(document, dict):
        raise FormatError('a network is a JSON object with "nodes" and "edges"')
    if document.get("directed", True) is not True:
        raise FormatError('"directed" must be true: a network\'s edges have a direction')
    nodes = _list(document, "nodes")
    edges = _list(document, "edges" if "edges" in document or "links" not in document else "links")
    graph = document.get("graph", {})
    if not isinstance(graph, dict):
        raise FormatError('"graph" must be an object')
    names, index = _ids(nodes)
    tails, heads = [], []
    for e, edge in enumerate(edges):
        place = f"edges[{e}]"
        if not isinstance(edge, dict):
            raise FormatError(f"{place} must be an object with source and target")
        tails.append(_end(edge, "source", place, index))
        heads.append(_end(edge, "target", place, index))
    return description.describe(
        names,
        np.array(tails, np.int32),
        np.array(heads, np.int32),
        {key: [node.get(key) for node in nodes] for key in description.NODE_KEYS},
        {key: [edge.get(key) for edge in edges] for key in description.EDGE_KEYS},
        dtype=graph.get("dtype"),
        inputs=_listed(graph, "inputs", index),
        outputs=_listed(graph, "outputs", index),
    )


def decode(content: bytes) -> Network:
    """The network in UTF-8 JSON; FormatError or GraphError saying where it is wrong."""
    return describe(content).network()


def _parse(content: bytes) -> Any:
    def refuse(token: str) -> Any:
        raise FormatError(f"it holds {token}, which is not a number in JSON; every number must be finite")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise FormatError(f"the key {shown(twice)} stands twice in one object")
        return found

    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=refuse, object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise FormatError(f"it is not UTF-8 text: byte {error.start} cannot be read") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise FormatError("it is nested too deeply to be a network") from None
    except FormatError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise FormatError(f"it is not JSON that can be read: {error}") from None


def _list(document: dict[str, Any], key: str) -> list[Any]:
    if key not in document:
        raise FormatError(f'"{key}" is missing; a network has "nodes" and "edges"')
    if not isinstance(document[key], list):
        raise FormatError(f'"{key}" must be a list')
    found: list[Any] = document[key]
    return found


def _is_id(given: Any) -> bool:
    return isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool))


def _ids(nodes: list[Any]) -> tuple[list[str], dict[str | int, int]]:
    """Each node's name, and where each id is; whole numbers become names."""
    names: list[str] = []
    index: dict[str | int, int] = {}
    seen: dict[str, int] = {}
    for j, node in enumerate(nodes):
        if not isinstance(node, dict) or "id" not in node:
            raise FormatError(f'nodes[{j}] must be an object with an "id"')
        given = node["id"]
        if not _is_id(given):
            raise FormatError(f"nodes[{j}]: the id {shown(given)} must be a str or a whole number")
        name = _name(given)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise FormatError(f"nodes[{j}]: the id {shown(given)} holds half a character (a lone surrogate)")
        if name in seen:
            first = f"nodes[{seen[name]}]"
            raise FormatError(f"nodes[{j}]: the id {shown(given)} is already that of {first}; ids must differ")
        index[given] = seen[name] = j
        names.append(name)
    return names, index


def _name(given: str | int) -> str:
    try:
        return str(given)
    except ValueError:  # Python refuses to print an int of thousands of digits
        raise FormatError("an id is a number with too many digits") from None


def _end(edge: dict[str, Any], key: str, place: str, index: dict[str | int, int]) -> int:
    if key not in edge:
        raise FormatError(f'{place}: "{key}" is missing')
    given = edge[key]
    if not _is_id(given) or given not in index:
        raise FormatError(f"{place}: {key} {shown(given)} is not the id of a node")
    return index[given]


def _listed(graph: dict[str, Any], key: str, index: dict[str | int, int]) -> list[int] | None:
    """The nodes that the graph lists under this key."""
    listed = graph.get(key)
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise FormatError(f"graph.{key} must be a list of ids")
    return [_end({key: entry}, key, f"graph.{key}[{k}]", index) for k, entry in enumerate(listed)]
