"""`python -m benchmarks.in_jax`: the engine inside JAX, beside JAX's own segment_sum, on a random graph.

Forward, backward and the gradients of all parameters, jitted, in turns.
"""

from time import perf_counter

import jax
import jax.numpy as jnp

from benchmarks import networks, timing
from benchmarks.peers import jax_dag
from edgewise.jax import as_function


def main() -> None:
    problem = networks.random_dag(1000, 20_000, 64)
    apply, parameters = as_function(problem.net)
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)
    gradient = jax.jit(jax.grad(lambda p: 0.5 / problem.batch * ((apply(p, x) - y) ** 2).sum()))
    sides = {
        "edgewise.jax": lambda: jax.block_until_ready(gradient(parameters)),
        "a segment_sum per level": jax_dag.segment_sum(problem).run,
    }
    print(f"JAX {jax.__version__}; random graph, 1,000 nodes, 20,000 arcs, 64 samples")
    compiling = []
    for run in sides.values():
        began = perf_counter()
        run()
        compiling.append(perf_counter() - began)
    times = timing.interleave(list(sides.values()), timing.Pace(6.0, 5, 100))
    for name, each, first in zip(sides, times, compiling, strict=True):
        ratio = each.best / times[0].best
        print(f"  {name:24} {each.best * 1e3:8.3f} ms   × {ratio:.2f}   (the first call took {first:.2f} s)")


if __name__ == "__main__":
    main()
