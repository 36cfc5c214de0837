"""Edgewise's own side of each comparison, as its users would write it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise as ew
from benchmarks.networks import Problem, Training
from benchmarks.side import Side

Numbers = dict[str, NDArray[Any]]


def call(problem: Problem) -> Side:
    """Forward, backward and the gradients of all weights and biases: NumPy arrays in, NumPy arrays out."""
    net, x, y, loss = problem.net, problem.x, problem.y, problem.loss

    def run() -> tuple[Any, Any]:
        bwd = net.backprop(x, y=y, loss=loss)
        return bwd.weight_gradient, bwd.bias_gradient

    def check() -> Numbers:
        weight, bias = run()
        return {"weight gradient": weight, "bias gradient": bias}

    return Side(run, check)


def call_with_new_weights(problem: Problem) -> Side:
    """The same; before every call one weight is changed, in its last digit."""
    net, same = problem.net, call(problem)
    weights = [net.weight[0], np.nextafter(net.weight[0], np.float32(0))]

    def run() -> Any:
        weights.reverse()
        net.weight[0] = weights[0]
        return same.run()

    return Side(run, same.check)


def call_with_input_gradient(problem: Problem) -> Side:
    net, x, y, loss = problem.net, problem.x, problem.y, problem.loss

    def run() -> tuple[Any, Any, Any]:
        bwd = net.backprop(x, y=y, loss=loss)
        return bwd.weight_gradient, bwd.bias_gradient, bwd.input_gradient

    def check() -> Numbers:
        weight, bias, of_inputs = run()
        return {"weight gradient": weight, "bias gradient": bias, "input gradient": of_inputs}

    return Side(run, check)


def forward(problem: Problem) -> Side:
    net, x = problem.net, problem.x

    def run() -> Any:
        return net.forward(x).output

    return Side(run, lambda: {"output": run()})


def sensitivities(problem: Problem) -> Side:
    """S(i, t) of every node i for every output t and every sample."""
    net, x, targets = problem.net, problem.x, problem.net.outputs.tolist()

    def run() -> Any:
        return net.backprop(x, targets).sensitivity

    return Side(run, lambda: {"sensitivity": run()})


def per_sample(problem: Problem) -> Side:
    """The gradient of each sample's own loss with respect to all weights and biases."""
    net, x, y, loss = problem.net, problem.x, problem.y, problem.loss

    def run() -> tuple[Any, Any]:
        bwd = net.backprop(x, y=y, loss=loss)
        return bwd.weight_gradient_per_sample, bwd.bias_gradient_per_sample

    def check() -> Numbers:
        weight, bias = run()
        return {"weight gradient": weight, "bias gradient": bias}

    return Side(run, check)


def step(problem: Training) -> Side:
    """Plain SGD; what is compared are the parameters after the first four minibatches, taken in order."""
    return _fit(problem, lambda: ew.SGD(problem.learning_rate), _parameters_after_four)


def fit(problem: Training) -> Side:
    """Adam; what is compared is the loss on all samples after training from the same parameters, in order."""
    return _fit(problem, lambda: ew.Adam(problem.learning_rate), _final_loss)


def _fit(problem: Training, optimizer: Any, compare: Any) -> Side:
    net = problem.net.copy()
    weight, bias = net.weight.copy(), net.bias.copy()

    def train(rows: slice, epochs: int, shuffle: bool) -> None:
        net.weight, net.bias = weight, bias
        ew.fit(
            net,
            problem.x[rows],
            problem.y[rows],
            loss=problem.loss,
            optimizer=optimizer(),
            epochs=epochs,
            batch_size=problem.batch_size,
            shuffle=shuffle,
            progress=False,
        )

    def check() -> Numbers:
        numbers: Numbers = compare(problem, net, train)
        return numbers

    return Side(lambda: train(slice(None), problem.epochs, True), check, steps=problem.steps)


def _parameters_after_four(problem: Training, net: ew.Network, train: Any) -> Numbers:
    train(problem.first_four, 1, False)
    return {"weights": net.weight.copy(), "biases": net.bias[problem.neurons]}


def _final_loss(problem: Training, net: ew.Network, train: Any) -> Numbers:
    train(slice(None), problem.epochs, False)
    return {"final loss": final_loss(problem, net.forward(problem.x).output)}


def final_loss(problem: Training, logits: NDArray[Any]) -> NDArray[np.float64]:
    """The mean cross-entropy of (B, K) logits or log-probabilities over all samples."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(shifted)), problem.y]
    return np.atleast_1d((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
