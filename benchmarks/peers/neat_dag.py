"""neat-python: NEAT in pure Python, https://github.com/CodeReclaimers/neat-python."""

from typing import Any

import numpy as np
from neat.activations import identity_activation, relu_activation
from neat.aggregations import sum_aggregation
from neat.nn import FeedForwardNetwork

from benchmarks.levels import by_level
from benchmarks.networks import Problem
from benchmarks.side import Side


def forward(problem: Problem) -> Side:
    """`FeedForwardNetwork.activate`, one sample at a time: there is no other way."""
    net = problem.net
    links: list[list[tuple[int, float]]] = [[] for _ in range(net.n_nodes)]
    for i, j, w in zip(net.tail.tolist(), net.head.tolist(), net.weight.tolist(), strict=True):
        links[j].append((i, w))
    # what FeedForwardNetwork.create makes of a genome: the nodes that the outputs need, in order
    needed = [j for j in by_level(net).node.tolist() if not net.is_input[j] and net.depth[j] >= 0]
    function = {"relu": relu_activation, "identity": identity_activation}
    network = FeedForwardNetwork(
        net.inputs.tolist(),
        net.outputs.tolist(),
        [(j, function[net.activations[j]], sum_aggregation, float(net.bias[j]), 1.0, links[j]) for j in needed],
    )
    samples = problem.x.tolist()

    def run() -> Any:
        return [network.activate(sample) for sample in samples]

    return Side(run, lambda: {"output": np.array(run())})
