"""The table of losses against PyTorch; safe for any logits; what is refused."""

import numpy as np
import pytest
import torch

import edgewise as ew
from edgewise import losses
from oracles import assert_close

F = torch.nn.functional
THEIRS = {
    "squared_error": lambda o, y: 0.5 * ((o - y) ** 2).sum(dim=1),
    "mean_squared_error": lambda o, y: F.mse_loss(o, y, reduction="none").mean(dim=1),
    "cross_entropy": lambda o, y: F.cross_entropy(o, y, reduction="none"),
    "binary_cross_entropy": lambda o, y: F.binary_cross_entropy_with_logits(o, y, reduction="none").sum(dim=1),
    "hinge": lambda o, y: torch.relu(1 - o * y).sum(dim=1),
    "huber": lambda o, y: F.huber_loss(o, y, reduction="none").sum(dim=1),
}


def wanted(loss, rng, n_samples, n_outputs):
    return {
        "index": lambda: rng.integers(0, n_outputs, n_samples),
        "binary": lambda: rng.integers(0, 2, (n_samples, n_outputs)).astype(float),
        "sign": lambda: rng.choice([-1.0, 1.0], (n_samples, n_outputs)),
        "real": lambda: rng.normal(size=(n_samples, n_outputs)),
    }[loss.labels]()


@pytest.mark.parametrize("name", losses.NAMES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_value_and_gradient_equal_pytorch(name, scale):
    rng = np.random.default_rng(0)
    loss = losses.get(name)
    o, y = scale * rng.normal(size=(20, 4)), wanted(loss, rng, 20, 4)
    output = torch.tensor(o, requires_grad=True)
    theirs = THEIRS[name](output, torch.tensor(y))
    (gradient,) = torch.autograd.grad(theirs.sum(), output)
    assert_close(loss.value(o, y), theirs.detach().numpy())
    assert_close(loss.gradient(o, y), gradient.numpy())


def test_every_row_has_an_oracle():
    assert set(THEIRS) == set(losses.NAMES)


def test_weights_are_pytorchs_weighted_mean():
    net = ew.mlp([3, 3], seed=1)
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(8, 3)), rng.integers(0, 3, 8), [0.5, 2.0, 1.0]
    bwd = net.backprop(x, y=y, loss="cross_entropy", class_weight=weight)
    layer = torch.tensor(net.layers[0].weight, requires_grad=True)
    theirs = F.cross_entropy(torch.tensor(x) @ layer.T, torch.tensor(y), weight=torch.tensor(weight, dtype=float))
    theirs.backward()
    assert_close(bwd.loss, theirs.item())
    assert_close(bwd.weight_gradient, layer.grad.numpy().ravel())
    as_map = net.backprop(x, y=y, loss="cross_entropy", class_weight={0: 0.5, 1: 2.0})
    assert as_map.loss == bwd.loss


def test_binary_class_weights():
    net = ew.mlp([2, 1], seed=1)
    x, y = np.eye(2), [0.0, 1.0]
    weighted = net.backprop(x, y=y, loss="binary_cross_entropy", class_weight=[3.0, 1.0], reduction="sum")
    plain = net.backprop(x, y=y, loss="binary_cross_entropy")
    assert_close(weighted.loss_per_sample, plain.loss_per_sample * [3.0, 1.0])


def test_a_loss_of_your_own():
    quartic = ew.Loss("quartic", lambda o, y: ((o - y) ** 4).sum(axis=1), lambda o, y: 4 * (o - y) ** 3)
    net = ew.mlp([2, 1], seed=0)
    bwd = net.backprop([1.0, 2.0], y=[0.5], loss=quartic)
    assert_close(bwd.loss, (bwd.output[0] - 0.5) ** 4)
    assert_close(bwd.sensitivity[-1], 4 * (bwd.output[0] - 0.5) ** 3)


@pytest.mark.parametrize(
    ("name", "y", "message"),
    [
        ("cross_entropy", [0, 3], r"y\[1\] = 3 is out of range: the network's 3 outputs stand for classes 0 to 2"),
        ("cross_entropy", [0, -1], r"y\[1\] = -1 is out of range"),
        ("cross_entropy", [0.5, 1], r"y\[0\] = 0.5 is not a whole number"),
        ("cross_entropy", [np.nan, 1], r"y\[0\] = nan is not a whole number"),
        ("cross_entropy", [0, 1, 2], r"y has shape \(3,\)"),
        ("cross_entropy", ["a", "b"], "y has dtype"),
        ("squared_error", [[1.0, 2.0, 3.0]], r"y has shape \(1, 3\)"),
        ("squared_error", [[1.0, np.inf, 0], [0, 0, 0]], r"y\[0, 1\] = inf is not a finite number"),
        ("squared_error", [[1.0, 2.0], [3.0]], "y is ragged"),
        ("binary_cross_entropy", [[0, 1, 2], [0, 0, 0]], r"y\[0, 2\] = 2.0 is outside \[0, 1\]"),
        ("hinge", [[1, -1, 0], [1, 1, 1]], r"y\[0, 2\] = 0.0 is neither -1 nor \+1"),
    ],
)
def test_labels_that_do_not_fit(name, y, message):
    with pytest.raises(ew.DataError, match=message):
        ew.mlp([2, 3]).backprop(np.eye(2), y=y, loss=name)


@pytest.mark.parametrize("weight", [[1.0, 2.0], [1.0, -1.0, 1.0], {5: 1.0}, [np.nan, 1, 1]])
def test_class_weights_that_do_not_fit(weight):
    with pytest.raises(ew.DataError, match="class"):
        ew.mlp([2, 3]).backprop(np.eye(2), y=[0, 1], loss="cross_entropy", class_weight=weight)


@pytest.mark.parametrize("delta", [0, -1, np.nan, np.inf])
def test_hubers_delta(delta):
    with pytest.raises(ew.DataError, match="delta"):
        losses.huber(delta)
