"""Training: it learns, takes PyTorch's steps, repeats itself bit for bit, stops and fails as it says."""

import csv
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import edgewise as ew
from oracles import assert_close, over_ties
from strategies import SMOOTH, networks_with_samples

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def blobs(n=120, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, 2)) + 2.5 * np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1), y


def test_digits():
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = data.data[order] / 16, data.target[order]
    net = ew.mlp([64, 64, 10], dtype="float32")
    history = ew.fit(net, x[:1400], y[:1400], epochs=15, validation=(x[1400:], y[1400:]), optimizer=ew.Adam(3e-3))
    assert history.metric_name == "accuracy"
    assert history.validation_metric[-1] >= 0.95
    assert history.loss[-1] < 0.2 * history.loss[0]


def test_xor_on_a_graph_with_skip_arcs():
    # one hidden neuron is enough when the inputs also reach the output directly
    net = ew.Network(
        [0, 1, 0, 1, 2], [2, 2, 3, 3, 3], [1.0, 1.1, -0.5, -0.6, 1.2], activation=["tanh"] * 3 + ["identity"]
    )
    history = ew.fit(net, *XOR, loss="binary_cross_entropy", optimizer=ew.Adam(0.05), epochs=800, batch_size=4)
    assert history.metric[-1] == 1.0
    assert history.loss[-1] < 0.05


def test_the_steps_are_pytorchs():
    net = ew.mlp([2, 5, 3], activation="tanh", seed=3)
    x, y = blobs(64)
    layers = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    with torch.no_grad():
        for ours, theirs in zip(net.layers, (layers[0], layers[2]), strict=True):
            theirs.weight.copy_(torch.tensor(ours.weight))
            theirs.bias.copy_(torch.tensor(ours.bias))
    optimizer = torch.optim.Adam(layers.parameters(), 0.01)
    for _ in range(6):
        for first in range(0, 64, 16):
            optimizer.zero_grad()
            rows = slice(first, first + 16)
            torch.nn.functional.cross_entropy(layers(torch.tensor(x[rows])), torch.tensor(y[rows])).backward()
            optimizer.step()
    ew.fit(net, x, y, optimizer=ew.Adam(0.01), epochs=6, batch_size=16, shuffle=False)
    for ours, theirs in zip(net.layers, (layers[0], layers[2]), strict=True):
        assert_close(ours.weight, theirs.weight.detach().numpy(), 1e-10)
        assert_close(ours.bias, theirs.bias.detach().numpy(), 1e-10)


def test_the_same_seed_gives_the_same_bits():
    x, y = blobs()

    def run(seed):
        net = ew.mlp([2, 8, 3], dtype="float32")
        history = ew.fit(net, x, y, epochs=5, validation=0.25, seed=seed)
        return net.weight.tobytes() + net.bias.tobytes(), history.validation_loss

    assert run(1) == run(1)
    assert run(1)[0] != run(2)[0]


def trained(net, *, optimizer=None, loss="cross_entropy", y=None, **settings):
    x, labels = blobs(70)
    twin = net.copy()
    ew.fit(twin, x, labels if y is None else y, loss=loss, optimizer=optimizer, epochs=4, batch_size=16, **settings)
    return np.concatenate([twin.weight, twin.bias])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_callbacks_and_threads_change_no_bit(dtype):
    net = ew.random_dag(60, 700, n_inputs=2, n_outputs=3, activation="tanh", dtype=dtype)
    settings = {"sample_weight": np.random.default_rng(0).uniform(0, 2, 70), "clip_norm": 0.5}
    alone = trained(net, **settings, threads=1)
    assert np.array_equal(trained(net, **settings, callbacks=[lambda record: None]), alone)
    assert np.array_equal(trained(net, **settings, threads=3), alone)


OPTIMIZERS = [
    ew.SGD(0.05, weight_decay=0.01),
    ew.SGD(0.05, momentum=0.9),
    ew.SGD(0.05, momentum=0.9, nesterov=True),
    ew.Adam(0.02, weight_decay=0.01),
    ew.AdamW(0.02, weight_decay=0.1),
]


def weights_tied(n_edges, n_nodes):
    index = np.arange(n_edges) % 11
    return {"tie": index, "weight": np.random.default_rng(0).normal(0, 0.5, 11)[index]}


def biases_tied(n_edges, n_nodes):
    index = np.arange(n_nodes) * 7 % 5  # inputs too, which take no part
    return {"bias_tie": index, "bias": np.linspace(-0.2, 0.3, 5)[index]}


