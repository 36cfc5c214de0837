"""Shares in path energy: by listing every path, over cuts, and the strongest paths without listing the rest."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import edgewise as ew
from edgewise.diagnosis import attribution
from oracles import assert_close
from strategies import networks_with_samples


def listed(net, x, t, of):
    """(edges, nodes, energy summed over samples) of every path from an input to t, one after another."""
    z = np.atleast_2d(net.backprop(x, t, engine="reference").edge_derivative)
    for column, i in enumerate(net.inputs.tolist()):
        begin = x[:, column] ** 2 if of == "output" else np.ones(len(x))
        for path in ew.iter_paths(net, i, t):
            yield path.edges, path.nodes, float((begin * np.prod(z[:, list(path.edges)] ** 2, axis=1)).sum())


@given(networks_with_samples(max_nodes=8), st.data(), st.sampled_from(["gradient", "output"]))
def test_shares_are_those_of_the_paths_listed(case, data, of):
    net, x = case
    t = data.draw(st.integers(0, net.n_nodes - 1))
    assume(np.isfinite(net.backprop(x, t).edge_derivative).all())
    paths = list(listed(net, x, t, of))
    total = sum(energy for *_, energy in paths)
    found = ew.attribute(net, x, t, of=of, k=5)
    assert found.energy == pytest.approx(total, rel=1e-9, abs=1e-200)
    if total < 1e-200:
        return
    node, edge = np.zeros(net.n_nodes), np.zeros(net.n_edges)
    for edges, nodes, energy in paths:
        node[list(nodes)] += energy / total
        edge[list(edges)] += energy / total
    assert_close(found.node_share, node, 1e-9)
    assert np.abs(found.edge_share - edge).max(initial=0) < 1e-9
    strongest = sorted((energy for *_, energy in paths if energy > 1e-200), reverse=True)[:5]
    assert [p.share for p in found.paths][: len(strongest)] == pytest.approx([e / total for e in strongest], rel=1e-9)
    share_of = {(nodes[0], edges): energy / total for edges, nodes, energy in paths}
    for p in found.paths[: len(strongest)]:
        assert p.share == pytest.approx(share_of[p.path.nodes[0], p.path.edges])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_of_a_loss_every_cut_carries_all_of_it(engine):
    net = ew.mlp([6, 8, 5, 3], activation="tanh", seed=0, dtype="float32")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 6)), rng.integers(0, 3, 30)
    found = ew.attribute(net, x, y=y, loss="cross_entropy", engine=engine)
    for cut in (found.node_share[a:b] for a, b in ((0, 6), (6, 14), (14, 19), (19, 22))):
        assert cut.sum() == pytest.approx(1)
    for cut in (found.edge_share[a:b] for a, b in ((0, 48), (48, 88), (88, 103))):
        assert cut.sum() == pytest.approx(1)
    budget = ew.gradient_budget(net, x, y=y, loss="cross_entropy")
    assert found.energy == pytest.approx((budget.gated[:, net.inputs] ** 2).sum())
    shares = [p.share for p in found.paths]
    assert len(shares) == 10
    assert shares == sorted(shares, reverse=True)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (data["schema"], len(data["node_share"]), len(data["paths"])) == (1, 22, 10)
    assert str(found).count("->") == 30


def test_samples_in_parts_are_the_same(monkeypatch):
    net = ew.random_dag(30, 150, n_inputs=4, activation="tanh", seed=0)
    asked = {"y": np.zeros(20), "loss": "squared_error", "sample_weight": np.linspace(0.5, 2, 20)}
    x = np.random.default_rng(0).normal(size=(20, 4))
    whole = ew.attribute(net, x, **asked)
    monkeypatch.setattr(attribution, "NUMBERS_AT_ONCE", 700)
    parts = ew.attribute(net, x, **asked)
    assert_close(parts.node_share, whole.node_share)
    assert_close(parts.edge_share, whole.edge_share)
    assert [p.path for p in parts.paths] == [p.path for p in whole.paths]


def test_the_strongest_of_more_paths_than_can_be_listed():
    net = ew.mlp([20] * 12 + [1], activation="identity", output_activation="identity", seed=0)
    net.weight[:] *= 0.01
    net.layers[0].weight[0, 3] = 1  # from node 3 to the first of each level
    for layer in net.layers[1:]:
        layer.weight[0, 0] = 1
    assert ew.count_paths(net, 3, 240) == 20**11
    found = ew.attribute(net, np.ones((1, 20)), k=1)
    assert found.paths[0].path.nodes == (3, *range(20, 240, 20), 240)
    assert found.paths[0].share > 0.9


def test_nothing_passes():
    shut = ew.Network([0, 1], [1, 2], [1.0, 1.0], bias=[0, -9, 0], activation=["identity", "relu", "identity"])
    found = ew.attribute(shut, [[1.0]])
    assert (found.energy, found.node_share.tolist(), found.edge_share.tolist(), found.paths) == (
        0,
        [0] * 3,
        [0] * 2,
        (),
    )


def test_a_bounded_search_returns_what_it_has_proven(monkeypatch):
    net = ew.mlp([8] * 6 + [1], activation="relu", seed=0)
    x = np.random.default_rng(0).normal(size=(50, 8))
    full = ew.attribute(net, x, k=4)
    monkeypatch.setattr(attribution, "STEPS", 30)
    few = ew.attribute(net, x, k=4)
    assert len(few.paths) < len(full.paths)
    assert [p.path for p in few.paths] == [p.path for p in full.paths[: len(few.paths)]]
    assert few.node_share.tolist() == full.node_share.tolist()


def test_what_cannot_be_asked():
    net = ew.Network([0, 1, 2], [1, 2, 3], [1.0, 1.0, 1.0], activation=["identity", "sqrt", "identity", "identity"])
    with pytest.raises(ew.DataError, match="not finite"):
        ew.attribute(net, [[0.0]])
    with pytest.raises(ew.DataError, match="whole number"):
        ew.attribute(net, [[1.0]], k=-1)
    with pytest.raises(ew.DataError, match="'gradient' or 'output'"):
        ew.attribute(net, [[1.0]], of="both")
    with pytest.raises(ew.DataError, match="one target"):
        ew.attribute(net, [[1.0]], [2, 3])
