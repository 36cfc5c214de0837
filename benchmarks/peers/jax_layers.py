"""JAX on layers: jit of the gradient of a list of matrix products."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.networks import Layered, Training
from benchmarks.side import Side

Parameters = list[tuple[jax.Array, jax.Array]]

_VALUE = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def call(problem: Layered) -> Side:
    gradient = jax.jit(jax.grad(_loss_of(problem)))
    parameters, x, y = _parameters(problem), jnp.asarray(problem.x), jnp.asarray(problem.y)

    def run() -> Any:
        return jax.block_until_ready(gradient(parameters, x, y))

    def check() -> dict[str, Any]:
        found = run()
        inputs = np.zeros(problem.sizes[0], np.float32)
        return {
            "weight gradient": problem.of_edges([np.asarray(w).T for w, _ in found]),
            "bias gradient": np.concatenate([inputs, *(np.asarray(b) for _, b in found)]),
        }

    return Side(run, check)


def step(problem: Training) -> Side:
    """The usual loop over minibatches, which calls one compiled function per step."""
    loss, rate = _loss_of(problem), problem.learning_rate

    @jax.jit
    def stepped(parameters: Parameters, x: jax.Array, y: jax.Array) -> Parameters:
        return jax.tree.map(lambda p, g: p - rate * g, parameters, jax.grad(loss)(parameters, x, y))

    def train(parameters: Parameters, x: Any, y: Any, order: Any) -> Parameters:
        for first in range(0, len(order), problem.batch_size):
            batch = order[first : first + problem.batch_size]
            parameters = stepped(parameters, x[batch], y[batch])
        return jax.block_until_ready(parameters)

    # minibatches are cut out of NumPy arrays: indexing JAX arrays outside of jit costs more than the step
    return _training(problem, train, problem.x, problem.y)


def step_scanned(problem: Training) -> Side:
    """A whole epoch as one compiled function, a lax.scan over minibatches."""
    loss, rate = _loss_of(problem), problem.learning_rate

    @jax.jit
    def epoch(parameters: Parameters, x: jax.Array, y: jax.Array, order: jax.Array) -> Parameters:
        def body(parameters: Parameters, batch: jax.Array) -> tuple[Parameters, None]:
            gradient = jax.grad(loss)(parameters, x[batch], y[batch])
            return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient), None

        return jax.lax.scan(body, parameters, order.reshape(-1, problem.batch_size))[0]

    def train(parameters: Parameters, x: Any, y: Any, order: Any) -> Parameters:
        return jax.block_until_ready(epoch(parameters, x, y, order))

    return _training(problem, train, jnp.asarray(problem.x), jnp.asarray(problem.y))


def _training(problem: Training, train: Any, x: Any, y: Any) -> Side:
    start = _parameters(problem)
    rng = np.random.default_rng(0)

    def run() -> None:
        parameters = start
        for _ in range(problem.epochs):
            parameters = train(parameters, x, y, rng.permutation(len(x)))

    def check() -> dict[str, Any]:
        run()  # compiles, for the shapes that are timed
        rows = problem.first_four
        found = train(start, x[rows], y[rows], np.arange(len(x[rows])))
        return {
            "weights": problem.of_edges([np.asarray(w).T for w, _ in found]),
            "biases": np.concatenate([np.asarray(b) for _, b in found]),
        }

    return Side(run, check, steps=problem.steps)


def _parameters(problem: Layered) -> Parameters:
    pairs = zip(problem.weights(), problem.biases(), strict=True)
    return [(jnp.asarray(w.T.copy()), jnp.asarray(b)) for w, b in pairs]


def _loss_of(problem: Layered) -> Any:
    value = _VALUE[problem.activation]

    def loss(parameters: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
        for w, b in parameters[:-1]:
            x = value(x @ w + b)
        w, b = parameters[-1]
        return 0.5 / len(x) * ((x @ w + b - y) ** 2).sum()

    return loss