TIED = [
    pytest.param(lambda n_edges, n_nodes: {}, id="free"),
    pytest.param(weights_tied, id="weights tied"),
    pytest.param(biases_tied, id="biases tied"),
    pytest.param(lambda *sizes: weights_tied(*sizes) | biases_tied(*sizes), id="both tied"),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("clip_norm", [None, 0.3])
@pytest.mark.parametrize("tied", TIED)
def test_steps_in_the_core_are_those_of_the_optimizers(optimizer, clip_norm, tied):
    net = ew.mlp([2, 8, 3], activation="tanh").replace(response=np.linspace(0.5, 1.5, 13), **tied(40, 13))
    in_core = trained(net, optimizer=optimizer, clip_norm=clip_norm)
    assert_close(in_core, trained(net, optimizer=optimizer, clip_norm=clip_norm, engine="reference"), 1e-10)


@pytest.mark.parametrize("loss", [*ew.losses.NAMES, ew.losses.huber(0.3)])
def test_every_loss_trains_alike_in_the_core(loss):
    net, used = ew.mlp([2, 8, 3], activation="tanh"), ew.losses.get(loss)
    rng = np.random.default_rng(1)
    y = {
        "index": rng.integers(0, 3, 70),
        "binary": rng.uniform(size=(70, 3)),
        "sign": rng.choice([-1.0, 1.0], (70, 3)),
        "real": rng.normal(size=(70, 3)),
    }[used.labels]
    assert_close(trained(net, loss=loss, y=y), trained(net, loss=loss, y=y, engine="reference"), 1e-10)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("tied", TIED)
def test_minibatches_together_make_the_step_of_one_large_one(engine, tied):
    net = ew.mlp([2, 8, 3], activation="tanh").replace(response=np.linspace(0.5, 1.5, 13), **tied(40, 13))
    settings = {"sample_weight": np.arange(70) % 5, "clip_norm": 0.3, "schedule": ew.Cosine(), "engine": engine}
    x, y = blobs(70)
    nets = net.copy(), net.copy()
    ew.fit(nets[0], x, y, epochs=4, batch_size=15, **settings)
    ew.fit(nets[1], x, y, epochs=4, batch_size=5, accumulate=3, **settings)
    assert_close(nets[1].weight, nets[0].weight, 1e-10)
    assert_close(nets[1].bias, nets[0].bias, 1e-10)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_l1_average_and_accumulation_are_alike_in_the_core(optimizer):
    net = ew.mlp([2, 8, 3], activation="tanh")
    net.weight[::3] = 0  # where the pull is 0
    settings = {"optimizer": optimizer, "l1": 0.02, "average": 0.9, "accumulate": 2, "clip_norm": 0.5}
    assert_close(trained(net, **settings), trained(net, **settings, engine="reference"), 1e-10)


@pytest.mark.parametrize("settings", [{}, {"accumulate": 3}, {"l1": 0.01, "average": 0.9}], ids=str)
@pytest.mark.parametrize("kind", ["layers", "graph", "wide"])
def test_dropout_is_alike_in_the_core(kind, settings):
    net = {
        "layers": ew.mlp([2, 33, 20, 3], activation="tanh"),
        "graph": ew.random_dag(60, 500, n_inputs=2, n_outputs=3),
        "wide": ew.mlp([2, 40, 3]).replace(activation=["identity"] * 22 + ["relu"] * 10 + ["sigmoid"] * 13,
                                           aggregation=["sum"] * 40 + ["max"] * 3 + ["mean"] * 2),
    }[kind]  # fmt: skip
    settings = {"dropout": 0.3, "seed": 5, "optimizer": ew.Adam(0.01), **settings}
    assert_close(trained(net, **settings), trained(net, **settings, engine="reference"), 1e-9)
    assert np.array_equal(trained(net, **settings, threads=1), trained(net, **settings, threads=3))
    assert not np.array_equal(trained(net, **settings), trained(net, **settings | {"seed": 6}))


def test_dropout_leaves_out_as_many_as_it_says():
    net = ew.mlp([2, 50, 3])
    kept = np.stack([ew.dropout.kept(net, 0.3, 1, minibatch, 400) for minibatch in range(5)])
    hidden = kept[:, 2:52]
    assert np.unique(hidden).tolist() == [0, 1 / 0.7]
    assert (kept[:, :2] == 1).all()
    assert (kept[:, 52:] == 1).all()
    dropped = hidden == 0
    assert abs(dropped.mean() - 0.3) < 0.01  # of 100,000
    for axis in range(3):  # no node, no sample and no minibatch is favoured
        of_each = dropped.mean(axis=tuple(a for a in range(3) if a != axis))
        assert np.abs(of_each - 0.3).max() < 5 * np.sqrt(0.21 / (dropped.size / len(of_each)))
    correlation = np.corrcoef(dropped.reshape(5 * 50, 400))
    assert np.abs(correlation - np.eye(250)).max() < 6 / np.sqrt(400)


def test_a_callback_sees_the_passes_with_nodes_left_out():
    x, y = blobs(64)
    records = []
    ew.fit(ew.mlp([2, 30, 3]), x, y, epochs=1, batch_size=16, dropout=0.5, callbacks=[records.append])
    for record in records:
        assert record.loss == pytest.approx(record.backward.loss)
        assert (record.backward.value[:, 2:32] == 0).mean() > 0.5


def test_l1_is_pytorchs_and_pulls_weights_to_zero():
    x, y = blobs(64)
    net = ew.mlp([2, 3], seed=3)
    layer = torch.nn.Linear(2, 3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(net.layers[0].weight))
        layer.bias.copy_(torch.tensor(net.layers[0].bias))
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(8):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(torch.tensor(x)), torch.tensor(y))
        (loss + 0.05 * layer.weight.abs().sum()).backward()
        optimizer.step()
    ew.fit(net, x, y, optimizer=ew.SGD(0.1), epochs=8, batch_size=64, l1=0.05)
    assert_close(net.layers[0].weight, layer.weight.detach().numpy(), 1e-10)
    far = ew.mlp([2, 3], seed=3)
    ew.fit(far, x, y, optimizer=ew.SGD(0.1), epochs=100, batch_size=64, l1=10.0)
    assert np.abs(far.weight).max() <= 1.0  # within a step of 0


