"""Paths: their sum is the sensitivity, their count is exact, and the strongest are found without listing the rest."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

import edgewise as ew


def random_net(seed, n=9, n_edges=18, zeros=0.0):
    """A random DAG with parallel edges, node numbers shuffled, every node's activation smooth."""
    rng = np.random.default_rng(seed)
    ends = np.sort(np.array([rng.choice(n, 2, replace=False) for _ in range(n_edges)]), axis=1)
    ends = np.concatenate([ends, ends[:3]])
    label = rng.permutation(n)
    weight = rng.normal(size=len(ends)) * (rng.random(len(ends)) >= zeros)
    return ew.Network(label[ends[:, 0]], label[ends[:, 1]], weight, bias=rng.normal(size=n), activation="tanh")


def diamonds(n, weight=1.0, activation="identity"):
    """n diamonds in a row: 2**n paths from node 0 to node 3n."""
    base = 3 * np.arange(n)[:, None]
    tail = (base + np.array([0, 0, 1, 2])).ravel()
    head = (base + np.array([1, 2, 3, 3])).ravel()
    return ew.Network(tail, head, np.broadcast_to(weight, tail.shape), activation=activation)


def chain(n, weight=1.0):
    return ew.Network(np.arange(n), np.arange(1, n + 1), np.broadcast_to(weight, (n,)), activation="identity")


def recursive_paths(net, i, t):
    """By the definition, as an independent check."""
    if i == t:
        return [()]
    return [
        (e, *rest) for e in np.flatnonzero(net.tail == i).tolist() for rest in recursive_paths(net, int(net.head[e]), t)
    ]


def passing(z):
    """A stand-in for a backward pass with the given edge derivatives."""
    return SimpleNamespace(edge_derivative=np.asarray(z))


@pytest.mark.parametrize("seed", range(12))
def test_sum_over_paths_is_the_sensitivity(seed):
    net = random_net(seed)
    x = np.random.default_rng(seed).normal(size=(2, net.n_inputs))
    bwd = net.backprop(x, target=list(range(net.n_nodes)))
    z = bwd.edge_derivative
    for i, t in itertools.product(range(net.n_nodes), repeat=2):
        found = list(ew.iter_paths(net, i, t))
        assert [p.edges for p in found] == recursive_paths(net, i, t)
        assert len(found) == ew.count_paths(net, i, t)
        for b in range(2):
            total = sum(math.prod(z[b, e] for e in p) for p in found)
            np.testing.assert_allclose(total, bwd.sensitivity[t, b, i], rtol=1e-10, atol=1e-13)


def test_path():
    net = ew.Network(["a", "b", "a"], ["b", "c", "b"], 1.0, names=["a", "b", "c"], activation="identity")
    first, second = ew.iter_paths(net, "a", "c")
    assert (first.edges, first.nodes, first.product) == ((0, 1), (0, 1, 2), None)
    assert second == (2, 1)
    assert type(first.edges) is tuple
    (empty,) = ew.iter_paths(net, "b", "b")
    assert (empty.edges, empty.nodes) == ((), (1,))
    assert ew.count_paths(net, "b", "b") == 1
    assert ew.count_paths(net, "c", "a") == 0
    assert list(ew.iter_paths(net, "c", "a")) == []
    (best,) = ew.top_paths(net, net.backprop([1.0]), "b", "b", 5)
    assert (best, best.product) == ((), 1.0)
    assert ew.top_paths(net, net.backprop([1.0]), "c", "a", 5) == []


def test_counts_are_exact_beyond_machine_integers():
    assert ew.count_paths(diamonds(100), 0, 300) == 2**100
    tail = np.repeat(np.arange(50), 3)
    assert ew.count_paths(ew.Network(tail, tail + 1, 1.0), 0, 50) == 3**50


def test_iteration_is_lazy_and_keeps_off_dead_ends():
    few = list(itertools.islice(ew.iter_paths(diamonds(100), 0, 300), 5))
    assert len({p.edges for p in few}) == 5
    # 2**100 ways lead from node 0 into a dead end; the one arc to the target comes last
    ladder = diamonds(100)
    net = ew.Network([*ladder.tail, 0], [*ladder.head, 301], 1.0)
    assert [p.edges for p in ew.iter_paths(net, 0, 301)] == [(400,)]


