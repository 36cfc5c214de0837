"""Genomes of TensorNEAT as networks: arrays of genes, and the object that says what their numbers stand for.

TensorNEAT computes y = f(bias + response·aggregation{w·y}), outputs without f, and leaves out what cannot be reached
from an input: a node without in-arcs has no value there, and its out-arcs count as absent.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from edgewise import aggregations
from edgewise.errors import GraphError
from edgewise.network import Network

ACTIVATIONS = {
    **{name: name for name in ("sigmoid", "tanh", "sin", "relu", "identity", "abs", "exp")},
    "lelu": "neat_lelu",
    "log": "neat_log",
}
"""By TensorNEAT's name: ours. Its scaled_sigmoid, scaled_tanh and inv, which is cut off at ±1e-7, are none of these."""


def from_tensorneat(genome: Any, nodes: ArrayLike, conns: ArrayLike, *, dtype: DTypeLike = "float32") -> Network:
    """The network of a TensorNEAT genome, as its `DefaultGenome` evaluates it without input and output transforms.

    A saved genome, `numpy.load(".../genomes/12.npz")`, holds `nodes` and `conns`. These name functions by numbers only,
    so the `DefaultGenome` that was evolved with is needed too. Nodes are called by their keys; the inputs come first,
    then the outputs, then the hidden nodes that inputs reach.

    Raises GraphError for functions that we do not have and for an output that no input reaches, which is NaN there.
    """
    node_rows, arc_rows = np.asarray(nodes, np.float64), np.asarray(conns, np.float64)
    if node_rows.ndim != 2 or node_rows.shape[1] < 5 or arc_rows.ndim != 2 or arc_rows.shape[1] < 3:
        raise GraphError(
            f"nodes and conns have shapes {node_rows.shape} and {arc_rows.shape}; one genome's are (max_nodes, 5): "
            "key, bias, response, aggregation and activation, and (max_conns, 3): tail, head and weight"
        )
    genes = {int(row[0]): row for row in node_rows if not np.isnan(row[0])}
    arcs = [(int(row[0]), int(row[1]), float(row[2])) for row in arc_rows if not np.isnan(row[0])]
    inputs = [int(key) for key in genome.input_idx]
    outputs = [int(key) for key in genome.output_idx]
    reached = _reached(inputs, arcs)
    for key in outputs:
        if key not in reached:
            raise GraphError(f"no input reaches the output {key}, which has no value then; connect it")
    keys = [*inputs, *outputs, *sorted(reached.intersection(genes).difference(inputs, outputs))]
    place = {key: j for j, key in enumerate(keys)}
    arcs = [arc for arc in arcs if arc[0] in place and arc[1] in place]
    given = np.array([genes[key] for key in keys])
    gene, ends = genome.node_gene, {*inputs, *outputs}
    return Network(
        np.array([place[tail] for tail, _, _ in arcs], np.int32),
        np.array([place[head] for _, head, _ in arcs], np.int32),
        np.array([weight for _, _, weight in arcs]),
        bias=given[:, 1],
        response=given[:, 2],
        aggregation=[_name(gene.aggregation_options, code, key, "aggregation") for key, code in _codes(keys, given, 3)],
        activation=[
            "identity" if key in ends else _name(gene.activation_options, code, key, "activation")
            for key, code in _codes(keys, given, 4)
        ],
        inputs=np.arange(len(inputs)),
        outputs=np.arange(len(inputs), len(inputs) + len(outputs)),
        names=list(map(str, keys)),
        dtype=dtype,
    )


def _codes(keys: list[int], given: Any, column: int) -> list[tuple[int, int]]:
    return list(zip(keys, given[:, column].astype(int).tolist(), strict=True))


def _name(options: Any, code: int, key: int, what: str) -> str:
    """What we call the function with this number."""
    if code == -1:  # a node that was just put into an arc
        return "identity" if what == "activation" else "sum"
    called = options[code].__name__.rstrip("_")
    ours = ACTIVATIONS.get(called) if what == "activation" else called if called in aggregations.NAMES else None
    if ours is None:
        raise GraphError(f"node {key}: its {what} {called!r} is none of ours")
    return ours


def _reached(inputs: list[int], arcs: list[tuple[int, int, float]]) -> set[int]:
    heads: dict[int, list[int]] = {}
    for tail, head, _ in arcs:
        heads.setdefault(tail, []).append(head)
    found, front = set(inputs), list(inputs)
    while front:
        for head in heads.get(front.pop(), ()):
            if head not in found:
                found.add(head)
                front.append(head)
    return found