def test_smoothed_labels_are_pytorchs():
    x, y = blobs(64)
    net = ew.mlp([2, 5, 3], seed=3)
    for engine in ("native", "reference"):
        bwd = net.backprop(x, y=y, loss=ew.losses.cross_entropy(0.1), engine=engine)
        output = torch.tensor(net.forward(x).output, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(output, torch.tensor(y), label_smoothing=0.1)
        loss.backward()
        assert_close(bwd.loss, loss.item(), 1e-12)
        assert_close(bwd.sensitivity[:, net.outputs] / 64, output.grad.numpy(), 1e-12)
    with pytest.raises(ew.DataError, match="label_smoothing must be"):
        ew.losses.cross_entropy(1.0)


def test_an_average_of_the_parameters_is_what_is_measured_and_kept():
    x, y = blobs(64)
    net, seen = ew.mlp([2, 3], seed=3), []
    history = ew.fit(
        net, x, y, epochs=5, batch_size=16, average=0.95, validation=(x, y), optimizer=ew.Adam(0.05),
        callbacks=[lambda record: seen.append(record.network.weight.copy())],
    )  # fmt: skip
    average = ew.mlp([2, 3], seed=3).weight.copy()
    for t, weight in enumerate(seen, 1):
        kept = min(0.95, (1 + t) / (10 + t))
        average = kept * average + (1 - kept) * weight
    assert_close(net.weight, average, 1e-12)
    assert_close(history.validation_loss[-1], net.backprop(x, y=y, loss="cross_entropy").loss)


def test_on_epoch_sees_every_epoch_and_may_stop():
    x, y = blobs(100)
    records = []

    def note(record):
        records.append((record.epoch, record.epochs, record.history.loss[-1], record.open_gates))
        assert record.samples_per_second > 0
        return record.epoch == 2

    history = ew.fit(ew.mlp([2, 7, 3]), x, y, epochs=9, on_epoch=[note])
    assert [r[0] for r in records] == history.epoch == [0, 1, 2]
    assert [r[2] for r in records] == history.loss
    net = history.network
    gate = net.forward(x).gate[:, ~net.is_input]
    assert records[-1][3] == pytest.approx((gate != 0).mean())  # of ReLU and identity, over at most 256 samples


def test_a_loss_and_an_optimizer_of_ones_own():
    class Half:  # knows `learning_rate`, `init` and `step`, which is all that fit asks for
        learning_rate = 0.05
        init = ew.SGD(0.05).init

        def step(self, parameters, gradient, state):
            parameters -= self.learning_rate * gradient

    own = ew.Loss("own", lambda o, y: 0.5 * ((o - y) ** 2).sum(axis=1), lambda o, y: o - y)
    net, y = ew.mlp([2, 8, 3], activation="tanh"), np.random.default_rng(1).normal(size=(70, 3))
    expected = trained(net, loss="squared_error", y=y, optimizer=ew.SGD(0.05))
    assert_close(trained(net, loss=own, y=y, optimizer=Half()), expected, 1e-10)


def test_early_stopping_restores_the_best():
    x, y = blobs(40)
    noise = np.random.default_rng(1).integers(0, 3, 40)
    net = ew.mlp([2, 64, 3])
    history = ew.fit(net, x, y, epochs=500, validation=(x, noise), patience=5, optimizer=ew.Adam(0.02))
    assert history.stopped_early
    assert len(history.epoch) == history.best_epoch + 6
    best = net.backprop(x, y=noise, loss="cross_entropy").loss
    assert_close(best, min(history.validation_loss))


def test_patience_without_validation_watches_the_training_loss():
    x, y = blobs()
    net = ew.mlp([2, 8, 3])
    history = ew.fit(net, x, y, optimizer=ew.Adam(0.02), epochs=500, patience=3, tolerance=0.01)
    assert history.stopped_early
    assert history.best_epoch is None
    losses = np.array(history.loss)
    fell = losses[1:] < np.minimum.accumulate(losses)[:-1] - 0.01
    assert not fell[-3:].any()
    assert fell[-4]
    again = ew.mlp([2, 8, 3])
    ew.fit(again, x, y, optimizer=ew.Adam(0.02), epochs=len(losses))
    assert net.weight.tobytes() == again.weight.tobytes()  # the last parameters stay


@pytest.mark.parametrize("tied", TIED)
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "optimizer",
    [ew.SGD(0.1), ew.SGD(0.1, momentum=0.9), ew.Adam(0.02), ew.AdamW(0.02)],
    ids=["sgd", "heavy", "adam", "w"],
)
def test_an_optimizer_goes_on_from_its_state(optimizer, engine, tied):
    x, y = blobs(70)
    start = ew.mlp([2, 17, 3], activation="tanh")
    start = start.replace(**tied(start.n_edges, start.n_nodes))
    start.bias[0] = 5.0  # of an input: ignored, and left alone
    settings = {"optimizer": optimizer, "batch_size": 16, "shuffle": False, "engine": engine}
    whole, parts, state = start.copy(), start.copy(), ew.OptimizerState()
    ew.fit(whole, x, y, epochs=5, **settings)
    ew.fit(parts, x, y, epochs=2, state=state, **settings)
    assert state.step == 10
    ew.fit(parts, x, y, epochs=3, state=state, **settings)
    assert state.step == 25
    assert parts.weight.tobytes() == whole.weight.tobytes()
    assert parts.bias.tobytes() == whole.bias.tobytes()
    assert parts.bias[0] == 5.0


