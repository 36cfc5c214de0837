"""verify agrees with itself on random networks, says what it left out, and finds a planted fault."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

import edgewise as ew
from edgewise.engine import reference
from strategies import networks_with_samples


@settings(max_examples=40)
@given(networks_with_samples())
def test_every_way_agrees(case):
    net, x = case
    report = ew.verify(net, x, target=int(net.outputs[0]))
    assert report.ok, str(report)
    assert {row.way for row in report.rows} == {"sum over paths", "complex step", "decoupled network", "engine native"}


@settings(max_examples=15)
@given(networks_with_samples())
def test_losses_agree_too(case):
    net, x = case
    report = ew.verify(net, x, y=np.zeros((len(x), net.n_outputs)), loss="squared_error")
    assert report.ok, str(report)


@pytest.mark.parametrize("fault", ["gate", "slope"])
def test_a_fault_is_found(fault, monkeypatch):
    net = ew.random_dag(10, 25, n_inputs=2, activation="tanh", seed=1)
    right = getattr(reference.Run, fault)
    monkeypatch.setattr(reference.Run, fault, lambda run: right(run) * (1 + 1e-9))
    report = ew.verify(net, [0.3, -0.4])
    assert not report.ok
    assert "MORE THAN" in str(report)


def test_what_is_left_out_is_said():
    net = ew.random_dag(60, 600, n_inputs=2, activation="tanh", seed=1)
    report = ew.verify(net, [0.3, -0.4], max_paths=10, max_parameters=50)
    rows = {(row.way, row.quantity): row for row in report.rows}
    assert rows["sum over paths", "sensitivity"].error is None
    assert rows["sum over paths", "sensitivity"].note == "there are more than 10 paths"
    assert rows["complex step", "weight_gradient"].compared == 50
    assert rows["complex step", "weight_gradient"].note == "50 of 600, drawn at random"


def test_central_differences_where_complex_steps_cannot_be_taken():
    ew.activations.register("test_real_only", lambda s: np.arctan(s.astype(float)), lambda s: 1 / (1 + s * s))
    net = ew.Network([0, 1], [1, 2], [0.7, 1.3], activation=["identity", "test_real_only", "tanh"])
    report = ew.verify(net, [0.4])
    assert report.ok
    assert "central differences" in {row.way for row in report.rows}


def test_as_data():
    report = ew.verify(ew.mlp([2, 3, 1]), [[1.0, 2.0], [0.5, -1.0]])
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["ok"]
    assert data["samples"] == 2


def test_as_data_when_numbers_are_not_finite():
    net = ew.Network([0, 1], [1, 2], [1.0, 1.0], activation=["identity", "sqrt", "identity"])
    data = json.loads(json.dumps(ew.verify(net, [0.0]).to_dict(), allow_nan=False))
    assert any(row["note"] == "some are not finite" for row in data["rows"])


@pytest.mark.parametrize("wrong", [1.001, -1.0])
def test_a_loss_with_a_wrong_gradient_is_found(wrong):
    loss = ew.Loss("wrong", lambda o, y: ((o - y) ** 2).sum(axis=1), lambda o, y: 2 * wrong * (o - y))
    report = ew.verify(ew.mlp([2, 3, 2], activation="tanh"), [1.0, 2.0], y=[0.3, 0.4], loss=loss)
    assert [row.quantity for row in report.rows if not row.ok] == ["∂J/∂output"]


def test_float32_has_its_own_tolerance():
    assert ew.verify(ew.mlp([3, 4, 1], activation="tanh", dtype="float32"), [1.0, 2.0, 3.0]).ok


def test_one_target_at_a_time():
    with pytest.raises(ew.GraphError, match="one target"):
        ew.verify(ew.mlp([2, 2]), [1.0, 2.0], target=[2, 3])
