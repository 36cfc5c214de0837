"""Connex: neural networks on a graph in JAX, https://github.com/leonard-gleyzer/connex."""

import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from benchmarks.networks import Problem
from benchmarks.side import Side

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it was written for an older Equinox
    import connex


def call(problem: Problem) -> Side:
    """As in its README: a jitted value_and_grad of a loss over vmap(network)."""
    net = problem.net
    graph = nx.DiGraph()
    graph.add_nodes_from(range(net.n_nodes))
    graph.add_edges_from(zip(net.tail.tolist(), net.head.tolist(), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = connex.NeuralNetwork(graph, net.inputs.tolist(), net.outputs.tolist(), jax.nn.relu)
    level, row, column = _places(network, net.tail, net.head)
    matrices = [np.zeros(w.shape, np.float32) for w in network._weights_and_biases]
    for k, matrix in enumerate(matrices):
        edges, nodes = np.flatnonzero(level[net.head] == k), np.flatnonzero(level == k)
        matrix[row[net.head[edges]], column[edges]] = net.weight[edges]
        matrix[row[nodes], -1] = net.bias[nodes]
    network = eqx.tree_at(lambda n: n._weights_and_biases, network, [jnp.asarray(m) for m in matrices])
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def loss(network: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return 0.5 / len(x) * ((jax.vmap(network)(x) - y) ** 2).sum()

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, gradient = loss(network, x, y)
        return jax.block_until_ready(gradient._weights_and_biases)

    def check() -> dict[str, Any]:
        weight, bias = np.zeros(net.n_edges, np.float32), np.zeros(net.n_nodes, np.float32)
        for k, matrix in enumerate(run()):
            edges, nodes = np.flatnonzero(level[net.head] == k), np.flatnonzero(level == k)
            weight[edges] = np.asarray(matrix)[row[net.head[edges]], column[edges]]
            bias[nodes] = np.asarray(matrix)[row[nodes], -1]
        return {"weight gradient": weight, "bias gradient": bias}

    return Side(run, check)


def _places(network: Any, tail: Any, head: Any) -> tuple[Any, Any, Any]:
    """The matrix and row of each node, and the column of each edge."""
    n = len(network._topo_sort)
    level, row = np.full(n, -1), np.zeros(n, np.int64)
    for k, batch in enumerate(network._topo_batches):
        nodes = [network._topo_sort[int(i)] for i in np.asarray(batch)]
        level[nodes], row[nodes] = k, np.arange(len(nodes))
    position = np.array([network._neuron_to_id[j] for j in range(n)])
    return level, row, position[tail] - np.asarray(network._min_index)[level[head]]