def test_the_state_is_the_same_in_the_core():
    x, y = blobs(70)
    states = ew.OptimizerState(), ew.OptimizerState()
    for engine, state in zip(("native", "reference"), states, strict=True):
        ew.fit(ew.mlp([2, 17, 3], activation="tanh"), x, y, epochs=3, state=state, engine=engine)
    assert states[0].step == states[1].step
    for in_core, here in zip(states[0].moments, states[1].moments, strict=True):
        assert_close(in_core, here, 1e-10)


@pytest.mark.parametrize("what", ["weight", "bias"])
@pytest.mark.parametrize("train", [ew.fit, lambda net, x, y, **how: ew.fit_many([net], x, y, **how)])
def test_a_network_that_cannot_be_written_to_is_refused(what, train):
    net = ew.mlp([2, 3, 1])
    getattr(net, what).flags.writeable = False
    before = net.copy()
    with pytest.raises(ew.DataError, match=r"(weights|biases) are read-only, so it cannot be trained; train net.copy"):
        train(net, np.ones((4, 2)), np.ones((4, 1)), loss="squared_error", epochs=1)
    assert np.array_equal(net.weight, before.weight)
    ew.fit(net.copy(), np.ones((4, 2)), np.ones((4, 1)), loss="squared_error", epochs=1, progress=False)