@pytest.mark.parametrize("zeros", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_top_paths_against_all_paths(seed, zeros):
    net = random_net(seed, zeros=zeros)
    bwd = net.backprop(np.random.default_rng(seed).normal(size=(3, net.n_inputs)), target=0)
    for i, t, b in itertools.product(range(0, net.n_nodes, 2), range(net.n_nodes), range(3)):
        z = bwd.edge_derivative[b]
        everything = {p: math.prod(z[list(p)].tolist()) for p in recursive_paths(net, i, t)}
        sizes = sorted(map(abs, everything.values()), reverse=True)
        for k in {1, 3, len(everything) + 1}:
            found = ew.top_paths(net, bwd, i, t, k, sample=b)
            assert len({p.edges for p in found}) == len(found) == min(k, len(everything))
            assert [p.product for p in found] == pytest.approx([everything[p.edges] for p in found], rel=1e-12)
            assert [abs(p.product) for p in found] == pytest.approx(sizes[: len(found)], rel=1e-9)


@pytest.mark.parametrize("z", [1.0, 0.9, -0.7, 0.1, 0.0])
def test_top_paths_of_many_equals(z):
    net = diamonds(100)
    found = ew.top_paths(net, passing(np.full(400, z)), 0, 300, 20)
    assert len({p.edges for p in found}) == 20
    assert all(p.product == pytest.approx(z**200) for p in found)
    again = ew.top_paths(net, passing(np.full(400, z)), 0, 300, 20)
    assert [p.edges for p in again] == [p.edges for p in found]


def test_zero_products_come_last():
    net = ew.Network([0, 0, 0, 1], [1, 1, 1, 2], 1.0)
    found = ew.top_paths(net, passing([0.0, -1e-300, 1e-200, 1.0]), 0, 2, 9)
    assert [p.product for p in found] == [1e-200, -1e-300, 0.0]


def test_deep_graphs_neither_underflow_nor_overflow():
    n = 100_000
    net = chain(n)
    assert ew.count_paths(net, 0, n) == 1
    (only,) = ew.iter_paths(net, 0, n)
    assert only.nodes[-1] == n
    half = np.full(n, 1e-200)
    half[n // 2 :] = 1e200
    (best,) = ew.top_paths(net, passing(half), 0, n, 3)
    assert best.product == pytest.approx(1.0, rel=1e-9)
    assert ew.top_paths(net, passing(np.full(n, 0.5)), 0, n, 1)[0].product == 0.0
    assert ew.top_paths(net, passing(np.full(n, -2.0)), 0, n, 1)[0].product == math.inf
    # products that are all 0 in floating point keep their order
    ladder = diamonds(100)
    z = np.full(400, 1e-10)
    z[1] = 2e-10
    first, second = ew.top_paths(ladder, passing(z), 0, 300, 2)
    assert first.product == second.product == 0.0
    assert first[0] == second[0] == 1


def test_errors():
    net = random_net(0)
    one = net.backprop(np.zeros(net.n_inputs), target=0)
    many = net.backprop(np.zeros((2, net.n_inputs)), target=0)
    for k in (0, -1, 1.5, True):
        with pytest.raises(ew.DataError, match="k must be"):
            ew.top_paths(net, one, 0, 1, k)
    for bwd, sample in ((one, 1), (many, 2), (many, -1), (many, 0.5)):
        with pytest.raises(ew.DataError, match="sample"):
            ew.top_paths(net, bwd, 0, 1, 1, sample=sample)
    z = np.ones(net.n_edges)
    z[4] = np.nan
    with pytest.raises(ew.DataError, match="edge 4"):
        ew.top_paths(net, passing(z), 0, 1, 1)
    with pytest.raises(ew.DataError, match="edges"):
        ew.top_paths(net, passing(z[:-1]), 0, 1, 1)
    for function in (ew.count_paths, ew.iter_paths):
        with pytest.raises(ew.GraphError, match="99"):
            function(net, 0, 99)
