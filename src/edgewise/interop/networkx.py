"""NetworkX graphs: `networkx.DiGraph` and `MultiDiGraph`, with the attributes of the node-link JSON.

Columns of attributes are taken with NetworkX's own iterators, a pass each; nothing is looked up arc by arc.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from edgewise import description
from edgewise.description import DEFAULTS, EDGE_KEYS, NODE_KEYS, Description, shown
from edgewise.errors import FormatError, GraphError, MissingDependencyError
from edgewise.network import Network


def from_networkx(
    graph: Any,
    *,
    weight: float = 1.0,
    bias: float = 0.0,
    activation: str = "relu",
    aggregation: str = "sum",
    response: float = 1.0,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    keys: Mapping[str, str | None] | None = None,
    dtype: str | None = None,
) -> Network:
    """The network that a directed NetworkX graph describes.

    Nodes and arcs may carry the attributes of the node-link JSON: a node `kind` ("input", "hidden" or "output"),
    `activation`, `aggregation`, `bias`, `response` and `bias_tie`, an arc `weight` and `tie`, the graph `inputs`,
    `outputs` (lists of nodes) and `dtype`. Nodes keep the graph's order; arcs come by tail, as the graph lists them. A
    node that is no str is called by what `str` makes of it; nodes 0, 1, 2, … in this order stay without names.

    Parameters
    ----------
    graph : DiGraph or MultiDiGraph; the arcs of a multigraph are parallel arcs.
    weight, bias, activation, aggregation, response : for nodes and arcs that do not say.
    inputs, outputs : nodes of the graph, in order. None: as the graph or its nodes say, else the nodes without in-arcs
        and those without out-arcs.
    keys : attributes called otherwise, such as {"weight": "strength"}; None as a name ignores the graph's.
    dtype : "float64" or "float32"; None is the graph's, else float64.

    Raises GraphError for an undirected graph, two nodes with one name, an attribute that cannot be, and a cycle:
    `edgewise.feed_forward` makes a network of a graph that has some.
    """
    defaults = {
        "weight": weight,
        "bias": bias,
        "activation": activation,
        "aggregation": aggregation,
        "response": response,
    }
    return describe(graph, inputs=inputs, outputs=outputs, keys=keys, dtype=dtype, defaults=defaults).network()


def to_networkx(network: Network) -> Any:
    """The network as a `networkx.DiGraph`, or a `MultiDiGraph` if arcs are parallel.

    Attributes are those that `from_networkx` reads. Nodes are called by their names, or by their indices where they
    have none. NetworkX lists arcs by their tails, whatever their order in the network.
    """
    nx = _library()
    parallel = description.parallel_numbers(network)
    graph = nx.DiGraph() if parallel is None else nx.MultiDiGraph()
    names: Sequence[Any] = network.names if network.has_names else range(network.n_nodes)
    for key, value in description.graph_attributes(network).items():
        graph.graph[key] = value if key == "dtype" else [names[j] for j in value]
    graph.add_nodes_from(zip(names, description.node_attributes(network), strict=True))
    tails = [names[i] for i in network.tail.tolist()]
    heads = [names[j] for j in network.head.tolist()]
    said = description.edge_attributes(network)
    if parallel is None:
        graph.add_edges_from(zip(tails, heads, said, strict=True))
    else:
        graph.add_edges_from(zip(tails, heads, parallel, said, strict=True))
    return graph


def is_graph(given: Any) -> bool:
    """Whether something is a NetworkX graph, which it cannot be before NetworkX is imported."""
    return type(given).__module__.partition(".")[0] == "networkx" or (
        hasattr(given, "adjacency") and hasattr(given, "is_multigraph")
    )


def describe(
    graph: Any,
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    keys: Mapping[str, str | None] | None = None,
    dtype: str | None = None,
    defaults: Mapping[str, Any] = DEFAULTS,
) -> Description:
    """What the graph says, cycles included; see `from_networkx`."""
    if not is_graph(graph):
        raise GraphError(f"a NetworkX graph is needed, not {type(graph).__name__}")
    if not graph.is_directed():
        raise GraphError(
            "the graph is undirected, and a network's arcs have a direction: make a DiGraph that says which way each "
            "arc goes"
        )
    called = {key: key for key in (*NODE_KEYS, *EDGE_KEYS)}
    for key, name in (keys or {}).items():
        if key not in called:
            raise GraphError(f"keys names {shown(key)}; there are {', '.join(called)}")
        called[key] = name  # type: ignore[assignment]

    nodes = list(graph)
    names = _names(nodes)
    index = {node: j for j, node in enumerate(nodes)}
    neighbours = [following for _, following in graph.adjacency()]
    multigraph = graph.is_multigraph()
    counts = [sum(map(len, following.values())) if multigraph else len(following) for following in neighbours]
    tail = np.repeat(np.arange(len(nodes), dtype=np.int32), counts)
    if multigraph:
        heads = [j for following in neighbours for j, arcs in following.items() for _ in range(len(arcs))]
        said = [arc for following in neighbours for arcs in following.values() for arc in arcs.values()]
    else:
        heads = list(chain.from_iterable(neighbours))
        said = list(chain.from_iterable(following.values() for following in neighbours))
    head = np.fromiter(map(index.__getitem__, heads), np.int32, len(heads))

    def ends(given: Sequence[Any] | None, key: str) -> list[int] | None:
        given = graph.graph.get(key) if given is None else given
        if given is None:
            return None
        if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
            raise GraphError(f"{key} must be a list of nodes, not {shown(given)}")
        for node in given:
            if node not in index:
                raise GraphError(f"{key}: {shown(node)} is not a node of the graph")
        return [index[node] for node in given]

    try:
        return description.describe(
            names,
            tail,
            head,
            {
                key: [value for _, value in graph.nodes(data=called[key])]
                for key in NODE_KEYS
                if called[key] is not None
            },
            {key: [arc.get(called[key]) for arc in said] for key in EDGE_KEYS if called[key] is not None},
            dtype=graph.graph.get("dtype") if dtype is None else dtype,
            inputs=ends(inputs, "inputs"),
            outputs=ends(outputs, "outputs"),
            defaults=defaults,
            node_place=lambda j: f"node {shown(nodes[j])}",
            edge_place=lambda e: f"arc {shown(nodes[tail[e]])} -> {shown(nodes[head[e]])}",
        )
    except FormatError as error:
        raise GraphError(str(error)) from None


def _names(nodes: list[Any]) -> list[str]:
    names = [node if isinstance(node, str) else str(node) for node in nodes]
    if len(set(names)) < len(names):
        first: dict[str, Any] = {}
        for node, name in zip(nodes, names, strict=True):
            if name in first:
                raise GraphError(
                    f"the nodes {shown(first[name])} and {shown(node)} would both be called {shown(name)}; rename one "
                    "with networkx.relabel_nodes"
                )
            first[name] = node
    return names


def _library() -> Any:
    try:
        import networkx
    except ImportError:
        raise MissingDependencyError("networkx", "networkx", "to_networkx") from None
    return networkx
