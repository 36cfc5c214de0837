"""Optimizers take PyTorch's steps."""

import numpy as np
import pytest
import torch

import edgewise as ew
from oracles import assert_close

CASES = [
    (ew.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (ew.SGD(0.1, weight_decay=0.02), lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.02)),
    (ew.SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    (
        ew.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
    ),
    (ew.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    (
        ew.Adam(0.01, beta1=0.8, beta2=0.99, epsilon=1e-4, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99), eps=1e-4, weight_decay=0.1),
    ),
    (ew.AdamW(0.01), lambda p: torch.optim.AdamW(p, 0.01)),
    (ew.AdamW(0.02, weight_decay=0.3), lambda p: torch.optim.AdamW(p, 0.02, weight_decay=0.3)),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=lambda case: str(case) if isinstance(case, ew.SGD) else None)
def test_trajectories_are_pytorchs(ours, theirs):
    rng = np.random.default_rng(0)
    parameters, curvature = rng.normal(size=7), rng.uniform(0.5, 2, 7)
    tensor = torch.tensor(parameters, requires_grad=True)
    optimizer, state = theirs([tensor]), ours.init(7, np.float64)
    for _ in range(50):
        optimizer.zero_grad()
        (0.5 * torch.tensor(curvature) * (tensor - 1) ** 2).sum().backward()
        optimizer.step()
        ours.step(parameters, curvature * (parameters - 1), state)
        assert_close(parameters, tensor.detach().numpy())


@pytest.mark.parametrize("optimizer", [ew.SGD(0.1, momentum=0.9), ew.Adam(0.1), ew.AdamW(0.1)])
def test_float32_stays_float32(optimizer):
    parameters = np.ones(3, np.float32)
    state = optimizer.init(3, np.float32)
    optimizer.step(parameters, np.ones(3, np.float32), state)
    assert all(moment.dtype == np.float32 for moment in state.moments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ew.SGD(-1.0), "learning_rate must be a number at least 0, not -1.0"),
        (lambda: ew.SGD(0.1, momentum=1.0), "momentum must be a number at least 0 and below 1"),
        (lambda: ew.SGD(0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda: ew.Adam(float("nan")), "learning_rate"),
        (lambda: ew.Adam(0.1, beta2=1.5), "beta2"),
        (lambda: ew.AdamW(0.1, weight_decay=-1), "weight_decay"),
        (lambda: ew.Adam("fast"), "learning_rate"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(ew.DataError, match=message):
        make()
