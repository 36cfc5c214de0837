"""TensorNEAT: NEAT genomes in JAX, https://github.com/EMI-Group/tensorneat."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tensorneat.common import ACT, AGG, State
from tensorneat.genome import DefaultGenome, DefaultNode

from benchmarks.networks import Problem
from benchmarks.side import Side


def forward(problem: Problem) -> Side:
    """A genome's forward pass, vmapped over samples and jitted."""
    net = problem.net
    genome = DefaultGenome(
        net.n_inputs,
        net.n_outputs,
        max_nodes=net.n_nodes,
        max_conns=net.n_edges,
        node_gene=DefaultNode(activation_options=ACT.relu, aggregation_options=AGG.sum),
    )
    state = genome.setup(State())
    order = np.concatenate([net.inputs, net.outputs, np.setdiff1d(problem.neurons, net.outputs)])
    key = np.empty(net.n_nodes, np.int64)
    key[order] = np.arange(net.n_nodes)
    nodes = np.zeros((net.n_nodes, 5), np.float32)  # key, bias, response, aggregation, activation
    nodes[:, 0], nodes[:, 1], nodes[:, 2] = np.arange(net.n_nodes), net.bias[order], 1
    arcs = np.stack([key[net.tail], key[net.head], net.weight], axis=1).astype(np.float32)
    transformed = genome.transform(state, jnp.asarray(nodes), jnp.asarray(arcs))
    outputs = jax.jit(jax.vmap(genome.forward, in_axes=(None, None, 0)))
    x = jnp.asarray(problem.x)

    def run() -> Any:
        return jax.block_until_ready(outputs(state, transformed, x))

    return Side(run, lambda: {"output": np.asarray(run())})
