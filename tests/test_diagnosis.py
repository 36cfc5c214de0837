"""What `diagnose` finds in networks that are wrong in a known way, and in those that are not."""

import json

import numpy as np
import pytest

import edgewise as ew
from edgewise.diagnosis import prose, remedies
from edgewise.diagnosis.findings import Finding
from edgewise.diagnosis.signals import Batch

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


# ---- what is said, and what is done about it ----

BATCH = {"loss": "cross_entropy"}


def test_every_finding_has_words_and_every_remedy_a_finding():
    assert {code for code, _ in prose.HELPS} == set(prose.SAYS)
    for pair, names in remedies.FOR.items():
        assert pair in prose.HELPS
        assert set(names) <= set(remedies.REMEDIES)
    assert {name for names in remedies.FOR.values() for name in names} == set(remedies.REMEDIES)
    assert all(change.__doc__ for change in remedies.REMEDIES.values())


def test_sigmoids_learn_with_another_activation():
    net = network("sigmoid")
    before = net.copy()
    report = ew.diagnose(net, X, Y, **BATCH)
    best = report.trials[0]
    assert best.solved
    assert {"relu", "tanh", "unit_sums"} <= {trial.remedy for trial in report.trials}
    repaired = ew.repair(net, X, Y, **BATCH)
    assert "vanishing_gradient" not in found(repaired)
    assert (net.weight == before.weight).all()
    assert (net.activations, net.depth.tolist()) == (before.activations, before.depth.tolist())
    as_asked = ew.repair(net, X, Y, remedy="balanced_weights", **BATCH)
    assert as_asked.activations == net.activations
    balanced = ew.gradient_budget(as_asked, X, y=Y, loss="cross_entropy")
    assert all(abs(row.weights_db + row.gates_db) < 1 for row in balanced.rows[1:])


def test_unit_sums_are_of_deviation_one():
    net = ew.repair(network("tanh", variance=0.05), X, Y, remedy="unit_sums", **BATCH)
    summed = net.forward(X).preactivation[:, ~net.is_input]
    np.testing.assert_allclose(summed.std(axis=0), 1, rtol=1e-9)


def test_dead_units_are_opened():
    net = network(depth=4)
    net.bias[64:96] = -1000
    opened = ew.repair(net, X, Y, remedy="open_biases", **BATCH)
    gates = opened.forward(X).gate[:, 64:96]
    assert (gates.mean(axis=0) == 0.5).all()


def test_a_block_without_its_skip_arcs_has_them_again():
    width, rng = 8, np.random.default_rng(3)
    tail, head, weight, n = [], [], [], width
    for block in range(6):
        for a, b, deviation in ((n - width, n, 1), (n, n + width, 1e-4)):
            for j in range(width):
                tail += range(a, a + width)
                head += [b + j] * width
                weight += (rng.normal(0, deviation / width**0.5, width)).tolist()
        if block != 3:
            tail += range(n - width, n)
            head += range(n + width, n + 2 * width)
            weight += [1.0] * width
        n += 2 * width
    activation = ["identity"] * width + (["tanh"] * width + ["identity"] * width) * 6
    net = ew.Network(tail, head, weight, activation=activation, inputs=range(width), outputs=range(n - width, n))
    x, y = rng.normal(size=(64, width)), rng.normal(size=(64, width))
    report = ew.diagnose(net, x, y, loss="squared_error")
    assert (report.findings[0].code, report.findings[0].cause) == ("vanishing_gradient", "structure")
    repaired = ew.repair(net, x, y, loss="squared_error", remedy="skip_arcs")
    added = set(zip(repaired.tail.tolist(), repaired.head.tolist(), strict=True)) - set(zip(tail, head, strict=True))
    start = width + 2 * width * 3
    assert added == {(start - width + k, start + width + k) for k in range(width)}
    assert not ew.diagnose(repaired, x, y, loss="squared_error").findings


