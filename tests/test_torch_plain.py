"""to_module: the network as plain PyTorch, with the engine's values and gradients."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import edgewise as ew
from edgewise.torch import GraphModule, to_module
from oracles import assert_close
from strategies import networks_with_samples


def both(net, x):
    """Output and gradients of x, weights and the rest: the engine's, and plain PyTorch's."""
    found = []
    for module in (GraphModule(net), to_module(net)):
        given_x = torch.tensor(x, requires_grad=True)
        output = module(given_x)
        mix = torch.arange(1, output.numel() + 1, dtype=output.dtype).reshape(output.shape).cos()
        gradients = torch.autograd.grad(
            (output * mix).sum(), [given_x, *module.parameters()], allow_unused=True, materialize_grads=True
        )
        found.append([one.detach().numpy() for one in (output, *gradients)])
    return found


@given(networks_with_samples())
@settings(max_examples=60)
def test_any_network(case):
    net, x = case
    for here, there in zip(*both(net, x), strict=True):
        if here.shape == (net.n_nodes,):
            here, there = here[~net.is_input], there[~net.is_input]
        assert_close(there, here)


@pytest.mark.parametrize("name", ew.activations.BUILTIN)
def test_every_activation_also_at_its_kinks(name):
    net = ew.Network([0, 0], [1, 1], [0.75, 0.25], activation=name)
    low, high = (0.1, 5) if name in ("log", "sqrt", "reciprocal") else (-30, 30)
    kinks = ew.activations.get(name).kinks
    x = np.concatenate([np.linspace(low, high, 99), kinks])[:, None]
    for here, there in zip(*both(net, x), strict=True):
        assert_close(there, here)
    layered = ew.Network([0], [1], [1.0], activation=name)
    assert isinstance(to_module(layered)[0], nn.Linear)
    for here, there in zip(both(layered, x)[0][:2], both(layered, x)[1][:2], strict=True):
        assert_close(there, here)


@pytest.mark.parametrize("name", ew.aggregations.NAMES)
def test_every_aggregation_with_ties_and_zeros(name):
    rng = np.random.default_rng(0)
    net = ew.Network(
        [0, 1, 2, 3, 0, 1, 2, 0], [4, 4, 4, 4, 5, 5, 5, 6], np.ones(8), activation="identity", aggregation=name
    )
    x = rng.integers(-2, 3, (200, 4)).astype(float)
    for here, there in zip(*both(net, x), strict=True):
        assert_close(there, here)


def test_layers_become_linear_layers():
    net = ew.mlp([5, 7, 3], activation="tanh", seed=0)
    module = to_module(net)
    assert [type(part) for part in module] == [nn.Linear, nn.Tanh, nn.Linear]
    x = np.random.default_rng(0).normal(size=(4, 5))
    assert_close(module(torch.tensor(x)).detach(), net.forward(x).output)
    before = net.weight.copy()
    with torch.no_grad():
        module[0].weight.zero_()
    assert (net.weight == before).all()
    single = to_module(net.astype("float32"))
    assert single[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": [12, 13]},
        {"outputs": [14, 13, 12]},
        {"response": 2.0},
        {"aggregation": "mean"},
        {"activation": ["tanh", "relu"] * 7 + ["relu"]},
    ],
    ids=str,
)
def test_what_is_no_stack_of_linear_layers_becomes_a_graph(change):
    net = ew.mlp([5, 7, 3], seed=0).replace(**change)
    assert not isinstance(to_module(net), nn.Sequential)
    for here, there in zip(*both(net, np.random.default_rng(0).normal(size=(6, 5))), strict=True):
        if here.shape == (15,):
            here, there = here[5:], there[5:]
        assert_close(there, here)


def test_it_does_what_the_engine_does_not():
    net = ew.random_dag(12, 40, n_inputs=3, n_outputs=2, activation="tanh", seed=0)
    module = to_module(net)
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert module(x).shape == (2, 3, 2)
    assert torch.autograd.gradgradcheck(module, (x,))
    one = torch.func.vmap(torch.func.grad(lambda x: module(x[None]).sum()))(x[0].detach())
    assert_close(one.detach(), torch.autograd.grad(module(x[0]).sum(), x)[0][0])


def test_state_goes_from_one_to_the_other():
    net = ew.random_dag(12, 40, n_inputs=3, n_outputs=2, seed=0).replace(response=1.5)
    fast, plain = GraphModule(net), to_module(net.replace(weight=0.0, response=2.0))
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(4, 3, dtype=torch.float64)
    assert_close(copy.deepcopy(plain)(x).detach(), fast(x).detach())


def test_an_activation_of_ones_own_is_refused():
    ew.activations.register("plain torch test", np.tanh, lambda s: 1 - np.tanh(s) ** 2)
    net = ew.random_dag(12, 40, n_inputs=3, activation="plain torch test", seed=0)
    with pytest.raises(ew.GraphError, match="'plain torch test' was registered in Python"):
        to_module(net)
