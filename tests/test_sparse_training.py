"""Training whose arcs change: RigL, SET and gradual pruning inside fit."""

import itertools

import numpy as np
import pytest

import edgewise as ew
from oracles import assert_close

CHANGES = {
    "rigl": ew.sparse.RigL(every=4),
    "rigl-all": ew.sparse.RigL(every=5, scope="all", end=1.0),
    "set": ew.sparse.SET(every=3, drop=0.5),
    "pruning": ew.sparse.GradualPruning(0.1, initial=0.5, every=4),
}


def samples(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 12))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 1)


def layers(dtype="float64"):
    return ew.mlp([12, 20, 16, 3], activation="tanh", density=0.3, seed=1, dtype=dtype)


def graph():
    return ew.random_dag(60, 500, n_inputs=12, n_outputs=3, activation="tanh", seed=2)


def bits(net):
    return b"".join(a.tobytes() for a in (net.tail, net.head, net.weight, net.bias))


def trained(net, change, **settings):
    return ew.fit(net, *samples(), **{"sparse": change, "epochs": 4, "batch_size": 16} | settings)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_biases_stay_tied_while_arcs_change(engine):
    net = graph().replace(bias=0.0, bias_tie=np.arange(60) % 5)
    found = trained(net, CHANGES["rigl"], engine=engine).network
    assert not np.array_equal(found.tail, net.tail)
    assert np.array_equal(found.bias_tie, net.bias_tie)
    assert len(set(found.bias[~net.is_input].tolist())) == 5


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("make", [layers, graph])
def test_arcs_change_in_their_places_and_the_network_given_stays(change, make):
    net = make()
    before, places, seen = bits(net), ew.sparse.Places.of(net), []
    history = trained(net, CHANGES[change], callbacks=[lambda record: seen.append(record.network)])
    assert bits(net) == before
    found = history.network
    places.check(found)
    assert (places.pair_of(found, found.tail, found.head) >= 0).all()
    if change == "pruning":
        target = 0.1 * places.sizes(net).prod(axis=1).sum()
        assert found.n_edges == min(net.n_edges, np.ceil(target))
    else:
        assert found.n_edges == net.n_edges
    if change != "pruning" or found.n_edges < net.n_edges:
        assert not np.array_equal(found.tail, net.tail)
    changed = [k for k, (a, b) in enumerate(itertools.pairwise(seen), 1) if a is not b]
    assert changed
    assert all(k % CHANGES[change].every == 0 for k in changed)


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_bits_for_any_number_of_threads_and_with_callbacks(change):
    expected = bits(trained(layers("float32"), CHANGES[change], threads=1).network)
    assert bits(trained(layers("float32"), CHANGES[change], threads=3).network) == expected
    assert bits(trained(layers("float32"), CHANGES[change], callbacks=[lambda record: None]).network) == expected
    if change != "pruning":
        assert bits(trained(layers("float32"), CHANGES[change], seed=1).network) != expected


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("make", [layers, graph])
def test_both_engines_choose_the_same_arcs(change, make):
    settings = {"dropout": 0.2, "average": 0.9, "validation": 0.2, "patience": 3}
    native, reference = (trained(make(), CHANGES[change], engine=e, **settings) for e in ("native", "reference"))
    assert np.array_equal(native.network.tail, reference.network.tail)
    assert np.array_equal(native.network.head, reference.network.head)
    assert_close(native.network.weight, reference.network.weight, 1e-8)
    assert_close(native.validation_loss, reference.validation_loss, 1e-8)


def test_what_the_optimizer_remembers_follows_the_arcs():
    """A change that moves no arc, and one that puts all arcs in another order, leave the steps as they are."""

    class Reversed:
        every = 3

        def change(self, network, places, progress, backward, rng):
            order = np.arange(network.n_edges - 1, -1, -1, dtype=np.int32)
            return ew.sparse.Rewired(
                network.with_arcs(network.tail[order], network.head[order], network.weight[order]), order
            )

        def settled(self, network, places):
            return True

    def weights(net):
        return net.weight[np.lexsort((net.tail, net.head))]

    for optimizer in (ew.Adam(0.01), ew.SGD(0.1, momentum=0.9)):
        still = trained(layers(), None, optimizer=optimizer).network
        moved = trained(layers(), Reversed(), optimizer=optimizer).network
        assert_close(weights(moved), weights(still), 1e-10)


def test_no_epoch_before_all_arcs_are_gone_counts_as_the_best():
    """What is wanted is the best of the sparse networks, however much better the dense ones before were."""
    start = ew.mlp([12, 20, 16, 3], activation="tanh", seed=1)
    places = ew.sparse.Places.of(start)
    pruning = ew.sparse.GradualPruning(0.05, every=10, end=0.6)
    history = trained(start, pruning, optimizer=ew.Adam(0.01), epochs=12, validation=0.2, patience=1)
    assert pruning.settled(history.network, places)
    assert not pruning.settled(start, places)
    assert history.best_epoch == 6  # whose fourth step prunes the last
    assert history.network.n_edges == np.ceil(0.05 * start.n_edges)


@pytest.mark.parametrize("change", CHANGES)
def test_stopped_and_resumed_with_arcs_that_had_changed(change, tmp_path):
    class Stop(Exception):
        pass

    def stop(record):
        if record.step == 21:
            raise Stop

    settings = {"validation": 0.2, "patience": 2, "average": 0.8}
    expected = trained(layers(), CHANGES[change], **settings)
    path = tmp_path / "state"
    with pytest.raises(Stop):
        trained(layers(), CHANGES[change], **settings, checkpoint=ew.Checkpoint(path, steps=2), callbacks=[stop])
    history = trained(layers(), CHANGES[change], **settings, resume=path)
    assert bits(history.network) == bits(expected.network)
    assert history.validation_loss == expected.validation_loss
    with pytest.raises(ew.DataError, match="is of another run: sparse is"):
        trained(layers(), None, **settings, resume=path)
    with pytest.raises(ew.DataError, match="is of another run: epochs is 4 there and 5 here"):
        trained(layers(), CHANGES[change], **settings | {"epochs": 5}, resume=path)


def test_rigl_brings_arcs_to_the_inputs_that_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 100))
    y = (np.sin(2 * x[:, 3]) + x[:, 7] > 0).astype(int)  # two of a hundred
    net = ew.mlp([100, 64, 2], activation="tanh", density=0.05, distribution="uniform", seed=0)
    settings = {"epochs": 20, "validation": 0.2, "optimizer": ew.AdamW(0.005, weight_decay=0.3)}
    fixed = ew.fit(net.copy(), x, y, **settings)
    history = ew.fit(net, x, y, **settings, sparse=ew.sparse.RigL(drop=0.5, every=50))
    arcs = np.bincount(history.network.tail, minlength=100)[:100]
    assert min(arcs[3], arcs[7]) > 1.5 * arcs.mean()
    assert history.validation_metric[-1] > fixed.validation_metric[-1] + 0.1


def test_places_of_something_else_are_refused():
    with pytest.raises(ew.GraphError, match="the places are of 60 nodes, the network has 51"):
        trained(layers(), CHANGES["set"], places=ew.sparse.Places.of(graph()))