def test_ties_stay():
    net = network("tanh", variance=0.05)
    tied = net.replace(tie=np.arange(net.n_edges) // 2, weight=np.repeat(net.weight[::2], 2))
    repaired = ew.repair(tied, X, Y, remedy="balanced_weights", **BATCH)
    assert (repaired.weight[::2] == repaired.weight[1::2]).all()


@pytest.mark.parametrize("name", ["unit_sums", "open_biases", "outputs_like_targets"])
def test_ties_of_biases_stay(name):
    net = network("tanh", variance=0.05)
    tied = net.replace(bias=0.1, bias_tie=np.arange(net.n_nodes) % 3)
    tied = tied.replace(activation=[*tied.activations[:-4], *["identity"] * 4])
    finding = Finding("dead_units", "gates", "error", levels=(), nodes=tuple(range(40, 70)), evidence={})
    y = np.random.default_rng(1).normal(size=(200, 4))
    batch = Batch(X, y, ew.losses.get("squared_error"), None, None, None)
    changed, _ = remedies.REMEDIES[name](tied, batch, finding)
    assert np.array_equal(changed.bias_tie, tied.bias_tie)
    assert (changed.bias[~net.is_input] != 0.1).any()


def test_what_cannot_be_repaired_says_so():
    x = X.copy()
    x[:, 5] *= 1000
    with pytest.raises(ew.DataError, match="standardise the inputs"):
        ew.repair(network(depth=2), x, Y, **BATCH)
    with pytest.raises(ew.DataError, match="no remedy 'prayer'"):
        ew.repair(network(), X, Y, remedy="prayer", **BATCH)
    with pytest.raises(ew.DataError, match=r"vanishing_gradient .*relu, tanh"):
        ew.repair(network("sigmoid"), X, Y, remedy="redrawn_weights", **BATCH)
    healthy = network(depth=2)
    assert (ew.repair(healthy, X, Y, **BATCH).weight == healthy.weight).all()


@pytest.mark.parametrize(("activation", "loss", "y", "cause"), [
    ("sigmoid", "cross_entropy", Y, "structure"),
    ("tanh", "squared_error", np.full((200, 4), 3.0), "data"),
])  # fmt: skip
def test_outputs_that_cannot_fit(activation, loss, y, cause):
    net = ew.mlp([32, 8, 4], activation="tanh", output_activation=activation, seed=0)
    report = ew.diagnose(net, X, y, loss=loss)
    assert (report.findings[0].code, report.findings[0].cause) == ("output_mismatch", cause)
    assert "output_mismatch" not in found(ew.repair(net, X, y, loss=loss), y=y, loss=loss)


def test_a_loss_far_from_chance():
    y = 1000 + RNG.normal(size=(200, 1))
    net = ew.mlp([32, 8, 1], activation="tanh", seed=0)
    finding = found(net, y=y, loss="squared_error")["loss_far_from_chance"]
    assert finding.cause == "data"
    assert finding.evidence["chance"] == pytest.approx(y.var() / 2)
    repaired = ew.repair(net, X, y, loss="squared_error")
    assert repaired.forward(X).output.mean() == pytest.approx(1000, abs=1)
    large = network(depth=2)
    large.weight[:] *= 30
    assert found(large)["loss_far_from_chance"].cause == "weights"


def test_a_bottleneck():
    net = ew.Network(
        np.concatenate([np.tile(np.arange(8), 8), [8] * 8 + list(range(9, 16)), range(16, 24)]),
        np.concatenate([np.repeat(np.arange(8, 16), 8), list(range(16, 24)) + [16] * 7, [24] * 8]),
        np.concatenate([RNG.normal(size=64), [1.0] * 8, [0.01] * 7, RNG.normal(size=8)]),
        activation="tanh",
    )
    x, y = RNG.normal(size=(50, 8)), RNG.normal(size=50)
    report = ew.diagnose(net, x, y, loss="squared_error")
    finding = next(f for f in report.findings if f.code == "bottleneck")
    assert (finding.nodes[0], finding.severity) == (8, "warning")
    assert finding.evidence["share"] == pytest.approx(ew.attribute(net, x, y=y, loss="squared_error").node_share[8])


def test_nodes_and_samples_of_a_report():
    net = network("sigmoid", depth=3)
    report = ew.diagnose(net, X, Y, **BATCH)
    sensitivity = net.backprop(X, y=Y, **BATCH).sensitivity
    np.testing.assert_allclose(
        report.nodes["total_db"], 20 * np.log10(np.sqrt(np.square(sensitivity).mean(axis=0))), rtol=1e-9
    )
    assert set(report.nodes) == {"weights_db", "gates_db", "interference_db", "total_db", "closed", "share"}
    arrived = 20 * np.log10(np.sqrt(np.square(sensitivity[:, net.inputs]).mean(axis=1)))
    assert report.spread["p50"] == pytest.approx(np.median(arrived), abs=0.5)
    assert report.spread["p05"] <= report.spread["p50"] <= report.spread["p95"]


@pytest.mark.parametrize(("case", "cause"), [("log", "gates"), ("overflow", "weights"), ("sqrt", "gates")])
def test_why_a_number_is_none(case, cause):
    activation = {"log": ["identity", "log"], "overflow": ["identity", "exp"], "sqrt": ["identity", "sqrt"]}[case]
    net = ew.Network([0, 1], [1, 2], [1.0, 1.0], activation=[*activation, "identity"], bias=[0.0, 0.0, 0.0])
    x = {"log": [[-1.0]], "overflow": [[1e308]], "sqrt": [[0.0]]}[case]
    if case == "overflow":
        net = ew.Network([0, 0, 1], [1, 1, 2], [1.0, 1.0, 1.0], activation="identity")
    report = ew.diagnose(net, x, [1.0], loss="squared_error")
    assert report.findings[0].code.startswith("not_finite")
    assert report.findings[0].cause == cause


def test_a_level_through_which_nothing_passes_and_an_arc_past_it():
    net = ew.random_dag(60, 200, n_inputs=5, seed=0)
    net.bias[30:50] = -1000
    found(net, RNG.normal(size=(8, 5)), np.zeros((8, net.n_outputs)), "squared_error")  # and no warning
