"""JAX on a graph: jit of a gather and a segment_sum per level."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.levels import by_level
from benchmarks.networks import Problem
from benchmarks.side import Side

_VALUE = {"identity": lambda s: s, "relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def segment_sum(problem: Problem) -> Side:
    """Values are (nodes, samples) and grow by a level at a time, which was faster than setting rows of a whole array,
    than matrices with zeros, and than one lax.scan over padded levels (compiled in a second, though)."""
    levels = by_level(problem.net)
    n_inputs = int(levels.start[1])
    bounds, runs, first_in = levels.neurons(), levels.runs, levels.first_in
    tail, head, outputs = np.asarray(levels.tail), np.asarray(levels.head), np.asarray(levels.outputs)
    scale = 0.5 / problem.batch

    def loss(weight: jax.Array, bias: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        values = x.T
        for (a, e), of_level in zip(bounds, runs, strict=True):
            arcs = slice(int(first_in[a]), int(first_in[e]))
            terms = weight[arcs, None] * values[tail[arcs]]
            s = jax.ops.segment_sum(terms, head[arcs] - a, num_segments=e - a, indices_are_sorted=True)
            s += bias[a:e, None]
            values = jnp.concatenate([values, *(_VALUE[name](s[p - a : q - a]) for p, q, name in of_level)])
        return scale * ((values[outputs] - y.T) ** 2).sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    weight = jnp.asarray(problem.net.weight[levels.edge])
    bias = jnp.asarray(problem.net.bias[levels.node])
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)

    def run() -> Any:
        return jax.block_until_ready(gradient(weight, bias, x, y))

    def check() -> dict[str, Any]:
        of_weight, of_bias = (np.asarray(array) for array in run())
        assert len(of_bias) - n_inputs == len(problem.neurons)
        return {"weight gradient": levels.of_edges(of_weight), "bias gradient": levels.of_nodes(of_bias)}

    return Side(run, check)