def test_a_state_of_something_else_is_refused():
    x, y = blobs(70)
    state = ew.OptimizerState()
    ew.fit(ew.mlp([2, 4, 3]), x, y, epochs=1, state=state)
    with pytest.raises(
        ew.DataError, match=r"state holds moments of shape \[\(27,\), \(27,\)\]; this optimizer has \[\(33,"
    ):
        ew.fit(ew.mlp([2, 5, 3]), x, y, epochs=1, state=state)
    with pytest.raises(ew.DataError, match=r"this optimizer has \[\] on this network"):
        ew.fit(ew.mlp([2, 4, 3]), x, y, epochs=1, state=state, optimizer=ew.SGD())
    state.moments[1][3] = np.nan
    with pytest.raises(ew.DataError, match="state holds a number that is not finite"):
        ew.fit(ew.mlp([2, 4, 3]), x, y, epochs=1, state=state)


def test_clipping_bounds_the_step():
    x, y = blobs()
    net = ew.mlp([2, 3])
    before = np.concatenate([net.weight, net.bias])
    steps = []

    def watch(record):
        now = np.concatenate([net.weight, net.bias])
        steps.append(np.linalg.norm(now - before))
        before[:] = now

    ew.fit(net, x * 1000, y, optimizer=ew.SGD(1.0), epochs=2, clip_norm=0.01, callbacks=[watch])
    assert_close(steps, np.full(len(steps), 0.01), 1e-9)


def test_callbacks_see_every_step_and_may_stop():
    x, y = blobs(100)
    records = []

    def stop_at_five(record):
        records.append(record)
        return record.step == 5

    history = ew.fit(ew.mlp([2, 3]), x, y, batch_size=32, epochs=9, callbacks=[stop_at_five])
    assert [record.step for record in records] == [0, 1, 2, 3, 4, 5]
    assert [record.epoch for record in records] == [0, 0, 0, 0, 1, 1]
    assert history.epoch == [0, 1]
    assert records[0].backward.gate.shape == (32, 5)
    assert records[0].loss == records[0].backward.loss


def test_weights_of_zero_take_samples_out():
    x, y = blobs(64)
    inside = np.arange(64) % 2 == 0
    nets = [ew.mlp([2, 3]) for _ in range(2)]
    ew.fit(nets[0], x, y, sample_weight=inside.astype(float), epochs=3, batch_size=64, shuffle=False)
    ew.fit(nets[1], x[inside], y[inside], epochs=3, batch_size=64, shuffle=False)
    assert_close(nets[0].weight, nets[1].weight)


def test_the_loss_of_an_epoch_counts_class_weights():
    # a learning rate of 0 leaves the network be, so the epoch's mean is that of one pass over all samples
    x, y = blobs(50)
    net = ew.mlp([2, 3])
    share, of_class = np.random.default_rng(2).uniform(0.1, 2, 50), [1.0, 5.0, 0.0]
    history = ew.fit(
        net, x, y, optimizer=ew.SGD(0.0), epochs=1, batch_size=3, sample_weight=share, class_weight=of_class
    )
    whole = net.backprop(x, y=y, loss="cross_entropy", sample_weight=share, class_weight=of_class).loss
    assert_close(history.loss[0], whole)


def test_ties_hold():
    net = ew.Network([0, 0, 1, 2], [1, 2, 3, 3], [0.5, 0.5, 1.0, -1.0], tie=[0, 0, 1, 2], activation="tanh")
    x = np.random.default_rng(0).normal(size=(32, 1))
    ew.fit(net, x, np.sin(x), epochs=5)
    assert net.weight[0] == net.weight[1] != 0.5


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_ties_of_biases_hold(engine):
    x = np.random.default_rng(0).normal(size=(32, 2))
    tie = np.arange(16) % 3
    for asked in ({}, {"accumulate": 2, "average": 0.9}, {"optimizer": ew.SGD(0.1, momentum=0.9), "dropout": 0.2}):
        net = ew.mlp([2, 9, 5], activation="tanh").replace(bias_tie=tie)
        net.bias[:2] = 4.0
        ew.fit(net, x, np.sin(x @ np.ones((2, 5))), epochs=5, batch_size=5, engine=engine, **asked)
        assert net.bias[:2].tolist() == [4.0, 4.0]
        each = [set(net.bias[2:][tie[2:] == k].tolist()) for k in range(3)]
        assert [len(found) for found in each] == [1, 1, 1]
        assert len(set().union(*each)) == 3


