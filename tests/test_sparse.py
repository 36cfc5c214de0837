"""Networks with other arcs: pruned, drawn, grown; the native search against its definition."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
import strategies
from edgewise.engine.native import structure_of
from edgewise.sparse import SET, GradualPruning, Places, Rewired, RigL

PLAIN = {"ties": False}
BOTH = ("float64", "float32")


def a_batch(net, n=16, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, net.n_inputs)), rng.normal(size=(n, net.n_outputs))


def backward(net, **more):
    x, y = a_batch(net)
    return net.backprop(x, y=y, loss="squared_error", **more)


def same_network(a, b):
    """Whether what `with_arcs` made is what the constructor makes."""
    again = a.replace()
    for name in ("order", "position", "level_start", "in_start", "in_edge", "out_start", "out_edge"):
        np.testing.assert_array_equal(getattr(a.plan, name), getattr(again.plan, name))
    assert a.names == b.names
    assert a.activations == b.activations
    np.testing.assert_array_equal(a.bias, b.bias)
    np.testing.assert_array_equal(a.inputs, b.inputs)
    np.testing.assert_array_equal(a.outputs, b.outputs)
    structure_of(a)  # the core checks it all
    x, _ = a_batch(a)
    np.testing.assert_array_equal(a.forward(x).output, again.forward(x).output)


def check_rewired(net, places, rewired):
    """Everything that must hold of a change within places."""
    new = rewired.network
    same_network(new, net)
    old = rewired.origin >= 0
    kept = rewired.origin[old]
    assert len(set(kept.tolist())) == len(kept)
    for name in ("tail", "head", "weight"):
        np.testing.assert_array_equal(getattr(new, name)[old], getattr(net, name)[kept])
    assert (new.weight[~old] == 0).all()
    assert new.weight.dtype == net.dtype
    grown = list(zip(new.tail[~old].tolist(), new.head[~old].tolist(), strict=True))
    assert len(set(grown)) == len(grown)
    assert not set(grown) & set(zip(net.tail.tolist(), net.head.tolist(), strict=True))
    assert (places.pair_of(net, new.tail[~old], new.head[~old]) >= 0).all()
    dropped = np.setdiff1d(np.arange(net.n_edges), kept)
    assert (places.pair_of(net, net.tail[dropped], net.head[dropped]) >= 0).all()
    carried = rewired.carry(np.arange(net.n_edges) + 1.0)
    np.testing.assert_array_equal(carried, np.where(old, rewired.origin + 1.0, 0))


def edges_by_pair(net, places):
    pair = places.pair_of(net, net.tail, net.head)
    return np.bincount(pair[pair >= 0], minlength=len(places.pairs))


# ---- places ----


@given(strategies.dags(**PLAIN), st.booleans())
def test_places_of_a_network_hold_its_arcs(net, skip):
    places = Places.of(net, skip=skip)
    places.check(net)
    assert (places.rank[net.tail] < places.rank[net.head]).all()
    sums = np.array([name == "sum" for name in net.aggregations])
    inside = places.pair_of(net, net.tail, net.head)
    np.testing.assert_array_equal(inside >= 0, sums[net.head])
    np.testing.assert_array_equal(
        places.pairs[inside[inside >= 0]], np.stack([places.rank[net.tail], places.rank[net.head]], 1)[inside >= 0]
    )
    again = Places(places.rank.tolist(), places.pairs[::-1])
    np.testing.assert_array_equal(again.pairs, places.pairs)
    np.testing.assert_array_equal(again.rank, places.rank)


def test_ranks_of_layers_are_layers_and_survive_pruning():
    net = ew.mlp([6, 5, 4, 2])
    places = Places.of(net)
    assert places.rank.tolist() == [0] * 6 + [1] * 5 + [2] * 4 + [3] * 2
    assert places.pairs.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert ew.sparse.density(net) == 1
    assert Places.of(net, skip=True).pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    # a neuron that lost its in-arcs, and one that lost all
    pruned = ew.sparse.keep(net, (net.head != 6) & (net.head != 7) & (net.tail != 7)).network
    assert Places.of(pruned).rank[[6, 7]].tolist() == [1, -1]
    assert ew.sparse.density(pruned, places) == pytest.approx((58 - 6 - 6 - 4) / 58)


def test_many_ranks_are_as_few():
    n = 1200
    chain = ew.Network(np.arange(n - 1), np.arange(1, n), np.ones(n - 1), activation="identity")
    places = Places.of(chain)
    np.testing.assert_array_equal(places.pair_of(chain, chain.tail, chain.head), np.arange(n - 1))
    assert places.pair_of(chain, np.array([0, 5]), np.array([2, 4])).tolist() == [-1, -1]
    assert Places(np.arange(n), []).pair_of(chain, chain.tail, chain.head).max() == -1


@pytest.mark.parametrize(
    ("rank", "pairs", "says"),
    [
        ([0, 1], [(1, 0)], "must rise"),
        ([0, 1], [(0, 0)], "must rise"),
        ([0, 1], [(0, 2)], "from 0 to 1"),
        ([0, 1], [(0, 1), (0, 1)], "twice"),
        ([0, 5], [(0, 5)], "numbers from -1"),
        ([0, -2], [], "numbers from -1"),
        ([0.5, 1], [], "whole numbers"),
        ([0, 1], [0, 1], "shape"),
        ([0, 2**40], [], "too large"),
    ],
)
def test_places_that_cannot_be_are_refused(rank, pairs, says):
    with pytest.raises(ew.GraphError, match=says):
        Places(rank, pairs)


def test_places_of_another_network_and_ties_are_refused():
    net, other = ew.mlp([3, 3, 1]), ew.mlp([3, 4, 1])
    with pytest.raises(ew.GraphError, match="of 8 nodes"):
        Places.of(other).check(net)
    with pytest.raises(ew.GraphError, match="must lead to a higher one"):
        Places([1, 1, 1, 1, 0, 2, 3], [(0, 1)]).check(net)
    tied = net.replace(tie=np.zeros(net.n_edges, int), weight=1.0)
    for ask in (
        lambda: Places.of(tied).check(tied),
        lambda: ew.sparse.prune(tied, 0.5),
        lambda: ew.sparse.keep(tied, np.ones(net.n_edges)),
        lambda: RigL().change(tied, Places.of(tied), 0.1, lambda: backward(tied), np.random.default_rng(0)),
    ):
        with pytest.raises(ew.GraphError, match="tied"):
            ask()


# ---- the search ----


@given(strategies.networks_with_samples(**PLAIN), st.booleans(), st.integers(0, 40), st.booleans())
def test_the_search_is_its_definition(drawn, skip, count, by_pair):
    net, x = drawn
    places = Places.of(net, skip=skip)
    wanted = np.full(len(places.pairs), count) if by_pair else count
    found = net.backprop(x, target=int(net.outputs[0])).strongest_absent(places, wanted)
    defined = net.backprop(x, target=int(net.outputs[0]), engine="reference").strongest_absent(places, wanted)
    np.testing.assert_allclose(np.abs(found.gradient), np.abs(defined.gradient), rtol=1e-8, atol=1e-10)
    taken = set(zip(net.tail.tolist(), net.head.tolist(), strict=True))
    arcs = list(zip(found.tail.tolist(), found.head.tolist(), strict=True))
    assert not taken & set(arcs)
    assert len(set(arcs)) == len(arcs)
    # each gradient is that of its arc: as a weight of 0 there would have it
    if arcs:
        with_them = net.replace(
            tail=np.append(net.tail, found.tail), head=np.append(net.head, found.head),
            weight=np.append(net.weight, np.zeros(len(arcs))),
        )  # fmt: skip
        gradient = with_them.backprop(x, target=int(net.outputs[0])).weight_gradient[net.n_edges :]
        np.testing.assert_allclose(found.gradient, gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("n", [1, 17, 150])
def test_the_search_finds_the_same_arcs_in_layers(dtype, n):
    net = ew.mlp([70, 50, 45, 7], activation="tanh", density=0.2, seed=3, dtype=dtype)
    x, _ = a_batch(net, n)
    y = np.arange(n) % 7
    places = Places.of(net, skip=True)
    for count in (0, 1, 700, 10**6, np.arange(len(places.pairs)) * 40):
        found, defined = (
            net.backprop(x, y=y, loss="cross_entropy", engine=e).strongest_absent(places, count)
            for e in ("native", "reference")
        )
        if dtype == "float64":
            np.testing.assert_array_equal(found.tail, defined.tail)
            np.testing.assert_array_equal(found.head, defined.head)
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        scale = np.abs(defined.gradient).max(initial=1e-30)
        assert np.abs(np.abs(found.gradient) - np.abs(defined.gradient)).max(initial=0) <= tolerance * scale
        assert found.gradient.dtype == dtype


def test_the_search_is_the_same_for_any_number_of_threads_and_after_other_results():
    net = ew.mlp([200, 300, 250, 10], density=0.05, dtype="float32", seed=1)
    x, _ = a_batch(net, 128)
    y = np.arange(128) % 10
    places = Places.of(net, skip=True)
    count = np.array([900, 5, 30, 1000, 20, 40])
    first = net.backprop(x, y=y, loss="cross_entropy", threads=1).strongest_absent(places, count)
    for threads in (1, 2, 3):
        one = net.backprop(x, y=y, loss="cross_entropy", threads=threads)
        if threads > 1:
            assert one.weight_gradient.any()
        found = one.strongest_absent(places, count)
        for name in ("tail", "head", "gradient"):
            np.testing.assert_array_equal(getattr(found, name), getattr(first, name))


def test_equals_come_by_head_and_then_by_tail():
    net = ew.mlp([40, 30, 2], density=0.1, seed=0)
    found = net.backprop(np.zeros((3, 40)), target=70).strongest_absent(Places.of(net), np.array([500, 0]))
    assert (found.gradient == 0).all()
    key = found.head * 1000 + found.tail
    assert (np.diff(key) > 0).all()
    assert len(key) == 500


def test_wrong_counts_and_several_targets_are_refused():
    net = ew.mlp([3, 3, 2])
    places = Places.of(net)
    for count in (-1, 1.5, np.ones(3, int), np.ones(1, int), [-1, 2], "1"):
        with pytest.raises(ew.DataError, match="count"):
            backward(net).strongest_absent(places, count)
    with pytest.raises(ew.DataError, match="one target"):
        net.backprop(np.ones(3), target=[6, 7]).strongest_absent(places, 1)


# ---- changes ----

CHANGES = [RigL(), SET(), RigL(scope="all"), SET(scope="all", drop=0.6)]


@given(strategies.dags(**PLAIN, dtypes=BOTH), st.booleans(), st.sampled_from(CHANGES), st.integers(0, 99))
def test_changes_keep_the_number_of_arcs_and_make_no_cycle(net, skip, change, seed):
    places = Places.of(net, skip=skip)
    rng = np.random.default_rng(seed)
    for progress in (0.0, 0.2, 0.4):
        with np.errstate(all="ignore"):
            rewired = change.change(net, places, progress, lambda net=net: backward(net), rng)
        if rewired is None:
            continue
        assert rewired.network.n_edges == net.n_edges
        if change.scope == "layer":
            np.testing.assert_array_equal(edges_by_pair(rewired.network, places), edges_by_pair(net, places))
        check_rewired(net, places, rewired)
        net = rewired.network


def test_rigl_drops_the_smallest_and_grows_the_steepest():
    net = ew.mlp([20, 15, 6], density=0.4, distribution="uniform", seed=2)
    places = Places.of(net)
    rewired = RigL(drop=0.5).change(net, places, 0.0, lambda: backward(net), np.random.default_rng(0))
    pair = places.pair_of(net, net.tail, net.head)
    stays = np.isin(np.arange(net.n_edges), rewired.origin)
    found = backward(net).strongest_absent(places, np.bincount(pair[~stays], minlength=2))
    new = rewired.origin < 0
    assert set(zip(found.tail, found.head, strict=True)) == set(
        zip(rewired.network.tail[new], rewired.network.head[new], strict=True)
    )
    for p in (0, 1):
        own = pair == p
        assert np.abs(net.weight[own & ~stays]).max() < np.abs(net.weight[own & stays]).min()
    n_half = RigL(drop=0.5).change(net, places, 0.375, lambda: backward(net), np.random.default_rng(0))
    assert (n_half.origin < 0).sum() == sum(int(n * 0.25) for n in np.bincount(pair))
    assert (new).sum() == sum(int(n * 0.5) for n in np.bincount(pair))


@pytest.mark.parametrize("change", CHANGES)
def test_where_nothing_is_left_to_grow_nothing_changes(change):
    net = ew.mlp([5, 4, 2])
    rng = np.random.default_rng(0)
    assert change.change(net, Places.of(net), 0.1, lambda: backward(net), rng) is None
    assert change.change(net, Places.of(net, skip=True), 0.8, lambda: backward(net), rng) is None
    # one place is left: one arc moves there
    one = ew.sparse.keep(net, np.arange(net.n_edges) != 3).network
    rewired = change.change(one, Places.of(net), 0.1, lambda: backward(one), rng)
    assert (rewired.origin < 0).sum() == 1
    assert (rewired.network.tail[rewired.origin < 0], rewired.network.head[rewired.origin < 0]) == (
        net.tail[3],
        net.head[3],
    )


def test_set_draws_every_absent_place_as_often():
    net = ew.mlp([6, 5, 1], density=0.5, seed=1, distribution="uniform")
    places = Places.of(net)
    rng = np.random.default_rng(0)
    seen = np.zeros((12, 12), int)
    for _ in range(2000):
        rewired = SET(drop=0.2).change(net, places, 0.1, lambda: None, rng)
        new = rewired.origin < 0
        np.add.at(seen, (rewired.network.tail[new], rewired.network.head[new]), 1)
    absent = np.ones((12, 12), bool)
    absent[net.tail, net.head] = False
    drawn = seen[:6, 6:11][absent[:6, 6:11]]
    assert drawn.min() > 0.8 * drawn.mean()
    assert drawn.max() < 1.2 * drawn.mean()


def test_gradual_pruning_follows_the_cubic():
    net = ew.mlp([30, 20, 5], seed=0)
    places, rng = Places.of(net), np.random.default_rng(0)
    change = GradualPruning(0.1, end=0.5)
    assert change.change(net, places, 0.0, lambda: None, rng) is None
    for progress in (0.1, 0.25, 0.4, 0.5):
        smallest = np.sort(np.abs(net.weight))
        rewired = change.change(net, places, progress, lambda: None, rng)
        wanted = 0.1 + 0.9 * (1 - progress / 0.5) ** 3
        assert rewired.network.n_edges == np.ceil(wanted * 700)
        assert np.abs(rewired.network.weight).min() >= smallest[net.n_edges - rewired.network.n_edges]
        check_rewired(net, places, rewired)
        net = rewired.network
    assert change.change(net, places, 0.9, lambda: None, rng) is None
    by_layer = GradualPruning(0.5, scope="layer").change(ew.mlp([30, 20, 5]), places, 1.0, lambda: None, rng)
    np.testing.assert_array_equal(edges_by_pair(by_layer.network, places), [300, 50])


@pytest.mark.parametrize(
    "make",
    [
        lambda: RigL(drop=1.0),
        lambda: RigL(drop=-0.1),
        lambda: SET(every=0),
        lambda: SET(every=1.5),
        lambda: RigL(end=0.0),
        lambda: RigL(end=1.1),
        lambda: SET(scope="some"),
        lambda: GradualPruning(1.0),
        lambda: GradualPruning(0.5, initial=0.4),
        lambda: GradualPruning("0.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(make):
    with pytest.raises(ew.DataError):
        make()


# ---- pruning ----


@given(strategies.dags(**PLAIN, dtypes=BOTH), st.integers(0, 2**20 - 1))
def test_a_mask_keeps_its_edges(net, bits):
    mask = (bits >> (np.arange(net.n_edges) % 20)) & 1
    rewired = ew.sparse.keep(net, mask)
    np.testing.assert_array_equal(rewired.origin, np.flatnonzero(mask))
    same_network(rewired.network, net)


@pytest.mark.parametrize("by", ["magnitude", "gradient", "random"])
@pytest.mark.parametrize("scope", ["all", "layer"])
def test_pruning_keeps_what_matters_most(by, scope):
    net = ew.mlp([20, 15, 4], seed=1)
    gradient = backward(net).weight_gradient if by == "gradient" else None
    rewired = ew.sparse.prune(net, 0.25, by=by, gradient=gradient, scope=scope, seed=4)
    assert isinstance(rewired, Rewired)
    assert rewired.network.n_edges == 90
    score = {"magnitude": np.abs(net.weight), "random": None}.get(
        by, np.abs(net.weight * (gradient if gradient is not None else 1))
    )
    if scope == "layer":
        np.testing.assert_array_equal(edges_by_pair(rewired.network, Places.of(net)), [75, 15])
    elif score is not None:
        dropped = np.setdiff1d(np.arange(net.n_edges), rewired.origin)
        assert score[dropped].max() <= score[rewired.origin].min()
    again = ew.sparse.prune(net, n_edges=90, by=by, gradient=gradient, scope=scope, seed=4)
    np.testing.assert_array_equal(again.origin, rewired.origin)


def test_of_equal_weights_the_earlier_stay():
    net = ew.mlp([4, 3, 1])
    net.weight = 1.0
    assert ew.sparse.prune(net, n_edges=5).origin.tolist() == [0, 1, 2, 3, 4]


def test_arcs_into_products_stay():
    net = ew.Network(
        [0, 1, 0, 2, 3], [2, 2, 3, 4, 4], [0.1, 0.2, 5, 6, 7], aggregation=["sum", "sum", "product", "sum", "sum"]
    )
    assert ew.sparse.prune(net, n_edges=3).origin.tolist() == [0, 1, 4]
    with pytest.raises(ew.GraphError, match="2 lead to neurons that do not sum"):
        ew.sparse.prune(net, n_edges=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"density": 0.5, "n_edges": 3},
        {"density": 0},
        {"density": 1.5},
        {"density": True},
        {"n_edges": 0},
        {"n_edges": 1.5},
        {"n_edges": 10**6},
        {"density": 0.5, "by": "gradient"},
        {"density": 0.5, "gradient": np.ones(12)},
        {"density": 0.5, "by": "gradient", "gradient": np.ones(3)},
        {"density": 0.5, "by": "gradient", "gradient": np.full(12, np.nan)},
        {"density": 0.5, "by": "luck"},
        {"density": 0.5, "scope": "some"},
    ],
)
def test_wrong_pruning_is_refused(arguments):
    with pytest.raises(ew.DataError):
        ew.sparse.prune(ew.mlp([3, 3, 1]), **arguments)
    for mask in (np.ones(3), np.array(["a"] * 12), np.ones((12, 1))):
        with pytest.raises(ew.DataError, match="mask"):
            ew.sparse.keep(ew.mlp([3, 3, 1]), mask)


def test_what_is_carried_must_be_long_enough():
    rewired = ew.sparse.keep(ew.mlp([3, 3, 1]), np.arange(12) > 4)
    for wrong in (np.ones(11), np.ones((12, 1))):
        with pytest.raises(ew.DataError, match="a number for each edge"):
            rewired.carry(wrong)


# ---- arcs drawn at random ----


@given(strategies.dags(**PLAIN, dtypes=BOTH), st.floats(0.05, 1), st.sampled_from(["uniform", "erdos_renyi"]))
def test_arcs_are_drawn_among_the_places(net, density, distribution):
    places = Places.of(net, skip=True)
    if not places.sizes(net).prod(axis=1).sum():
        with pytest.raises(ew.DataError, match="hold no arcs"):
            ew.sparse.random_arcs(net, places, density=density)
        return
    drawn = ew.sparse.random_arcs(net, places, density=density, distribution=distribution, seed=1)
    same_network(drawn, net)
    assert (places.pair_of(net, drawn.tail, drawn.head) >= 0).all()
    assert len(set(zip(drawn.tail.tolist(), drawn.head.tolist(), strict=True))) == drawn.n_edges
    fed = np.bincount(drawn.head, minlength=net.n_nodes)
    for rank in np.unique(places.pairs[:, 1]):
        assert (fed[places.heads(net, rank)] > 0).all()
    again = ew.sparse.random_arcs(net, places, density=density, distribution=distribution, seed=1)
    np.testing.assert_array_equal(again.weight, drawn.weight)


def test_densities_are_those_of_mlp():
    dense = ew.mlp([784, 300, 100, 10])
    drawn = ew.sparse.random_arcs(dense, density=0.1, seed=0)
    layered = ew.mlp([784, 300, 100, 10], density=0.1, seed=0)
    places = Places.of(dense)
    np.testing.assert_array_equal(edges_by_pair(drawn, places), edges_by_pair(layered, places))
    assert drawn.weight.std() == pytest.approx(layered.weight.std(), rel=0.05)


# ---- matrices ----

MATRICES = [np.array([[1.0, 0, 2], [0, 3, 0]]), np.array([[0.0, -1]])]


def test_matrices_become_networks():
    net = ew.sparse.from_matrices(MATRICES, [np.array([0.5, -1]), None], activation="tanh")
    assert (net.n_nodes, net.n_edges) == (6, 4)
    x = np.array([1.0, 2, 3])
    expected = MATRICES[1] @ np.tanh(MATRICES[0] @ x + [0.5, -1])
    np.testing.assert_allclose(net.forward(x).output, expected)
    for kind in (scipy.sparse.csr_array, scipy.sparse.coo_matrix, scipy.sparse.csc_matrix):
        stored = ew.sparse.from_matrices([kind(m) for m in MATRICES], [np.array([0.5, -1]), None], activation="tanh")
        np.testing.assert_allclose(stored.forward(x).output, expected)
        assert stored.n_edges == 4
    masked = ew.sparse.from_matrices(MATRICES, masks=[np.ones((2, 3)), None])
    assert masked.n_edges == 7
    assert ew.sparse.from_matrices([m.astype(np.float32) for m in MATRICES]).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([],), "at least one"),
        ((MATRICES, [None]), "2 matrices and 1 biases"),
        (([MATRICES[0], MATRICES[0]],), "2 columns"),
        (([np.ones(3)],), "matrix of numbers"),
        (([np.array([["a"]])],), "matrix of numbers"),
        ((MATRICES, [np.ones(3), None]), "biases"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(arguments, says):
    with pytest.raises(ew.GraphError, match=says):
        ew.sparse.from_matrices(*arguments)
    with pytest.raises(ew.GraphError, match="masks"):
        ew.sparse.from_matrices(MATRICES, masks=[np.ones((3, 2)), None])


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_of_matrices_are_read(tmp_path, suffix):
    rng = np.random.default_rng(0)
    first, last = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    mask = (rng.random((4, 3)) > 0.5).astype(np.float32)
    arrays = {
        "10.weight": last,
        "2.weight_orig": first,
        "2.weight_mask": mask,
        "2.bias": np.ones(4, np.float32),
    }
    path = tmp_path / f"layers{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    net = ew.sparse.load_matrices(path, activation="tanh")
    x = np.array([1.0, 2, 3], np.float32)
    np.testing.assert_allclose(net.forward(x).output, last @ np.tanh(first * mask @ x + 1), rtol=1e-5)
    assert net.n_edges == mask.sum() + 8


def test_files_that_hold_no_matrices_are_refused(tmp_path):
    for name, content in (("a.npz", b"no archive"), ("a.safetensors", b"none"), ("a.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ew.FormatError):
            ew.sparse.load_matrices(tmp_path / name)
    np.savez(tmp_path / "objects.npz", **{"0.weight": np.array([[object()]], dtype=object)})
    np.savez(tmp_path / "other.npz", bias=np.ones(3))
    for name in ("objects.npz", "other.npz", "missing.npz"):
        with pytest.raises(ew.FormatError):
            ew.sparse.load_matrices(tmp_path / name)
    np.savez(tmp_path / "wrong.npz", **{"0.weight": np.ones((2, 3)), "1.weight": np.ones((2, 3))})
    with pytest.raises(ew.GraphError, match=r"wrong\.npz.*2 columns"):
        ew.sparse.load_matrices(tmp_path / "wrong.npz")


@pytest.mark.parametrize("count", [0, 3, 7, 10])
def test_shares_are_whole_and_fit(count):
    from edgewise.sparse.rewiring import shares

    found = shares(np.array([1, 0, 6, 3]), count)
    assert found.sum() == count
    assert (found <= [1, 0, 6, 3]).all()
