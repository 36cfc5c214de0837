"""PyTorch on layers: `nn.Sequential` and what its users do with it; missing arcs are zeros in its matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from benchmarks.machine import threads
from benchmarks.networks import Layered, Training
from benchmarks.ours import final_loss
from benchmarks.side import Side

torch.set_num_threads(threads())

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def model_of(problem: Layered) -> nn.Sequential:
    modules: list[nn.Module] = []
    for weight, bias in zip(problem.weights(), problem.biases(), strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight = nn.Parameter(torch.tensor(weight))
        linear.bias = nn.Parameter(torch.tensor(bias))
        modules += [linear, _ACTIVATIONS[problem.activation]()]
    return nn.Sequential(*modules[:-1])


def loss_of(problem: Layered) -> Callable[[Tensor, Tensor], Tensor]:
    if problem.loss == "cross_entropy":
        return cross_entropy
    return lambda output, wanted: mse_loss(output, wanted, reduction="sum") * (0.5 / len(output))


def call(problem: Layered) -> Side:
    return of_model(problem, model_of(problem))


def call_with_input_gradient(problem: Layered) -> Side:
    return of_model(problem, model_of(problem), input_gradient=True)


def of_model(
    problem: Layered,
    model: nn.Module,
    *,
    input_gradient: bool = False,
    edges_of: Callable[[list[Tensor]], Any] | None = None,
) -> Side:
    """edges_of : from the gradients of the weights to (E,); by default they are those of dense matrices."""
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)
    loss = loss_of(problem)
    if input_gradient:
        x.requires_grad_()

    def run() -> None:
        model.zero_grad()
        x.grad = None
        loss(model(x), y).backward()

    def check() -> dict[str, Any]:
        run()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        weights, biases = gradients[::2], gradients[1::2]
        edges = problem.of_edges([w.numpy() for w in weights]) if edges_of is None else edges_of(weights)
        numbers = {
            "weight gradient": edges,
            "bias gradient": np.concatenate([np.zeros(problem.sizes[0], np.float32), *(b.numpy() for b in biases)]),
        }
        if x.grad is not None:
            numbers["input gradient"] = x.grad.numpy() * problem.batch  # of each sample's own loss, not of the mean
        return numbers

    return Side(run, check)


# ---- many derivatives of one pass ----


def sensitivities(problem: Layered) -> Side:
    """One call of autograd.grad per output, for the values of all layers."""

    def all_of(values: list[Tensor]) -> list[tuple[Tensor, ...]]:
        output = values[-1]
        return [torch.autograd.grad(output[:, t].sum(), values, retain_graph=True) for t in range(output.shape[1])]

    return _sensitivities(problem, all_of, lambda found: np.stack([np.concatenate(of_t, axis=1) for of_t in found]))


def sensitivities_batched(problem: Layered) -> Side:
    """One call for all outputs, which PyTorch vectorises."""
    n_outputs = problem.sizes[-1]
    chosen = torch.eye(n_outputs)[:, None, :].expand(n_outputs, problem.batch, n_outputs)

    def all_of(values: list[Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(values[-1], values, chosen, is_grads_batched=True)

    return _sensitivities(problem, all_of, lambda found: np.concatenate(found, axis=2))


def _sensitivities(problem: Layered, all_of: Callable[[list[Tensor]], Any], together: Callable[[Any], Any]) -> Side:
    model = model_of(problem)
    x = torch.tensor(problem.x, requires_grad=True)
    pairs = [model[k : k + 2] for k in range(0, len(model), 2)]  # a layer and its activation

    def run() -> Any:
        values = [x]
        for pair in pairs:
            values.append(pair(values[-1]))
        return all_of(values)

    return Side(run, lambda: {"sensitivity": together(run())})


def per_sample(problem: Layered) -> Side:
    """torch.func.vmap of the gradient of one sample's loss."""
    model = model_of(problem)
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(torch.func.functional_call(model, parameters, (x[None],)), y[None])

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def run() -> dict[str, Tensor]:
        return gradients(parameters, x, y)

    def check() -> dict[str, Any]:
        found = [gradient.numpy() for gradient in run().values()]
        inputs = np.zeros((problem.batch, problem.sizes[0]), np.float32)
        return {
            "weight gradient": problem.of_edges(found[::2]),
            "bias gradient": np.concatenate([inputs, *found[1::2]], axis=1),
        }

    return Side(run, check)


# ---- training ----


def step(problem: Training) -> Side:
    """The usual loop over minibatches, with SGD."""
    return _training(
        problem, lambda model: torch.optim.SGD(model.parameters(), lr=problem.learning_rate), _parameters_after_four
    )


def step_fused(problem: Training) -> Side:
    return _training(
        problem,
        lambda model: torch.optim.SGD(model.parameters(), lr=problem.learning_rate, fused=True),
        _parameters_after_four,
    )


def fit(problem: Training) -> Side:
    """The usual loop over minibatches, with Adam."""
    return _training(problem, lambda model: torch.optim.Adam(model.parameters(), lr=problem.learning_rate), _final_loss)


def fit_fused(problem: Training) -> Side:
    return _training(
        problem, lambda model: torch.optim.Adam(model.parameters(), lr=problem.learning_rate, fused=True), _final_loss
    )


def _training(problem: Training, optimizer_of: Any, compare: Any) -> Side:
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)
    loss = loss_of(problem)
    model = model_of(problem)
    start = [parameter.detach().clone() for parameter in model.parameters()]

    def train(rows: slice, epochs: int, shuffle: bool) -> None:
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), start, strict=True):
                parameter.copy_(value)
        optimizer = optimizer_of(model)
        x_all, y_all, size = x[rows], y[rows], problem.batch_size
        for _ in range(epochs):
            order = torch.randperm(len(x_all)) if shuffle else torch.arange(len(x_all))
            for first in range(0, len(x_all), size):
                batch = order[first : first + size]
                optimizer.zero_grad()
                loss(model(x_all[batch]), y_all[batch]).backward()
                optimizer.step()

    return Side(
        lambda: train(slice(None), problem.epochs, True), lambda: compare(problem, model, train), steps=problem.steps
    )


def _parameters_after_four(problem: Training, model: nn.Sequential, train: Any) -> dict[str, Any]:
    train(problem.first_four, 1, False)
    found = [parameter.detach().numpy() for parameter in model.parameters()]
    return {"weights": problem.of_edges(found[::2]), "biases": np.concatenate(found[1::2])}


def _final_loss(problem: Training, model: nn.Sequential, train: Any) -> dict[str, Any]:
    train(slice(None), problem.epochs, False)
    with torch.no_grad():
        return {"final loss": final_loss(problem, model(torch.tensor(problem.x)).numpy())}
