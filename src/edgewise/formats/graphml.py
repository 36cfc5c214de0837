"""Networks as GraphML, which Gephi, yEd, Cytoscape, igraph and NetworkX read: http://graphml.graphdrawing.org.

Attributes have the names of the node-link JSON; `inputs` and `outputs` of the graph are JSON lists of node ids.
A file may come from anywhere: a document type, in which entities are declared that blow up or read other files, is
refused as soon as it begins. It is read in one pass, by a parser that keeps no tree.
"""

import json
import re
from typing import Any
from xml.parsers import expat

import numpy as np

from edgewise import description
from edgewise.arrays import IntArray
from edgewise.description import EDGE_KEYS, NODE_KEYS, Description, shown
from edgewise.errors import FormatError
from edgewise.network import Network

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
MAX_DEPTH = 64
_TYPES = {"activation": "string", "aggregation": "string", "kind": "string", "tie": "int", "bias_tie": "int"}
_ESCAPED = str.maketrans({letter: f"&#{ord(letter)};" for letter in "&<>\t\n\r"})
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode(network: Network) -> bytes:
    """The network as UTF-8 GraphML; numbers are written so that they read back exactly."""
    description.refuse_not_finite(network)
    names = network.names
    for name in (*names, *network.activation_names):
        if _NOT_IN_XML.search(name):
            raise FormatError(f"the name {shown(name)} holds a character that XML has no place for; save it as .json")
    graph = description.graph_attributes(network)
    for key in ("inputs", "outputs"):
        if key in graph:
            graph[key] = json.dumps([names[j] for j in graph[key]], ensure_ascii=False)
    nodes, edges = description.node_attributes(network), description.edge_attributes(network)
    parallel = description.parallel_numbers(network)
    quoted = ['"' + name.translate(_ESCAPED).replace('"', "&quot;") + '"' for name in names]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f'<graphml xmlns="{NAMESPACE}">']
    for what, keys in (("graph", graph), ("node", NODE_KEYS), ("edge", EDGE_KEYS)):
        for key in keys:
            kind = "string" if what == "graph" else _TYPES.get(key, "double")
            lines.append(f'  <key id="{key}" for="{what}" attr.name="{key}" attr.type="{kind}"/>')
    lines.append('  <graph edgedefault="directed">')
    lines += [f"    {_data(key, value)}" for key, value in graph.items()]
    lines += [
        f"    <node id={name}>{''.join(_data(key, value) for key, value in said.items())}</node>"
        for name, said in zip(quoted, nodes, strict=True)
    ]
    for e, (i, j, said) in enumerate(zip(network.tail.tolist(), network.head.tolist(), edges, strict=True)):
        known = "" if parallel is None else f' id="{e}"'  # by which readers tell parallel arcs
        data = "".join(_data(key, value) for key, value in said.items())
        lines.append(f"    <edge source={quoted[i]} target={quoted[j]}{known}>{data}</edge>")
    lines.append("  </graph>\n</graphml>\n")
    return "\n".join(lines).encode("utf-8")


def _data(key: str, value: Any) -> str:
    return f'<data key="{key}">{str(value).translate(_ESCAPED)}</data>'


def describe(content: bytes) -> Description:
    """The graph in GraphML, which may have cycles; FormatError saying where it is wrong."""
    found = _Reader().read(content)
    index = {name: j for j, name in enumerate(found.nodes)}

    def places(what: str) -> IntArray:
        for e, edge in enumerate(found.edges):
            if edge[what] not in index:
                raise FormatError(f"edges[{e}]: {what} {shown(edge[what])} is not the id of a node")
        return np.array([index[edge[what]] for edge in found.edges], np.int32)

    return description.describe(
        list(found.nodes),
        places("source"),
        places("target"),
        {key: [said.get(key) for said in found.nodes.values()] for key in NODE_KEYS},
        {key: [edge["said"].get(key) for edge in found.edges] for key in EDGE_KEYS},
        dtype=found.graph.get("dtype"),
        inputs=_listed(found.graph, "inputs", index),
        outputs=_listed(found.graph, "outputs", index),
        node_place=lambda j: f"node {shown(list(found.nodes)[j])}",
    )


def decode(content: bytes) -> Network:
    """The network in GraphML; FormatError or GraphError saying where it is wrong."""
    return describe(content).network()


def _listed(graph: dict[str, Any], key: str, index: dict[str, int]) -> list[int] | None:
    if key not in graph:
        return None
    try:
        listed = json.loads(graph[key])
    except (TypeError, ValueError, RecursionError):
        listed = None
    if not (isinstance(listed, list) and all(isinstance(name, str) and name in index for name in listed)):
        raise FormatError(f"the graph's {key} must be a JSON list of node ids, not {shown(graph[key])}")
    return [index[name] for name in listed]


