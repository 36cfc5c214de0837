"""The table of activations, row by row: Φ and Φ′ against PyTorch, complex steps and the table's own claims."""

import math

import numpy as np
import pytest
import torch

import edgewise as ew
from edgewise import activations
from oracles import ACTIVATIONS, assert_close

EVERY = [activations.get(name) for name in activations.BUILTIN]
ids = [row.name for row in EVERY]
POSITIVE = {"log", "sqrt"}


def points(row, scale=3.0):
    s = np.random.default_rng(0).normal(0, scale, 400)
    return np.abs(s) + 0.01 if row.name in POSITIVE else s


def test_the_oracle_has_every_row():
    assert set(ACTIVATIONS) == set(activations.BUILTIN)


@pytest.mark.parametrize("row", EVERY, ids=ids)
def test_value_and_gate_equal_pytorch(row):
    s = torch.tensor(points(row), requires_grad=True)
    y = ACTIVATIONS[row.name](s)
    (gate,) = torch.autograd.grad(y.sum(), s)
    ours = row.value(s.detach().numpy())
    assert_close(ours, y.detach().numpy())
    assert_close(row.gate(s.detach().numpy(), ours), gate.numpy())


@pytest.mark.parametrize("row", EVERY, ids=ids)
def test_gate_is_the_complex_step(row):
    assert row.complex_step
    s = points(row)
    assert_close(row.gate(s, row.value(s)), row.value(s + 1e-30j).imag / 1e-30)


@pytest.mark.parametrize("row", EVERY, ids=ids)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_whole_float_range(row, dtype):
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    s = np.array([0, tiny, 1e-30, 1e-3, 1, 20, 50, 100, 1000, 1e30, huge], dtype)
    s = s if row.name in POSITIVE else np.concatenate([s, -s])
    with np.errstate(all="ignore"):
        y, gate = row.value(s), row.gate(s, row.value(s))
    assert y.dtype == gate.dtype == dtype
    if row.name not in ("sin", "cos"):
        assert not np.isnan(y).any()
        assert not np.isnan(gate).any()
    low, high = row.range
    assert (y >= low - 1e-6).all()
    assert (y <= high).all()
    assert np.isfinite(y).all() or math.isinf(high) or math.isinf(low)


def test_tails_keep_their_digits():
    s = np.array([-1000.0, -40.0, -10.0, 40.0, 1000.0])
    assert_close(activations.get("sigmoid").value(s)[1], math.exp(-40) / (1 + math.exp(-40)), 1e-15)
    assert activations.get("sigmoid").value(s)[0] == 0
    assert activations.get("softplus").value(s)[4] == 1000.0
    assert_close(activations.get("softplus").value(s)[1], math.exp(-40), 1e-15)
    assert_close(activations.get("gelu").value(s)[2], -10 * 7.61985302416052606597e-24, 1e-13)


@pytest.mark.parametrize("row", EVERY, ids=ids)
def test_nan_stays_nan(row):
    with np.errstate(all="ignore"):
        assert np.isnan(row.value(np.array([np.nan, 1.0]))).tolist() == [True, False]


@pytest.mark.parametrize("row", EVERY, ids=ids)
def test_the_range_and_the_largest_gate_are_as_stated(row):
    s = np.linspace(0.001 if row.name in POSITIVE else -12, 12, 200_001)
    s = np.concatenate([s, *(kink * (1 + np.array([-1e-9, 0, 1e-9])) for kink in row.kinks)])
    s = s[s != 0]
    y = row.value(s)
    gate = np.abs(row.gate(s, y))
    low, high = row.range
    assert y.min() >= low - 1e-12
    assert y.max() <= high + 1e-12
    assert gate.max() <= row.max_gate * (1 + 1e-8)
    if math.isfinite(row.max_gate):
        assert gate.max() >= 0.98 * row.max_gate
    for bound, reached in ((low, y.min()), (high, y.max())):
        if math.isfinite(bound):
            assert abs(reached - bound) <= 0.1


@pytest.mark.parametrize("row", EVERY, ids=ids)
def test_where_the_gate_can_be_had_from_the_value(row):
    s = np.sort(points(row))
    y = row.value(s)
    gate = row.gate(s, y)
    if row.gate_from_value:
        steps = np.diff(y)
        if (steps > 0).all() or (steps < 0).all():
            return  # no two s have one Φ: the gate is a function of it
        if row.name == "relu":
            assert np.ptp(gate[y == 0]) == 0
            assert (steps[y[1:] > 0] > 0).all()
        else:  # rounding alone makes two Φ equal, where the curve is flat; 1/s also jumps
            assert row.name in ("sigmoid", "tanh", "elu", "selu", "exp", "reciprocal", "neat_inv")
            equal = steps == 0
            assert_close(gate[1:][equal], gate[:-1][equal], 1e-9)
            assert len(np.unique(y)) >= 0.9 * len(y)
        return
    # two s with one Φ and two Φ′
    pairs = {
        "hard_tanh": (1, 5), "clamped": (1, 5), "hat": (-0.5, 0.5), "gaussian": (-1, 1), "square": (-1, 1),
        "abs": (-1, 1), "sin": (0.5, math.pi - 0.5), "cos": (0.5, -0.5),
        "neat_sin": (0.1, math.pi / 5 - 0.1), "neat_softplus": (12, 15), "neat_log": (1e-7 * (1 + 1e-15), 1e-8),
        "neat_exp": (60, 70),
    }  # fmt: skip
    if row.name in pairs:
        two = np.array(pairs[row.name], float)
        assert_close(*row.value(two), 1e-15)
        assert abs(np.diff(row.gate(two, row.value(two)))[0]) > 0.5
    else:
        assert row.name in ("gelu", "silu")  # both fall and rise again: the gate differs in sign
        assert row.gate(np.array([-3.0]), row.value(np.array([-3.0]))) < 0 < row.gate(np.zeros(1), np.zeros(1))


@pytest.mark.parametrize(
    ("name", "s", "gate"),
    [
        ("relu", 0, 0), ("hard_tanh", 1, 1), ("hard_tanh", -1, 1), ("hard_tanh", 1.0000001, 0), ("abs", 0, 0),
        ("leaky_relu", 0, 0.01), ("hat", 1, 0), ("hat", -1, 0), ("hat", 0, 0), ("clamped", 1, 1),
    ],
)  # fmt: skip
def test_kinks(name, s, gate):
    row = activations.get(name)
    at = np.array([float(s)])
    assert row.gate(at, row.value(at)).tolist() == [gate]


class TestRegister:
    def test_a_custom_activation_works_like_any(self):
        ew.activations.register("test_cubic", lambda s: s**3 + s, lambda s: 3 * s**2 + 1)
        net = ew.Network([0], [1], 2.0, activation="test_cubic")
        bwd = net.backprop([1.5])
        assert bwd.output.tolist() == [30.0]
        assert bwd.sensitivity.tolist() == [56.0, 1.0]
        assert ew.verify(net, [1.5]).ok

    @pytest.mark.parametrize(
        ("name", "f", "message"),
        [
            ("relu", np.abs, "comes with Edgewise"),
            ("", np.abs, "non-empty str"),
            ("test_sum", np.sum, r"returned shape \(\)"),
        ],
    )
    def test_what_cannot_be_registered(self, name, f, message):
        with pytest.raises(ew.GraphError, match=message):
            ew.activations.register(name, f, f)
