"""What a Watch sees of training: the budget of its steps, units that die, updates and noise; in bounded memory."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import edgewise as ew
from edgewise.diagnosis import look as looking
from edgewise.diagnosis import watch as watching
from strategies import dags

RNG = np.random.default_rng(0)
X = RNG.normal(size=(640, 8))
Y = np.argmax(X[:, :3], axis=1)


def network(**settings):
    return ew.mlp([8, 16, 16, 3], activation="relu", seed=0, **settings)


def fit(net, watch, **settings):
    return ew.fit(net, X, Y, **({"epochs": 2, "batch_size": 32, "callbacks": [watch], "progress": False} | settings))


def test_it_looks_every_so_many_steps_and_changes_nothing():
    alone, watched = network(), network()
    fit(alone, None, callbacks=[])
    watch = ew.Watch(7)
    fit(watched, watch)
    assert (watched.weight == alone.weight).all()
    assert [moment.step for moment in watch.moments] == [0, 7, 14, 21, 28, 35]
    assert [moment.epoch for moment in watch.moments] == [0, 0, 0, 1, 1, 1]


def test_callbacks_that_say_how_often_are_called_so_often():
    class Now:
        every = 5

        def __init__(self):
            self.steps = []

        def __call__(self, record):
            self.steps.append(record.step)
            assert record.n_samples == len(record.samples()[0]) == 32
            assert (record.before.weight != record.network.weight).any()

    every_step, seen = [], []
    both = [lambda record: every_step.append((record.before.weight.copy(), record.network.weight.copy()))]
    fit(network(), None, callbacks=both)

    class Then(Now):
        def __call__(self, record):
            seen.append((record.before.weight.copy(), record.network.weight.copy()))

    fit(network(), None, callbacks=[Then()])
    np.testing.assert_array_equal(seen, every_step[::5])  # also of steps that come after others nobody saw
    seldom, each = Now(), []
    fit(network(), seldom, callbacks=[seldom, lambda record: each.append(record.step)])
    assert seldom.steps == [0, 5, 10, 15, 20, 25, 30, 35]
    assert each == list(range(40))


def test_a_moment_is_the_budget_of_its_step():
    seen = []

    def keep(record):
        seen.append((record.before.copy(), *record.samples(16)[:2], record.network.copy()))

    watch = ew.Watch(1, samples=16)
    fit(network(), watch, callbacks=[watch, keep], epochs=1)
    for moment, (net, x, y, after) in zip(watch.moments, seen, strict=True):
        budget = ew.gradient_budget(net, x, y=y, loss="cross_entropy")
        rows = [(r.weights_db, r.gates_db, r.interference_db, r.total_db) for r in budget.rows]
        np.testing.assert_allclose(moment.levels, rows, atol=1e-9)
        assert moment.total()[3] == pytest.approx(sum(row[3] for row in rows[1:]))
        for level, ratio in enumerate(moment.update_ratio.tolist(), 1):
            edges = net.depth[net.tail] == level
            change = np.square(after.weight[edges] - net.weight[edges]).mean()
            assert ratio == pytest.approx((change / np.square(net.weight[edges]).mean()) ** 0.5)


class WatchByNumPy(ew.Watch):
    """No look is the core's."""

    def _by_core(self, network, samples, step_size, threads, *, beside):
        return None


def by_all(every, samples):
    """Watches, and engines to train with: the core looks as it trains, or between the reference's steps, or not."""
    return [
        (ew.Watch(every, samples=samples), "native"),
        (ew.Watch(every, samples=samples), "reference"),
        (WatchByNumPy(every, samples=samples), "reference"),
    ]


@given(st.data())
def test_the_core_sees_what_numpy_sees(data):
    net = data.draw(dags(dtypes=("float32", "float64")))
    assume(not net.is_input[net.outputs].all())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(2, 40))
    x, y = rng.normal(size=(n, net.n_inputs)), rng.normal(size=(n, net.n_outputs))
    settings = {
        "batch_size": data.draw(st.integers(2, n)),
        "accumulate": data.draw(st.integers(1, 2)),
        "sample_weight": data.draw(st.sampled_from([None, rng.uniform(0.5, 2, n)])),
        "optimizer": data.draw(st.sampled_from([ew.SGD(1e-3), ew.Adam(1e-3)])),
        "dropout": data.draw(st.sampled_from([0.0, 0.3])),
        "epochs": 3,
        "loss": "squared_error",
        "progress": False,
    }
    every, of = data.draw(st.sampled_from([1, 2, 17])), data.draw(st.sampled_from([None, 4]))
    watches = by_all(every, of)
    for watch, engine in watches:
        ew.fit(net.with_own_parameters(), x, y, engine=engine, callbacks=[watch], **settings)
    *by_core, by_numpy = (watch for watch, _ in watches)
    for watch in by_core:
        the_same(watch, by_numpy, net)


