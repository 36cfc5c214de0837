"""What `diagnose` finds in networks that are wrong in a known way, and in those that are not."""

import json

import numpy as np
import pytest

import edgewise as ew

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(200, 32)), RNG.integers(0, 4, 200)


def network(activation="relu", depth=8, variance=None, seed=0):
    net = ew.mlp([32] * depth + [4], activation=activation, seed=seed)
    if variance is not None:
        net.weight[:] = np.random.default_rng(seed).normal(0, (variance / 32) ** 0.5, net.n_edges)
    return net


def found(net, x=X, y=Y, loss="cross_entropy", **settings):
    report = ew.diagnose(net, x, y, loss=loss, **settings)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["schema"] == 1
    for finding in report.findings:
        assert finding.says in str(report)
        assert all(0 <= node < net.n_nodes for node in finding.nodes)
    return {finding.code: finding for finding in report.findings}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky_relu", "elu", "selu", "gelu"])
def test_nothing_is_wrong_with_what_is_drawn_as_usual(activation, seed):
    assert not {"vanishing_gradient", "exploding_gradient", "symmetric_units"} & set(
        found(network(activation, seed=seed))
    )


def test_sigmoids_vanish_because_of_gates():
    finding = found(network("sigmoid"))["vanishing_gradient"]
    assert finding.cause == "gates"
    assert finding.evidence["gates_db"] < -70
    assert len(finding.levels) >= 6
    assert "relu" in finding.remedy


def test_small_weights_vanish_because_of_weights():
    finding = found(network("tanh", variance=0.05))["vanishing_gradient"]
    assert finding.cause == "weights"
    assert finding.evidence["total_db"] == pytest.approx(
        sum(finding.evidence[f"{part}_db"] for part in ("weights", "gates", "interference"))
    )


def test_large_weights_explode_although_gates_are_nearly_closed():
    codes = found(network("tanh", depth=16, variance=20))
    assert codes["exploding_gradient"].cause == "weights"
    assert codes["exploding_gradient"].evidence["gates_db"] < -60


def test_dead_relus_are_named():
    net = network()
    dead = np.flatnonzero(~net.is_input)[32:48]
    net.bias[dead] = -1000
    finding = found(net)["dead_units"]
    assert set(dead.tolist()) <= set(finding.nodes)
    gates = net.forward(X).gate[:, list(finding.nodes)]
    assert (gates == 0).all()
    assert (finding.severity, finding.evidence["samples"]) == ("warning", 200)
    assert (finding.evidence["units"], 6 in finding.levels) == (len(finding.nodes), True)


def test_a_whole_level_that_is_dead_lets_nothing_through():
    net = network(depth=4)
    net.bias[64:96] = -1000
    codes = found(net)
    assert codes["vanishing_gradient"].cause == "gates"
    assert codes["vanishing_gradient"].evidence["gates_db"] == -np.inf
    assert set(range(64, 96)) <= set(codes["dead_units"].nodes)


def test_saturated_units_are_not_dead():
    net = network("tanh", depth=3)
    net.bias[40:50] = 6
    codes = found(net)
    assert codes["saturated_units"].nodes == tuple(range(40, 50))
    assert "dead_units" not in codes


def test_identity_is_never_saturated():
    assert "saturated_units" not in found(network("identity", depth=3, variance=100))


def test_equal_units():
    net = ew.mlp([32, 10, 4], activation="tanh", seed=0)
    first, second = net.layers
    first.weight[1:3] = first.weight[0]
    second.weight[:, 1:3] = second.weight[:, :1]
    finding = found(net)["symmetric_units"]
    assert finding.nodes == (32, 33, 34)
    assert (finding.evidence["units"], finding.evidence["different"]) == (3, 1)


def test_inputs():
    x = X.copy()
    x[:, 3] = 7
    x[:, 5] *= 1000
    codes = found(network(depth=2), x)
    assert codes["constant_inputs"].nodes == (3,)
    assert codes["input_scales"].evidence["largest"] > 900


def test_structure():
    net = ew.Network([0, 1, 1, 3], [1, 2, 4, 2], [1.0, 2.0, 1.0, 1.0], inputs=[0], outputs=[2], activation="tanh")
    codes = found(net, X[:, :1], X[:, :1], "squared_error")
    assert codes["no_path_to_target"].nodes == (4,)
    assert codes["no_path_from_inputs"].nodes == (3,)


def test_the_first_node_that_is_no_number():
    net = ew.Network([0, 1, 2], [1, 2, 3], [1.0, 1.0, 1.0], activation=["identity", "log", "tanh", "identity"])
    x = np.array([[1.0], [-1.0], [-2.0]])
    codes = found(net, x, np.zeros(3), "squared_error")
    assert list(codes) == ["not_finite_value"]
    assert (codes["not_finite_value"].nodes, codes["not_finite_value"].evidence["samples"]) == ((1,), 2)


def test_both_engines_find_the_same():
    net = network("sigmoid")
    native, reference = (found(net, engine=engine) for engine in ("native", "reference"))
    assert native.keys() == reference.keys()
    for code, finding in native.items():
        assert finding.nodes == reference[code].nodes
        assert finding.evidence == pytest.approx(reference[code].evidence)
