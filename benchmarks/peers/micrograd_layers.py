"""micrograd: automatic differentiation of single numbers in pure Python, https://github.com/karpathy/micrograd."""

from typing import Any

import numpy as np
from micrograd.engine import Value
from micrograd.nn import MLP

from benchmarks.networks import Training
from benchmarks.side import Side


def step(problem: Training) -> Side:
    """As in its demonstration: the loss summed over a minibatch, backward, and a step of SGD."""
    model = MLP(problem.sizes[0], list(problem.sizes[1:]))
    start = [
        value
        for weight, bias in zip(problem.weights(), problem.biases(), strict=True)
        for row, b in zip(weight.tolist(), bias.tolist(), strict=True)
        for value in (*row, b)
    ]
    x, y, size = problem.x.tolist(), problem.y.tolist(), problem.batch_size

    def train(steps: int) -> None:
        for first in range(0, steps * size, size):
            rows = range(first, first + size)
            total = Value(0.0)
            for r in rows:
                output = model(x[r])
                outputs = output if isinstance(output, list) else [output]
                for o, wanted in zip(outputs, y[r], strict=True):
                    total += (o - wanted) ** 2
            model.zero_grad()
            (total * (0.5 / size)).backward()
            for parameter in model.parameters():
                parameter.data -= problem.learning_rate * parameter.grad

    def check() -> dict[str, Any]:
        for parameter, value in zip(model.parameters(), start, strict=True):
            parameter.data = value
        train(4)
        layers = [[[w.data for w in neuron.w] for neuron in layer.neurons] for layer in model.layers]
        return {
            "weights": problem.of_edges([np.array(rows) for rows in layers]),
            "biases": np.array([neuron.b.data for layer in model.layers for neuron in layer.neurons]),
        }

    return Side(lambda: train(1), check)
