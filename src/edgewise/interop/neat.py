"""Genomes of neat-python as networks, and trained parameters back into genomes.

What neat-python computes (`neat.nn.FeedForwardNetwork`): y = f(bias + response·aggregation{w·y}), for the nodes that
the outputs need, over enabled connections. Most of its f are ours at a multiple of the argument, which is put into bias
and response: sigmoid(5·z), tanh(2.5·z), exp(−(√5·z)²). The others have rows of their own in `edgewise.activations`.
neat-python cuts arguments of sigmoid off at ±60 and of gauss at ±3.4, which changes values by less than 1e-25.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from edgewise import activations, aggregations
from edgewise.errors import GraphError
from edgewise.network import Network, float_dtype

SCALED: dict[str, tuple[str, float]] = {
    "sigmoid": ("sigmoid", 5.0),
    "tanh": ("tanh", 2.5),
    "gauss": ("gaussian", math.sqrt(5.0)),
    "sin": ("neat_sin", 1.0),
    "softplus": ("neat_softplus", 1.0),
    "lelu": ("neat_lelu", 1.0),
    "inv": ("neat_inv", 1.0),
    "log": ("neat_log", 1.0),
    "exp": ("neat_exp", 1.0),
}
"""By neat-python's name: ours, and by how much bias and response are multiplied. The others are called alike."""


def from_neat(genome: Any, config: Any, *, dtype: DTypeLike = "float64") -> Network:
    """The network that neat-python's `FeedForwardNetwork.create(genome, config)` evaluates.

    Nodes are called by their keys: the inputs "-1", "-2", …, in this order, then the outputs "0", "1", …, then the
    hidden nodes that outputs need, by rising key. Edges are the enabled connections among them, in the genome's order.
    Activations and aggregations of one's own are found by name: register them with `edgewise.activations.register`.

    genome, config : as neat-python has them, version 0.92 or later; of the config, `genome_config` is looked at.

    Raises GraphError for a genome with cycles (evolve with feed_forward = True, or see `edgewise.feed_forward`) and for
    functions that are not known.
    """
    settings = getattr(config, "genome_config", config)
    inputs, outputs = list(settings.input_keys), list(settings.output_keys)
    arcs = [(*gene.key, gene.weight) for gene in genome.connections.values() if gene.enabled]
    needed = _needed(arcs, outputs)
    arcs = [arc for arc in arcs if arc[1] in needed]
    keys = [*inputs, *outputs, *sorted(needed.difference(inputs, outputs))]
    place = {key: j for j, key in enumerate(keys)}
    try:
        genes = [genome.nodes[key] for key in keys[len(inputs) :]]
    except KeyError as error:
        raise GraphError(f"the genome has no node {error}, which its outputs need") from None
    known: dict[tuple[str, str], tuple[str, str, float]] = {}
    biases, responses, activation, aggregation = [0.0] * len(inputs), [1.0] * len(inputs), [], []
    for gene in genes:
        kind = gene.activation, gene.aggregation
        found = known.get(kind) or known.setdefault(kind, _ours(gene))
        activation.append(found[0])
        aggregation.append(found[1])
        biases.append(found[2] * gene.bias)
        responses.append(found[2] * gene.response)
    if any(kind[1] == "product" for kind in known):
        fed = {head for _, head, _ in arcs}
        for j, gene in enumerate(genes, len(inputs)):
            if _is_empty_product(gene, fed):
                biases[j] = _ours(gene)[2] * (gene.bias + gene.response)
    number = float_dtype(dtype)
    with np.errstate(over="ignore"):  # which is said as what it is then: a number that is not finite
        return Network.of_arrays(
            np.array([place[tail] for tail, _, _ in arcs], np.int32),
            np.array([place[head] for _, head, _ in arcs], np.int32),
            np.array([weight for _, _, weight in arcs], number),
            np.array(biases, number),
            np.array(responses, number),
            activation,
            aggregation,
            len(inputs),
            len(outputs),
            tuple(map(str, keys)),
        )


def to_neat(network: Network, genome: Any, config: Any = None) -> Any:
    """Write a network's weights, biases and responses into the genome that `from_neat` made it of, and return it.

    Disabled connections and nodes that no output needs stay as they are, and so does every number that has not changed,
    to the last bit. With a config, numbers are kept within its limits (weight_min_value and so on), as mutation does.

    Raises GraphError if the network is of another genome.
    """
    settings = getattr(config, "genome_config", config)
    keys = [int(name) for name in network.names]
    arcs = [(keys[i], keys[j]) for i, j in zip(network.tail.tolist(), network.head.tolist(), strict=True)]
    for arc in arcs:
        if arc not in genome.connections or not genome.connections[arc].enabled:
            raise GraphError(f"the genome has no connection from {arc[0]} to {arc[1]}; is the network another one's?")
    fed = {head for _, head in arcs}
    made_of = network.dtype.type
    for arc, weight in zip(arcs, network.weight.tolist(), strict=True):
        gene = genome.connections[arc]
        if weight != float(made_of(gene.weight)):
            gene.weight = _limited(weight, "weight", settings)
    numbers = zip(keys, network.is_input.tolist(), network.bias.tolist(), network.response.tolist(), strict=True)
    for key, is_input, bias, response in numbers:
        if is_input:
            continue
        if key not in genome.nodes:
            raise GraphError(f"the genome has no node {key}; is the network another one's?")
        gene = genome.nodes[key]
        scale = _ours(gene)[2]
        empty = _is_empty_product(gene, fed)
        more = gene.response if empty else 0.0
        if bias != float(made_of(scale * (gene.bias + more))):
            gene.bias = _limited(bias / scale - more, "bias", settings)
        if not empty and response != float(made_of(scale * gene.response)):
            gene.response = _limited(response / scale, "response", settings)
    return genome


def _needed(arcs: Iterable[tuple[int, int, float]], outputs: list[int]) -> set[int]:
    """The nodes from which a path leads to an output, outputs included."""
    tails: dict[int, list[int]] = {}
    for tail, head, _ in arcs:
        if head in tails:
            tails[head].append(tail)
        else:
            tails[head] = [tail]
    found, front = set(outputs), list(outputs)
    while front:
        for tail in tails.get(front.pop(), ()):
            if tail not in found:
                found.add(tail)
                front.append(tail)
    return found


def _ours(gene: Any) -> tuple[str, str, float]:
    """Its activation and its aggregation, and by how much bias and response are multiplied."""
    name, scale = SCALED.get(gene.activation, (None, 1.0))
    if name is None:
        try:
            name = activations.get(gene.activation).name
        except GraphError:
            raise GraphError(
                f"node {gene.key}: its activation {gene.activation!r} is not neat-python's; register it under this "
                "name with edgewise.activations.register(name, f, df)"
            ) from None
    return name, aggregations.get(gene.aggregation).name, scale


def _is_empty_product(gene: Any, fed: set[int]) -> bool:
    """Whether a node multiplies nothing: to neat-python that is 1, to us, as for all aggregations, 0."""
    return gene.aggregation == "product" and gene.key not in fed


def _limited(number: float, what: str, settings: Any) -> float:
    if settings is None:
        return number
    least, most = getattr(settings, f"{what}_min_value"), getattr(settings, f"{what}_max_value")
    return max(min(number, most), least)
