"""A graph as it comes from elsewhere: nodes and arcs with what is said of them, before they are a network.

Whatever brings them, a file or another library's graph, the keys are those of the node-link JSON (docs/files.md): of a
node `kind`, `activation`, `aggregation`, `bias`, `response`, `bias_tie`; of an arc `weight` and `tie`; of the graph
`dtype`, `inputs` and `outputs`. What is not said, or said as None, has its default. A description may have cycles.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.arrays import IntArray, all_finite
from edgewise.errors import FormatError
from edgewise.network import Network

NODE_KEYS = ("kind", "activation", "aggregation", "bias", "response", "bias_tie")
EDGE_KEYS = ("weight", "tie")
DEFAULTS: dict[str, Any] = {"weight": 1.0, "bias": 0.0, "response": 1.0, "activation": "relu", "aggregation": "sum"}

Place = Callable[[int], str]
"""How a message calls the node or the arc with this index."""
Column = Sequence[Any] | NDArray[Any]
"""One entry per node or arc, None where nothing is said."""

_KINDS = ("input", "hidden", "output")


@dataclass(frozen=True, slots=True)
class Description:
    """N nodes and E arcs; what `Network` is made from, but that arcs may form cycles."""

    names: Sequence[str] | None
    tail: IntArray
    head: IntArray
    weight: NDArray[Any]
    bias: NDArray[Any]
    """(N,), and so the next three"""
    response: NDArray[Any]
    activation: Sequence[str]
    aggregation: Sequence[str]
    tie: Sequence[int] | IntArray | None
    bias_tie: Sequence[int] | IntArray | None
    inputs: Sequence[int] | IntArray | None
    """None: the nodes without in-arcs"""
    outputs: Sequence[int] | IntArray | None
    """None: the nodes without out-arcs"""
    dtype: str

    @property
    def n_nodes(self) -> int:
        return len(self.bias)

    def name(self, node: int) -> str:
        return str(node) if self.names is None else self.names[node]

    def network(self) -> Network:
        """GraphError if it cannot be one."""
        return Network(
            self.tail,
            self.head,
            self.weight,
            bias=self.bias,
            activation=self.activation,
            aggregation=self.aggregation,
            response=self.response,
            inputs=self.inputs,
            outputs=self.outputs,
            names=self.names,
            tie=self.tie,
            bias_tie=self.bias_tie,
            dtype=self.dtype,
        )


def describe(
    names: Sequence[str],
    tail: IntArray,
    head: IntArray,
    nodes: Mapping[str, Column],
    edges: Mapping[str, Column],
    *,
    dtype: Any = None,
    inputs: Sequence[int] | None = None,
    outputs: Sequence[int] | None = None,
    defaults: Mapping[str, Any] = DEFAULTS,
    node_place: Place = "nodes[{}]".format,
    edge_place: Place = "edges[{}]".format,
) -> Description:
    """A description from columns; FormatError saying what is wrong and where.

    inputs, outputs : node indices, where they are listed; None goes by the nodes' kinds.
    """
    n, e = len(names), len(tail)
    if dtype not in (None, "float32", "float64"):
        raise FormatError(f'graph.dtype is {shown(dtype)}; it must be "float32" or "float64"')
    by_kind = _ends(nodes.get("kind", ()), node_place)
    return Description(
        names=None if list(names) == list(map(str, range(n))) else names,
        tail=tail,
        head=head,
        weight=_numbers(edges, "weight", e, edge_place, defaults),
        bias=_numbers(nodes, "bias", n, node_place, defaults),
        response=_numbers(nodes, "response", n, node_place, defaults),
        activation=_texts(nodes, "activation", n, node_place, defaults),
        aggregation=_texts(nodes, "aggregation", n, node_place, defaults),
        tie=_ties(edges, "tie", edge_place),
        bias_tie=_ties(nodes, "bias_tie", node_place),
        inputs=by_kind["input"] or None if inputs is None else inputs,
        outputs=by_kind["output"] or None if outputs is None else outputs,
        dtype=dtype or "float64",
    )


def plain(n_nodes: int, tail: IntArray, head: IntArray, weight: NDArray[Any], dtype: str = "float64") -> Description:
    """Arcs with their weights, and nodes of which nothing is said."""
    return Description(
        names=None,
        tail=tail,
        head=head,
        weight=weight,
        bias=np.full(n_nodes, DEFAULTS["bias"]),
        response=np.full(n_nodes, DEFAULTS["response"]),
        activation=[DEFAULTS["activation"]] * n_nodes,
        aggregation=[DEFAULTS["aggregation"]] * n_nodes,
        tie=None,
        bias_tie=None,
        inputs=None,
        outputs=None,
        dtype=dtype,
    )


def shown(given: Any) -> str:
    """Something given, in a message."""
    try:
        text = repr(given)
    except (ValueError, RecursionError):
        return "(too long to show)"
    return text if len(text) <= 60 else text[:57] + "..."


def _numbers(
    columns: Mapping[str, Column], key: str, count: int, place: Place, defaults: Mapping[str, Any]
) -> NDArray[Any]:
    given = columns.get(key)
    if given is None:
        return np.full(count, defaults[key], np.float64)
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        return given
    default = defaults[key]
    if not set(map(type, given)) <= {float, type(None)}:
        given = [default if number is None else _number(number, key, place, k) for k, number in enumerate(given)]
    return np.array([default if number is None else number for number in given], np.float64)


def _number(given: Any, key: str, place: Place, k: int) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | np.integer | np.floating):
        raise FormatError(f"{place(k)}: {key} {shown(given)} must be a number")
    try:
        return float(given)
    except OverflowError:
        raise FormatError(f"{place(k)}: {key} is too large for a floating-point number") from None


def _texts(columns: Mapping[str, Column], key: str, count: int, place: Place, defaults: Mapping[str, Any]) -> list[str]:
    given = columns.get(key)
    if given is None:
        return [defaults[key]] * count
    for k, text in enumerate(given):
        if text is not None and not isinstance(text, str):
            raise FormatError(f"{place(k)}: {key} {shown(text)} must be a str")
    return [defaults[key] if text is None else text for text in given]


def _ends(kinds: Column, place: Place) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {kind: [] for kind in _KINDS}
    for j, kind in enumerate(kinds):
        if kind is None:
            continue
        if not isinstance(kind, str) or kind not in _KINDS:
            raise FormatError(f"{place(j)}: kind {shown(kind)} must be input, hidden or output")
        found[kind].append(j)
    return found


def _ties(columns: Mapping[str, Column], key: str, place: Place) -> list[int] | None:
    """One parameter index per edge or node; those without one get an index of their own."""
    given = columns.get(key, ())
    ties = given.tolist() if isinstance(given, np.ndarray) else given
    if all(tie is None for tie in ties):
        return None
    for k, tie in enumerate(ties):
        whole = isinstance(tie, int | np.integer) and not isinstance(tie, bool)
        if tie is not None and not (whole and 0 <= tie < 2**31 - 1):
            raise FormatError(f"{place(k)}: {key} {shown(tie)} must be a whole number from 0 to 2^31 - 2")
    rank = {tie: k for k, tie in enumerate(dict.fromkeys(tie for tie in ties if tie is not None))}
    fresh = iter(range(len(rank), len(rank) + len(ties)))
    return [next(fresh) if tie is None else rank[tie] for tie in ties]


# ---- of a network ----


def refuse_not_finite(network: Network) -> None:
    """FormatError if a parameter is no number that a file may hold."""
    if not all(all_finite(array) for array in (network.weight, network.bias, network.response)):
        raise FormatError("a parameter is not a finite number, which no file of a network holds; mend it first")


def node_attributes(network: Network) -> list[dict[str, Any]]:
    """What is to be said of each node: nothing that has its default, but for what a reader would look for."""
    is_output = np.zeros(network.n_nodes, np.bool_)
    is_output[network.outputs] = True
    found = []
    bias_tie = [None] * network.n_nodes if network.bias_tie is None else network.bias_tie.tolist()
    columns = zip(
        network.is_input.tolist(),
        is_output.tolist(),
        network.activations,
        network.aggregations,
        network.bias.tolist(),
        network.response.tolist(),
        bias_tie,
        strict=True,
    )
    for is_input, is_out, activation, aggregation, bias, response, tie in columns:
        node: dict[str, Any] = {"kind": "input" if is_input else "output" if is_out else "hidden"}
        if not is_input:
            node["activation"] = activation
            if aggregation != "sum":
                node["aggregation"] = aggregation
        if not is_input or bias != 0 or math.copysign(1, bias) < 0:
            node["bias"] = bias
        if response != 1:
            node["response"] = response
        if tie is not None and not is_input:
            node["bias_tie"] = tie
        found.append(node)
    return found


def edge_attributes(network: Network) -> list[dict[str, Any]]:
    """Weights, and what they are tied to."""
    if network.tie is None:
        return [{"weight": weight} for weight in network.weight.tolist()]
    pairs = zip(network.weight.tolist(), network.tie.tolist(), strict=True)
    return [{"weight": weight, "tie": tie} for weight, tie in pairs]


def graph_attributes(network: Network) -> dict[str, Any]:
    """What the nodes do not tell: "dtype" when it is not float64; "inputs" and "outputs", as node indices in order,
    when the order or the set is not that of the nodes' kinds."""
    found: dict[str, Any] = {}
    if network.dtype != np.float64:
        found["dtype"] = str(network.dtype)
    # an empty list is written too: without it, no node of kind input would mean the nodes without in-arcs
    inputs, outputs = network.inputs.tolist(), network.outputs.tolist()
    if not inputs or inputs != np.flatnonzero(network.is_input).tolist():
        found["inputs"] = inputs
    if outputs != [j for j in sorted(outputs) if not network.is_input[j]]:
        found["outputs"] = outputs
    return found


def parallel_numbers(network: Network) -> list[int] | None:
    """(E,) which of the arcs between its two nodes each is, from 0; None if none are parallel."""
    arcs = list(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    if len(set(arcs)) == len(arcs):
        return None
    last: dict[tuple[int, int], int] = {}
    numbers = []
    for arc in arcs:
        last[arc] = last.get(arc, -1) + 1
        numbers.append(last[arc])
    return numbers