def the_same(watch, expected, net):
    assert watch._memory.seen[0] == expected._memory.seen[0]
    tolerance = 1e-9 if net.dtype == np.float64 else 1e-3
    for (epoch, row), (other_epoch, other) in zip(watch._rows, expected._rows, strict=True):
        assert epoch == other_epoch
        for name in ("STEP", "SAMPLES", "DEAD", "SATURATED"):
            column = looking.Column[name]
            assert row[column] == other[column], name
        sizes, changed, were = looking.parts(row)
        other_sizes, other_changed, other_were = looking.parts(other)
        np.testing.assert_allclose(sizes, other_sizes, rtol=tolerance, atol=tolerance * other_sizes.max())
        np.testing.assert_allclose(were, other_were, rtol=tolerance)
        rounding = 2 * np.finfo(net.dtype).eps * np.sqrt(other_were.max(initial=0))
        np.testing.assert_allclose(np.sqrt(changed), np.sqrt(other_changed), rtol=tolerance, atol=rounding)
        for name in ("LOSS", "OPEN", "NOISE", "SIGNAL"):
            column = looking.Column[name]
            np.testing.assert_allclose(row[column], other[column], rtol=tolerance, atol=tolerance)
    for name in ("closed", "last_open", "step_of", "opened"):
        np.testing.assert_allclose(getattr(watch._memory, name), getattr(expected._memory, name), atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_core_sees_the_same_level_by_level(activation):
    rows = []
    for watch, engine in by_all(1, 72):
        net = ew.mlp([8, 300, 300, 3], activation=activation, seed=0)
        fit(net, watch, engine=engine, batch_size=320, epochs=1)
        rows.append(np.stack([row for _, row in watch._rows]))
    places = rows[0][:, looking.Column.PLACE].copy()
    rows[0][:, looking.Column.PLACE] = 0  # which is noted where the core trains alone
    assert places.tolist() == [0, 320]
    for of_core in rows[:2]:
        np.testing.assert_allclose(of_core, rows[2], rtol=1e-8)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_look_is_the_same_for_any_number_of_threads(threads):
    seen = []
    for n in (1, threads):
        watch = ew.Watch(1)
        net = ew.mlp([8, 300, 300, 3], activation="tanh", seed=0, dtype="float32")
        fit(net, watch, threads=n, batch_size=320)
        seen.append(np.stack([row for _, row in watch._rows]))
    np.testing.assert_array_equal(*seen)


def test_noise_is_that_of_the_gradients_of_samples():
    net = network()
    x, y = X[:512], Y[:512]
    each = net.backprop(x, y=y, loss="cross_entropy").weight_gradient_per_sample
    bias = net.backprop(x, y=y, loss="cross_entropy").bias_gradient_per_sample
    each = np.concatenate([each, bias], axis=1)
    noise, signal = each.var(axis=0, ddof=1).sum(), np.square(each.mean(axis=0)).sum()
    found = []
    for seed in range(400):  # each time the first minibatch, from the same parameters
        watch = ew.Watch(10**6, samples=16)
        step = {"epochs": 1, "batch_size": 64, "seed": seed, "loss": "cross_entropy", "callbacks": [watch]}
        ew.fit(network(), x, y, progress=False, **step)
        found.append(watch._memory.seen[1:])
    estimate = np.mean(found, axis=0)
    assert estimate[0] == pytest.approx(noise, rel=0.1)
    assert estimate[1] == pytest.approx(signal, rel=0.1)


def test_units_that_die_are_told_with_when():
    net = network()
    watch = ew.Watch(5)
    fit(net, watch, epochs=12, optimizer=ew.SGD(30.0), clip_norm=1.0)
    report = watch.report()
    died = next(finding for finding in report.findings if finding.code == "units_died")
    assert died.evidence["last"] <= watch.moments[-1].step - 8 * 5 + 5  # for so many looks at 32 samples
    gates = net.forward(X).gate[:, list(died.nodes)]
    assert (gates == 0).mean() > 0.95
    assert "were open" in died.says
    assert watch.moments[0].dead == 0
    assert watch.moments[-1].dead >= len(died.nodes)
    json.dumps(report.to_dict(), allow_nan=False)


def test_saturated_units_are_counted_and_rectifiers_are_not():
    for activation, expected in (("tanh", True), ("relu", False)):
        net = ew.mlp([8, 16, 3], activation=activation, seed=0)
        net.weight[:128] *= 100
        watch = ew.Watch(10)
        fit(net, watch, epochs=1, optimizer=ew.SGD(1e-6))
        assert (watch.moments[-1].saturated > 8) == expected


def test_what_was_seen_before_a_run_diverged_is_kept():
    seen = []
    for engine in ("native", "reference"):
        watch = ew.Watch(1)
        with pytest.raises(ew.DataError, match="diverged"):
            fit(network(), watch, optimizer=ew.SGD(1e200), epochs=4, engine=engine)
        seen.append([moment.step for moment in watch.moments])
    assert seen[0] == seen[1]
    assert seen[0]


def test_memory_is_bounded():
    watch = ew.Watch(1, keep=8)
    fit(network(), watch, epochs=5)
    steps = [moment.step for moment in watch.moments]
    assert len(steps) <= 8
    assert watch.every == 16
    assert steps == list(range(0, 100, 16))
    assert sum(len(x) for x, _, _ in watch._recent) <= 2 * watching.LATELY


def test_it_is_plain_data_and_a_table():
    watch = ew.Watch(10)
    net = network()
    net.bias[8:24] = -1000  # nothing gets through
    fit(net, watch)
    data = json.loads(json.dumps(watch.to_dict(), allow_nan=False))
    assert (data["schema"], data["every"], len(data["moments"])) == (1, 10, 4)
    assert data["moments"][0]["levels"][2]["gates_db"] == "-inf"
    assert len(str(watch).splitlines()) == 5


def test_arcs_may_change():
    net = ew.mlp([8, 32, 32, 3], density=0.3, seed=0)
    watch = ew.Watch(5)
    history = fit(net, watch, epochs=4, sparse=ew.sparse.RigL(every=10))
    assert watch.report().network is history.network or history.network.n_edges == net.n_edges
    assert all(np.isfinite(moment.levels).all() for moment in watch.moments)


def test_what_does_not_fit_is_said():
    with pytest.raises(ew.DataError, match="nothing has been watched yet"):
        ew.Watch().report()
    with pytest.raises(ew.DataError, match="every must be a whole number"):
        ew.Watch(0)