class _Reader:
    """What a GraphML file says, element by element."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[dict[str, Any]] = []
        self.graph: dict[str, Any] = {}
        self._keys: dict[str, tuple[str, str, str]] = {}
        """By id: what it is for, its name, its type."""
        self._defaults: list[tuple[str, str, Any]] = []
        self._open: list[str] = []
        self._said: list[dict[str, Any]] = []
        """Where data of the elements that are open go: graph, then node or edge."""
        self._key: str | None = None
        self._text: list[str] | None = None
        self._graphs = 0

    def read(self, content: bytes) -> "_Reader":
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise FormatError(
                f"it is not XML: {expat.errors.messages.get(error.code, error)} at line {error.lineno}, "
                f"column {error.offset + 1}"
            ) from None
        except (LookupError, UnicodeError, ValueError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"it is not XML that can be read: {error}") from None
        if not self._graphs:
            raise FormatError("there is no graph in it; is it GraphML?")
        for what, name, value in self._defaults:
            for said in {"node": self.nodes.values(), "edge": [edge["said"] for edge in self.edges]}.get(what, ()):
                said.setdefault(name, value)
        return self

    def _wrong(self, message: str) -> FormatError:
        return FormatError(f"line {self._parser.CurrentLineNumber}: {message}")

    def _document_type(self, *_: Any) -> None:
        raise self._wrong("it declares a document type, which GraphML has no need of and which is not read; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if len(self._open) >= MAX_DEPTH:
            raise self._wrong("its elements are nested too deeply")
        self._open.append(local if space in ("", NAMESPACE) else "")
        if self._open[-1] == "key":
            what, kind = attributes.get("for", "all"), attributes.get("attr.type", "string")
            self._key = self._needed(attributes, "key", "id")
            self._keys[self._key] = what, attributes.get("attr.name", self._key), kind
        elif self._open[-1] == "graph":
            self._begin_graph(attributes)
        elif self._open[-1] == "node":
            node = self._needed(attributes, "node", "id")
            if node in self.nodes:
                raise self._wrong(f"the node {shown(node)} is there already; ids must differ")
            self.nodes[node] = {}
            self._said.append(self.nodes[node])
        elif self._open[-1] == "edge":
            if attributes.get("directed") == "false":
                raise self._wrong("an edge is undirected; a network's edges have a direction")
            ends = {end: self._needed(attributes, "edge", end) for end in ("source", "target")}
            self.edges.append(ends | {"said": {}})
            self._said.append(self.edges[-1]["said"])
        elif self._open[-1] == "hyperedge":
            raise self._wrong("it has a hyperedge, which a network has no place for")
        elif self._open[-1] == "data" and self._said:
            self._key = self._needed(attributes, "data", "key")
            self._text = []
        elif self._open[-1] == "default" and self._key is not None:
            self._text = []

    def _begin_graph(self, attributes: dict[str, str]) -> None:
        self._graphs += 1
        if self._graphs > 1:
            raise self._wrong("it has more than one graph, or one within another; a network is one")
        if attributes.get("edgedefault") != "directed":
            raise self._wrong('edgedefault must be "directed": a network\'s edges have a direction')
        self._said.append(self.graph)

    def _needed(self, attributes: dict[str, str], element: str, name: str) -> str:
        if name not in attributes:
            raise self._wrong(f"this {element} has no {name}")
        return attributes[name]

    def _characters(self, text: str) -> None:
        if self._text is not None and self._open[-1] in ("data", "default"):
            self._text.append(text)

    def _end(self, _: str) -> None:
        local = self._open.pop()
        if local in ("graph", "node", "edge"):
            self._said.pop()
        elif local in ("data", "default") and self._text is not None and self._key is not None:
            if self._key not in self._keys:
                raise self._wrong(f"data have the key {shown(self._key)}, which is not declared")
            what, name, kind = self._keys[self._key]
            value = self._value("".join(self._text), name, kind)
            if local == "data":
                self._said[-1][name] = value
            else:
                self._defaults += [(each, name, value) for each in ("node", "edge") if what in (each, "all")]
            self._text = None

    def _value(self, text: str, name: str, kind: str) -> Any:
        if name not in (*NODE_KEYS, *EDGE_KEYS):  # whatever it is, it is not looked at; the graph's are text
            return text
        try:
            if kind in ("int", "long"):
                return int(text)
            if kind in ("float", "double"):
                return float(text)
        except ValueError:
            raise self._wrong(f"{name} {shown(text)} is not of type {kind}") from None
        return text
