"""Every quantity of both passes against PyTorch autograd in float64, on random DAGs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
from oracles import TorchNetwork, assert_close, over_ties
from strategies import SMOOTH, dags, networks_with_samples, samples


def assert_equals_torch(bwd, theirs, net):
    """Sensitivities and parameter gradients of a batch, reduced by their sum."""
    assert_close(bwd.sensitivity, theirs["sensitivity"])
    neurons = ~net.is_input
    assert_close(bwd.linear_sensitivity[:, neurons], theirs["linear_sensitivity"][:, neurons])
    assert_close(bwd.weight_gradient_per_sample, over_ties(net.tie, theirs["weight_gradient_per_sample"]))
    bias_per_sample = over_ties(net.bias_tie, theirs["bias_gradient_per_sample"])
    assert_close(bwd.bias_gradient_per_sample[:, neurons], bias_per_sample[:, neurons])
    assert_close(bwd.weight_gradient, over_ties(net.tie, theirs["weight_gradient_per_sample"].sum(axis=0)))
    assert_close(bwd.bias_gradient[neurons], bias_per_sample.sum(axis=0)[neurons])
    assert_close(bwd.response_gradient[neurons], theirs["response_gradient_per_sample"].sum(axis=0)[neurons])
    assert not bwd.bias_gradient[net.is_input].any()
    assert_close(bwd.input_gradient, theirs["sensitivity"][:, net.inputs])


@given(networks_with_samples(), st.data())
def test_a_node_as_target(case, data):
    net, x = case
    target = data.draw(st.integers(0, net.n_nodes - 1), label="target")
    oracle = TorchNetwork(net, x)
    bwd = net.backprop(x, target, reduction="sum")
    assert_close(bwd.value, torch.stack(oracle.value, dim=1).detach().numpy())
    assert_close(bwd.preactivation, torch.stack(oracle.preactivation, dim=1).detach().numpy())
    assert_close(bwd.output, bwd.value[:, net.outputs])
    assert_equals_torch(bwd, oracle.quantities(oracle.value[target]), net)


@given(networks_with_samples(activations=SMOOTH, aggregations=("sum", "mean", "product")))
def test_gradients_of_shared_biases_are_those_of_differences(case):
    net, x = case
    target, h = int(net.outputs[0]), 1e-6
    gradient = net.backprop(x, target, reduction="sum").bias_gradient
    tie = np.arange(net.n_nodes) if net.bias_tie is None else net.bias_tie
    slopes = np.zeros(net.n_nodes)
    for k in set(tie[~net.is_input].tolist()):
        values = []
        for step in (h, -h):
            moved = net.replace(bias=np.where(tie == k, net.bias + step, net.bias))
            values.append(moved.forward(x).value[:, target].sum())
        slopes[tie == k] = (values[0] - values[1]) / (2 * h)
    assert np.abs(gradient - slopes).max() <= 1e-7 * max(1, np.abs(slopes).max())


@given(networks_with_samples())
def test_gates_and_edge_derivatives(case):
    net, x = case
    oracle = TorchNetwork(net, x)
    fwd = net.backprop(x, int(net.outputs[0]))
    gate = np.ones_like(fwd.gate)
    for j in np.flatnonzero(~net.is_input):
        gate[:, j] = oracle.gradient(oracle.value[j], [oracle.preactivation[j]])[0].numpy()
    assert_close(fwd.gate, gate)
    # what an edge's weight does to its head is z(i,j)·y(i)/w_ij: z by way of the weight, not of the value
    by_weight = np.stack(
        [
            oracle.gradient(oracle.value[head], [oracle.weight])[0][e].numpy()
            for e, head in enumerate(net.head.tolist())
        ],
        axis=1,
    )
    assert_close(fwd.edge_derivative * fwd.value[:, net.tail], by_weight * net.weight)


@given(networks_with_samples(), st.data())
def test_a_list_of_targets_is_each_of_them(case, data):
    net, x = case
    targets = data.draw(st.lists(st.integers(0, net.n_nodes - 1), min_size=1, max_size=4), label="targets")
    together = net.backprop(x, targets)
    assert together.sensitivity.shape == (len(targets), len(x), net.n_nodes)
    for t, target in enumerate(targets):
        alone = net.backprop(x, target)
        for quantity in (
            "sensitivity",
            "linear_sensitivity",
            "weight_gradient",
            "bias_gradient",
            "response_gradient",
            "input_gradient",
            "weight_gradient_per_sample",
            "bias_gradient_per_sample",
        ):
            assert np.array_equal(getattr(together, quantity)[t], getattr(alone, quantity)), quantity
        assert np.array_equal(together.edge_derivative, alone.edge_derivative)


@given(networks_with_samples(), st.sampled_from(["mean", "sum"]), st.booleans(), st.data())
def test_a_loss_as_target(case, reduction, weighted, data):
    net, x = case
    rng = np.random.default_rng(data.draw(st.integers(0, 1000), label="y seed"))
    y = rng.normal(size=(len(x), net.n_outputs))
    weight = rng.uniform(0.1, 2, len(x)) if weighted else None
    oracle = TorchNetwork(net, x)
    output = torch.stack([oracle.value[o] for o in net.outputs.tolist()], dim=1)
    loss = 0.5 * ((output - torch.tensor(y)) ** 2).sum(dim=1)
    if weighted:
        loss = loss * torch.tensor(weight)
    bwd = net.backprop(x, y=y, loss="squared_error", reduction=reduction, sample_weight=weight)
    divisor = 1.0 if reduction == "sum" else weight.sum() if weighted else len(x)
    theirs = oracle.quantities(loss)
    assert_close(bwd.loss, loss.sum().item() / divisor)
    assert_close(bwd.loss_per_sample, loss.detach().numpy())
    assert_close(bwd.sensitivity, theirs["sensitivity"])
    assert_close(bwd.weight_gradient, over_ties(net.tie, theirs["weight_gradient_per_sample"].sum(axis=0)) / divisor)


@given(networks_with_samples())
def test_one_sample_is_a_batch_of_one(case):
    net, x = case
    target = int(net.outputs[0])
    batch, one = net.backprop(x[:1], target), net.backprop(x[0], target)
    for quantity in ("value", "preactivation", "gate", "output", "sensitivity", "edge_derivative", "input_gradient"):
        assert np.array_equal(getattr(batch, quantity)[0], getattr(one, quantity)), quantity
    assert np.array_equal(batch.weight_gradient, one.weight_gradient)


@given(dags(), st.data())
def test_the_decoupled_network_has_the_same_quantities(net, data):
    x = data.draw(samples(net))
    target = int(net.outputs[0])
    pair = net.decouple()
    coupled, split = net.backprop(x, target), pair.network.backprop(x, int(pair.activation[target]))
    neurons = ~net.is_input
    assert_close(split.value[:, pair.linear[neurons]], coupled.preactivation[:, neurons])
    assert_close(split.sensitivity[:, pair.activation], coupled.sensitivity)
    assert_close(split.sensitivity[:, pair.linear[neurons]], coupled.linear_sensitivity[:, neurons])
    assert_close(split.weight_gradient[: net.n_edges], coupled.weight_gradient)
    assert_close(split.edge_derivative[:, net.n_edges :], coupled.gate[:, neurons])


@given(st.lists(st.integers(1, 6), min_size=2, max_size=6), st.integers(0, 1000))
def test_the_vector_formulas(sizes, seed):
    net = ew.mlp(sizes, activation="tanh", output_activation="sigmoid", seed=seed)
    net.bias = np.random.default_rng(seed).normal(size=net.n_nodes)
    x = np.random.default_rng(seed + 1).normal(size=sizes[0])
    bwd = net.backprop(x, y=np.zeros(sizes[-1]), loss="squared_error")
    delta = bwd.output * bwd.gate[net.layers[-1].nodes]
    edge = net.n_edges
    for depth in reversed(range(len(net.layers))):
        layer = net.layers[depth]
        assert_close(bwd.linear_sensitivity[layer.nodes], delta)
        edge -= layer.weight.size
        gradient = bwd.weight_gradient[edge : edge + layer.weight.size].reshape(layer.weight.shape)
        assert_close(gradient, np.outer(delta, bwd.value[layer.tails]))
        if depth:
            delta = bwd.gate[net.layers[depth - 1].nodes] * (layer.weight.T @ delta)


@pytest.mark.parametrize("levels", [1_000, 5_000])
def test_depth_in_the_thousands(levels):
    # a ladder: each node feeds the next two
    n = levels
    tail = np.concatenate([np.arange(n - 1), np.arange(n - 2)])
    head = np.concatenate([np.arange(1, n), np.arange(2, n)])
    rng = np.random.default_rng(0)
    net = ew.Network(tail, head, rng.uniform(0.4, 0.65, len(tail)), activation="tanh")
    bwd = net.backprop([0.5])
    expected = np.zeros(n)
    expected[-1] = 1
    for i in reversed(range(n - 1)):
        expected[i] = bwd.edge_derivative[i] * expected[i + 1]
        if i < n - 2:
            expected[i] += bwd.edge_derivative[n - 1 + i] * expected[i + 2]
    assert expected[0] != 0
    assert_close(bwd.sensitivity, expected)


def test_a_closed_path_passes_nothing_through_an_infinite_gate():
    net = ew.Network([0, 1], [1, 2], [1.0, -1.0], activation=["identity", "sqrt", "relu"])
    bwd = net.backprop([0.0])
    assert bwd.gate[1] == np.inf
    assert bwd.sensitivity.tolist() == [0.0, -0.0, 1.0]


def test_float32_stays_float32():
    net = ew.mlp([3, 4, 2], dtype="float32")
    bwd = net.backprop(np.ones((2, 3)), y=[0, 1], loss="cross_entropy")
    for quantity in ("value", "sensitivity", "weight_gradient", "edge_derivative", "bias_gradient_per_sample"):
        assert getattr(bwd, quantity).dtype == np.float32, quantity
    wide = net.astype("float64").backprop(np.ones((2, 3)), y=[0, 1], loss="cross_entropy")
    assert_close(bwd.weight_gradient, wide.weight_gradient, 1e-5)


def test_results_do_not_change_when_weights_do():
    net = ew.mlp([3, 4, 2])
    x = [1.0, 2.0, 3.0]
    kept, expected = net.backprop(x, int(net.outputs[0])), net.backprop(x, int(net.outputs[0])).edge_derivative
    net.weight[:] = 9.0
    assert np.array_equal(kept.edge_derivative, expected)
