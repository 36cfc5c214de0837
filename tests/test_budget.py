"""The gradient budget: its recursions by definition, as sums over paths; that it adds up; that nothing breaks it."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import edgewise as ew
from oracles import TorchNetwork, assert_close
from strategies import networks_with_samples


def in_both(net, x, *target, **asked):
    native, reference = (ew.gradient_budget(net, x, *target, engine=e, **asked) for e in ("native", "reference"))
    for name in ("sensitivity", "weights", "gated"):
        found, expected = getattr(native, name), getattr(reference, name)
        if np.isfinite(expected).all():
            assert_close(found, expected)
    return native


def adds_up(budget):
    total = budget.total
    for part in ("weights_db", "gates_db", "interference_db", "total_db"):
        column = [getattr(row, part) for row in budget.rows]
        if np.isfinite(column).all():
            assert math.isclose(sum(column), getattr(total, part), rel_tol=1e-12, abs_tol=1e-9)
    for row in [*budget.rows, total]:
        parts = row.weights_db, row.gates_db, row.interference_db
        if np.isfinite([*parts, row.total_db]).all():
            assert math.isclose(sum(parts), row.total_db, rel_tol=1e-12, abs_tol=1e-9)


@given(networks_with_samples(dtypes=("float32", "float64")), st.data())
def test_sizes_are_weights_times_gates_times_interference(case, data):
    net, x = case
    target = data.draw(st.integers(0, net.n_nodes - 1))
    budget = in_both(net, x, target)
    expected = net.astype("float64").backprop(x.astype(np.float64), target, engine="reference").sensitivity
    assume(np.isfinite(expected).all())
    expected = expected.reshape(budget.sensitivity.shape)
    assert_close(budget.sensitivity, expected)
    with np.errstate(all="ignore"):
        product = budget.weights * (budget.gated / budget.weights) * (np.abs(budget.sensitivity) / budget.gated)
    there = (budget.gated > 1e-140) & (budget.weights > 1e-140)
    assert_close(product[there], np.abs(expected)[there])
    assert (np.abs(expected)[budget.gated == 0] <= 1e-150).all()  # where no path passes anything, nor does their sum
    adds_up(budget)


@given(networks_with_samples(max_nodes=7), st.data())
def test_squares_are_sums_over_paths(case, data):
    net, x = case
    t = data.draw(st.integers(0, net.n_nodes - 1))
    budget = in_both(net, x, t)
    bwd = net.backprop(x, t, engine="reference")
    z = np.atleast_2d(bwd.edge_derivative)
    gate = np.atleast_2d(bwd.gate)
    assume(np.isfinite(z).all() and np.isfinite(budget.gated).all())
    with np.errstate(all="ignore"):
        slope = z / gate[:, net.head]  # r_j·agg_j′·w_ij, where a gate does not hide it
    for i in range(net.n_nodes):
        paths = [list(path.edges) for path in ew.iter_paths(net, i, t)]
        gated = sum((np.prod(z[:, path], axis=1) ** 2 for path in paths), np.zeros(len(z)))
        assert_close(budget.gated[:, i] ** 2, gated, 1e-9)
        weights = sum((np.prod(slope[:, path], axis=1) ** 2 for path in paths), np.zeros(len(z)))
        if np.isfinite(weights).all():
            assert_close(budget.weights[:, i] ** 2, weights, 1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "hinge"])
def test_of_a_loss_beside_pytorch(loss):
    """A linear network with the squares of all weights has the squares of Q_w as its sensitivities."""
    net = ew.random_dag(60, 500, n_inputs=8, n_outputs=3, activation="tanh", seed=0)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 8))
    y = rng.integers(0, 3, 20) if loss == "cross_entropy" else np.sign(rng.normal(size=(20, 3)))
    budget = in_both(net, x, y=y, loss=loss)
    seed = ew.losses.get(loss).gradient(net.forward(x).output, y)
    squares = TorchNetwork(net.replace(weight=net.weight**2, activation="identity"), x)
    expected = sum(
        squares.quantities(squares.value[o])["sensitivity"] * seed[:, k : k + 1] ** 2 for k, o in enumerate(net.outputs)
    )
    assert_close(budget.weights**2, expected)
    assert_close(budget.sensitivity, net.backprop(x, y=y, loss=loss).sensitivity)
    adds_up(budget)


def test_one_path_alone_has_nothing_to_interfere_with():
    net = ew.Network([0, 1, 2], [1, 2, 3], [2.0, -3.0, 0.5], activation="tanh")
    budget = in_both(net, [[0.3], [-1.0]])
    assert [row.interference_db for row in budget.rows] == pytest.approx([0] * 4, abs=1e-12)
    assert [row.weights_db for row in budget.rows] == pytest.approx([0, *(20 * np.log10([0.5, 3, 2]))])
    assert [row.gates_db < 0 for row in budget.rows] == [False, True, True, True]


def test_paths_that_cancel():
    net = ew.Network([0, 0, 1, 2], [1, 2, 3, 3], [1, 1, 1, -1], activation="identity")
    last = in_both(net, [[1.0]]).rows[-1]
    assert last.weights_db == pytest.approx(20 * np.log10(2**0.5) - 0)
    assert (last.gates_db, last.interference_db, last.total_db) == (0, -math.inf, -math.inf)


def test_what_comes_to_nothing_does_so_by_its_cause():
    shut = ew.Network([0, 1], [1, 2], [1.0, 1.0], bias=[0, -9, 0], activation=["identity", "relu", "identity"])
    row = in_both(shut, [[1.0]]).rows[-1]
    assert (row.weights_db, row.gates_db, row.interference_db, row.total_db) == (0, -math.inf, 0, -math.inf)
    zero = ew.Network([0, 1, 2], [1, 2, 3], [1.0, 0.0, 1.0], activation="tanh")
    rows = in_both(zero, [[1.0]]).rows
    assert [row.weights_db for row in rows] == [0, 0, -math.inf, 0]
    assert [row.total_db for row in rows] == [0, 0, -math.inf, 0]


def test_nodes_without_a_path_have_no_budget():
    net = ew.Network([0, 0], [1, 2], [1.0, 2.0], activation="identity", outputs=[1, 2])
    of = in_both(net, [[1.0]], 1).of_nodes()
    assert np.isnan(of["total_db"]).tolist() == [False, False, True]
    assert of["weights_db"][0] == 0


def test_a_deep_network_leaves_no_range():
    net = ew.mlp([16] * 200, activation="sigmoid", seed=0, dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        budget = in_both(net, np.random.default_rng(0).normal(size=(4, 16)), y=np.zeros((4, 16)), loss="squared_error")
    assert -3200 < budget.total.total_db < -2000
    assert np.isfinite([row.total_db for row in budget.rows]).all()


def test_shown_and_as_data():
    net = ew.mlp([3, 4, 2], activation="relu", seed=0)
    budget = ew.gradient_budget(net, np.ones((1, 3)), y=[1], loss="cross_entropy")
    shown = str(budget).splitlines()
    assert [line.split()[0] for line in shown] == ["level", "0", "1", "2", "all"]
    data = json.loads(json.dumps(budget.to_dict(), allow_nan=False))
    assert data["schema"] == 1
    assert [row["n_nodes"] for row in data["rows"]] == [2, 4, 3]


def test_several_targets_are_refused():
    net = ew.mlp([3, 4, 2])
    with pytest.raises(ew.DataError, match="of one target"):
        ew.gradient_budget(net, np.ones((1, 3)), [0, 1])