@settings(max_examples=60)
@given(networks_with_samples(activations=SMOOTH), st.integers(1, 3), st.sampled_from([0.0, 0.9]), st.booleans())
def test_random_graphs_with_and_without_ties_train_alike_in_the_core(case, accumulate, average, adam):
    net, x = case
    twins = net.copy(), net.copy()
    for engine, twin in zip(("native", "reference"), twins, strict=True):
        ew.fit(
            twin,
            x,
            np.zeros((len(x), net.n_outputs)),
            loss="squared_error",
            optimizer=ew.Adam(0.01) if adam else ew.SGD(0.1, momentum=0.9),
            clip_norm=0.5,
            epochs=2,
            batch_size=2,
            accumulate=accumulate,
            average=average,
            engine=engine,
        )
    for name in ("weight", "bias"):
        assert_close(getattr(twins[0], name), getattr(twins[1], name), 1e-9)
    for twin in twins:
        for array, tie in ((twin.weight, net.tie), (twin.bias, net.bias_tie)):
            assert tie is None or len(set(zip(tie.tolist(), array.tolist(), strict=True))) == tie.max() + 1


def test_a_step_of_sgd_moves_a_shared_bias_by_the_sum_of_its_gradients():
    x, y = blobs(70)
    net = ew.mlp([2, 8, 3], activation="tanh").replace(**biases_tied(40, 13))
    before, gradient = net.copy(), net.backprop(x, y=y, loss="cross_entropy").bias_gradient
    ew.fit(net, x, y, optimizer=ew.SGD(0.1), epochs=1, batch_size=70)
    assert_close(net.bias[2:], before.bias[2:] - 0.1 * gradient[2:])
    free = before.replace(bias_tie=None).backprop(x, y=y, loss="cross_entropy").bias_gradient
    assert_close(gradient[2:], over_ties(net.bias_tie, free)[2:])


def test_regression_reports_r2():
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.3
    history = ew.fit(ew.mlp([3, 1]), x, y, optimizer=ew.Adam(0.05), epochs=60)
    assert history.metric_name == "r2"
    assert history.metric[-1] > 0.999


def test_history_in_a_file(tmp_path):
    x, y = blobs()
    history = ew.fit(ew.mlp([2, 3]), x, y, epochs=3, validation=0.2)
    history.write_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [float(row["validation_metric"]) for row in rows] == history.validation_metric


def test_divergence_says_where_and_puts_the_network_back():
    x, y = blobs()
    net = ew.Network([0, 1, 2], [2, 2, 3], [1.0, 1.0, 1.0], activation=["identity", "identity", "exp", "identity"],
                     names=["a", "b", "boom", "out"])  # fmt: skip
    with pytest.raises(ew.DataError, match=r"epoch 0, step 1: the loss is inf, first at node 'boom'"):
        ew.fit(net, x * 10, y.astype(float), optimizer=ew.SGD(10.0), epochs=50)
    assert np.array_equal(net.weight, [1, 1, 1])


def test_a_bar_is_drawn_on_a_terminal_alone(monkeypatch, capsys):
    x, y = blobs()
    ew.fit(ew.mlp([2, 3]), x, y, epochs=2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    ew.fit(ew.mlp([2, 3]), x, y, epochs=2, validation=0.2)
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.err
    assert "held-out" in shown.err
    assert shown.out == ""


def test_an_interrupt_keeps_whole_steps():
    x, y = blobs()
    net = ew.mlp([2, 3])
    kept = []

    def interrupt(record):
        kept.append(net.weight.copy())
        if record.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ew.fit(net, x, y, callbacks=[interrupt])
    assert np.array_equal(net.weight, kept[-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((0, 2))}, "no samples"),
        ({"x": np.zeros(2)}, "needs samples as rows"),
        ({"x": np.full((120, 2), np.nan)}, "x is nan at input 0 of sample 0"),
        ({"y": np.zeros(3, int)}, "y has shape"),
        ({"y": np.full(120, 7)}, "out of range"),
        ({"loss": "cross-entropy"}, "unknown loss"),
        ({"epochs": 0}, "epochs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"validation": 1.0}, "validation must be"),
        ({"validation": 0.999}, "leaves none to train on"),
        ({"tolerance": -0.1}, "tolerance must be a number at least 0, not -0.1"),
        ({"clip_norm": 0}, "clip_norm"),
        ({"accumulate": 0}, "accumulate must be"),
        ({"seed": -1}, "seed must be a whole number at least 0"),
        ({"threads": 0}, "threads must be a whole number"),
        ({"l1": -1}, "l1 must be"),
        ({"average": 1.0}, "average must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"sample_weight": [1.0]}, "sample_weight has shape"),
    ],
)
def test_what_does_not_fit(changes, message):
    x, y = blobs()
    arguments = {"x": x, "y": y, **changes}
    with pytest.raises(ew.DataError, match=message):
        ew.fit(ew.mlp([2, 3]), **arguments)
