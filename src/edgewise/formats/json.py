"""Networks as NetworkX's node-link JSON.

Graph attributes are written only where the nodes do not tell: "dtype" when it is not float64, "inputs" and "outputs"
(ids, in order) when the order or the set is not that of the nodes' kinds.
"""

import json
import math
from typing import Any

import numpy as np

from edgewise.errors import FormatError
from edgewise.network import Network

_NODE_KEYS = {"activation": str, "aggregation": str, "kind": str}
_KINDS = ("input", "hidden", "output")


def encode(network: Network) -> bytes:
    """The network as UTF-8 JSON; numbers are written so that they read back exactly."""
    names = network.names
    is_output = np.zeros(network.n_nodes, np.bool_)
    is_output[network.outputs] = True
    graph: dict[str, Any] = {}
    if network.dtype != np.float64:
        graph["dtype"] = str(network.dtype)
    # an empty list is written too: without it, no node of kind input would mean the nodes without in-arcs
    if not network.n_inputs or network.inputs.tolist() != np.flatnonzero(network.is_input).tolist():
        graph["inputs"] = [names[j] for j in network.inputs.tolist()]
    if network.outputs.tolist() != np.flatnonzero(is_output & ~network.is_input).tolist():
        graph["outputs"] = [names[j] for j in network.outputs.tolist()]

    nodes = []
    columns = zip(
        names,
        network.is_input.tolist(),
        is_output.tolist(),
        network.activations,
        network.aggregations,
        network.bias.tolist(),
        network.response.tolist(),
        strict=True,
    )
    for name, is_input, is_out, activation, aggregation, bias, response in columns:
        node: dict[str, Any] = {"id": name, "kind": "input" if is_input else "output" if is_out else "hidden"}
        if not is_input:
            node["activation"] = activation
            if aggregation != "sum":
                node["aggregation"] = aggregation
        if not is_input or bias != 0 or math.copysign(1, bias) < 0:
            node["bias"] = bias
        if response != 1:
            node["response"] = response
        nodes.append(node)

    edges: list[dict[str, Any]] = []
    parallel: dict[tuple[int, int], int] = {}
    arcs = list(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    multigraph = len(set(arcs)) < len(arcs)
    for e, (arc, weight) in enumerate(zip(arcs, network.weight.tolist(), strict=True)):
        edge: dict[str, Any] = {"source": names[arc[0]], "target": names[arc[1]], "weight": weight}
        if multigraph:
            edge["key"] = parallel[arc] = parallel.get(arc, -1) + 1
        if network.tie is not None:
            edge["tie"] = int(network.tie[e])
        edges.append(edge)

    def lines(items: list[dict[str, Any]]) -> str:
        return ",\n".join(
            "    " + json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items
        )  # one a line: readable, and kind to version control

    try:
        head = json.dumps({"directed": True, "multigraph": multigraph, "graph": graph}, ensure_ascii=False)
        text = f'{head[:-1]},\n  "nodes": [\n{lines(nodes)}\n  ],\n  "edges": [\n{lines(edges)}\n  ]}}\n'
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        name = error.object[error.start : error.end]
        raise FormatError(f"a node's name cannot be written as UTF-8: it holds {name!r}") from None
    except ValueError:
        raise FormatError("a parameter is not a finite number, which JSON cannot hold; mend it first") from None


def decode(content: bytes) -> Network:
    """The network in UTF-8 JSON; FormatError or GraphError saying where it is wrong."""
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
    tails, heads, weights, ties = [], [], [], []
    for e, edge in enumerate(edges):
        place = f"edges[{e}]"
        if not isinstance(edge, dict):
            raise FormatError(f"{place} must be an object with source and target")
        tails.append(_end(edge, "source", place, index))
        heads.append(_end(edge, "target", place, index))
        weights.append(_number(edge, "weight", place, 1.0))
        ties.append(edge.get("tie"))

    inputs, outputs = _ends(nodes, graph, index)
    bias = [_number(node, "bias", f"nodes[{j}]", 0.0) for j, node in enumerate(nodes)]
    response = [_number(node, "response", f"nodes[{j}]", 1.0) for j, node in enumerate(nodes)]
    dtype = graph.get("dtype", "float64")
    if dtype not in ("float32", "float64"):
        raise FormatError(f'graph.dtype is {dtype!r}; it must be "float32" or "float64"')
    return Network(
        np.array(tails, np.int32),
        np.array(heads, np.int32),
        np.array(weights, np.float64),
        bias=np.array(bias, np.float64),
        activation=[_text(node, "activation", f"nodes[{j}]", "relu") for j, node in enumerate(nodes)],
        aggregation=[_text(node, "aggregation", f"nodes[{j}]", "sum") for j, node in enumerate(nodes)],
        response=np.array(response, np.float64),
        inputs=inputs,
        outputs=outputs,
        names=None if names == [str(j) for j in range(len(names))] else names,
        tie=_ties(ties),
        dtype=dtype,
    )


def _parse(content: bytes) -> Any:
    def refuse(token: str) -> Any:
        raise FormatError(f"it holds {token}, which is not a number in JSON; every number must be finite")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise FormatError(f"the key {_shown(twice)} stands twice in one object")
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
            raise FormatError(f"nodes[{j}]: the id {_shown(given)} must be a str or a whole number")
        name = _name(given)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise FormatError(f"nodes[{j}]: the id {_shown(given)} holds half a character (a lone surrogate)")
        if name in seen:
            first = f"nodes[{seen[name]}]"
            raise FormatError(f"nodes[{j}]: the id {_shown(given)} is already that of {first}; ids must differ")
        index[given] = seen[name] = j
        names.append(name)
    return names, index


def _name(given: str | int) -> str:
    try:
        return str(given)
    except ValueError:  # Python refuses to print an int of thousands of digits
        raise FormatError("an id is a number with too many digits") from None


def _shown(given: Any) -> str:
    try:
        shown = repr(given)
    except (ValueError, RecursionError):
        return "(too long to show)"
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _end(edge: dict[str, Any], key: str, place: str, index: dict[str | int, int]) -> int:
    if key not in edge:
        raise FormatError(f'{place}: "{key}" is missing')
    given = edge[key]
    if not _is_id(given) or given not in index:
        raise FormatError(f"{place}: {key} {_shown(given)} is not the id of a node")
    return index[given]


def _number(item: dict[str, Any], key: str, place: str, default: float) -> float:
    given = item.get(key, default)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise FormatError(f"{place}: {key} {_shown(given)} must be a number")
    try:
        return float(given)
    except OverflowError:
        raise FormatError(f"{place}: {key} is too large for a floating-point number") from None


def _text(item: dict[str, Any], key: str, place: str, default: str) -> str:
    given = item.get(key, default)
    if not isinstance(given, str):
        raise FormatError(f"{place}: {key} {_shown(given)} must be a str")
    return given


def _ends(
    nodes: list[dict[str, Any]], graph: dict[str, Any], index: dict[str | int, int]
) -> tuple[list[int] | None, list[int] | None]:
    """Inputs and outputs: as the graph lists them, else by kind, else None."""
    found: dict[str, list[int]] = {kind: [] for kind in _KINDS}
    for j, node in enumerate(nodes):
        kind = _text(node, "kind", f"nodes[{j}]", "hidden")
        if kind not in _KINDS:
            raise FormatError(f"nodes[{j}]: kind {_shown(kind)} must be input, hidden or output")
        found[kind].append(j)
    given: list[list[int] | None] = []
    for key, kind in (("inputs", "input"), ("outputs", "output")):
        listed = graph.get(key)
        if listed is None:
            given.append(found[kind] or None)
            continue
        if not isinstance(listed, list):
            raise FormatError(f"graph.{key} must be a list of ids")
        given.append([_end({key: entry}, key, f"graph.{key}[{k}]", index) for k, entry in enumerate(listed)])
    return given[0], given[1]


def _ties(ties: list[Any]) -> list[int] | None:
    """One parameter index per edge; edges without one get an index of their own."""
    if all(tie is None for tie in ties):
        return None
    for e, tie in enumerate(ties):
        if tie is not None and (isinstance(tie, bool) or not isinstance(tie, int) or not 0 <= tie < 2**31 - 1):
            raise FormatError(f"edges[{e}]: tie {_shown(tie)} must be a whole number from 0 to 2^31 - 2")
    rank = {tie: k for k, tie in enumerate(dict.fromkeys(tie for tie in ties if tie is not None))}
    fresh = iter(range(len(rank), len(rank) + len(ties)))
    return [next(fresh) if tie is None else rank[tie] for tie in ties]
